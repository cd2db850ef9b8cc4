#include "bridge/enricher/marks.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/base64.h"
#include "bridge/base/memory.h"

#define PREFIX        "1:"
#define PREFIX_LENGTH (sizeof PREFIX - 1)
#define VARINT_BYTES  9 /* 63 bits */

static size_t put(uint8_t *bytes, int64_t number)
{
    uint64_t rest = (uint64_t)number;
    size_t length = 0;
    for (; rest >= 0x80; rest >>= 7)
        bytes[length++] = (uint8_t)(rest | 0x80);
    bytes[length++] = (uint8_t)rest;
    return length;
}

void marks_begin(struct marks *marks, int64_t watermark, size_t maximum)
{
    size_t text = maximum < MARKS_TEXT_MAXIMUM ? maximum : MARKS_TEXT_MAXIMUM;
    marks->maximum = text <= PREFIX_LENGTH ? 0 : (text - PREFIX_LENGTH) * 3 / 4;
    marks->length = marks->pair = put(marks->bytes, watermark);
    marks->end = marks->pair_base = marks->pair_from = watermark;
}

bool marks_add(struct marks *marks, int64_t from, int64_t to)
{
    bool joins = from == marks->end;
    size_t at = joins ? marks->pair : marks->length;
    int64_t base = joins ? marks->pair_base : marks->end;
    int64_t begin = joins ? marks->pair_from : from;
    uint8_t pair[2 * VARINT_BYTES];
    size_t length = put(pair, begin - base);
    length += put(pair + length, to - begin);
    if (at + length > marks->maximum)
        return false;
    memcpy(marks->bytes + at, pair, length);
    marks->length = at + length;
    marks->end = to;
    marks->pair = at;
    marks->pair_base = base;
    marks->pair_from = begin;
    return true;
}

char *marks_text(const struct marks *marks)
{
    if (marks->pair == marks->length)
        return NULL;
    char *encoded = base64_text(marks->bytes, marks->length);
    char *text = memory_format(PREFIX "%s", encoded);
    free(encoded);
    return text;
}

/* The next number of the bytes; -1 when there is none that fits into 63 bits. */
static int64_t take(const uint8_t **bytes, const uint8_t *end)
{
    uint64_t number = 0;
    for (int shift = 0; *bytes < end && shift < 7 * VARINT_BYTES; shift += 7) {
        uint8_t byte = *(*bytes)++;
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return (int64_t)number;
    }
    return -1;
}

/* True when `from` could be moved on by so many offsets, at least one. */
static bool advance(int64_t *from, int64_t length)
{
    if (length <= 0 || length > INT64_MAX - *from)
        return false;
    *from += length;
    return true;
}

static const char *read_runs(const uint8_t *bytes, size_t length, int64_t watermark,
                             struct marks_run *runs, size_t *count)
{
    const uint8_t *end = bytes + length;
    int64_t offset = watermark;
    *count = 0;
    if (watermark < 0 || take(&bytes, end) != watermark)
        return "it belongs to another offset";
    while (bytes < end) {
        struct marks_run *run = &runs[*count];
        if (!advance(&offset, take(&bytes, end)))
            return "a length is missing or no length";
        run->from = offset;
        if (!advance(&offset, take(&bytes, end)))
            return "a length is missing or no length";
        run->to = offset;
        (*count)++;
    }
    return *count == 0 ? "it tells nothing" : NULL;
}

struct marks_run *marks_read(const char *text, size_t length, int64_t watermark, size_t *count,
                             const char **reason)
{
    size_t decoded = 0;
    if (length < PREFIX_LENGTH || memcmp(text, PREFIX, PREFIX_LENGTH) != 0) {
        *reason = "it is not of this program, or of another version";
        return NULL;
    }
    if (length > MARKS_TEXT_MAXIMUM) {
        *reason = "it is too long";
        return NULL;
    }
    uint8_t *bytes = base64_bytes(text + PREFIX_LENGTH, length - PREFIX_LENGTH, &decoded);
    if (bytes == NULL) {
        *reason = "it is not base64";
        return NULL;
    }
    /* A run takes two bytes at least. */
    struct marks_run *runs = memory_new(decoded / 2 + 1, sizeof *runs);
    *reason = read_runs(bytes, decoded, watermark, runs, count);
    free(bytes);
    if (*reason == NULL)
        return runs;
    free(runs);
    return NULL;
}
