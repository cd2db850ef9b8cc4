#include "bridge/codec/json_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/text.h"
#include "bridge/codec/tree_text.h"

#define LARGEST_EXACT 9007199254740992.0 /* 2^53: integers below it are exact in a double */

/* The escape of a byte that may not stand for itself; 0 = none, 'u' = by its number. */
static char escape_of(unsigned char byte)
{
    switch (byte) {
    case '"':
    case '\\':
        return (char)byte;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    default:
        return byte < 0x20 ? 'u' : 0;
    }
}

static void append_escaped(struct buffer *out, const char *text, size_t length)
{
    size_t start = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\')
            continue;
        char escape = escape_of(byte);
        buffer_append(out, text + start, i - start);
        if (escape == 'u')
            buffer_append_format(out, "\\u%04x", byte);
        else
            buffer_append(out, (char[]){'\\', escape}, 2);
        start = i + 1;
    }
    buffer_append(out, text + start, length - start);
}

void json_text_string(struct buffer *out, const char *text, size_t length)
{
    buffer_append(out, "\"", 1);
    append_escaped(out, text, length);
    buffer_append(out, "\"", 1);
}

void json_text_number(struct buffer *out, double number)
{
    char text[40]; /* TEXT_NUMBER_SIZE fits */
    if (isinf(number)) {
        buffer_append_text(out, number > 0 ? "1e999" : "-1e999");
        return;
    }
    if (fabs(number) < LARGEST_EXACT && number == (double)(int64_t)number) {
        if (signbit(number) && number == 0)
            buffer_append(out, "-", 1);
        buffer_append(out, text, text_number((int64_t)number, text));
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    buffer_append_text(out, text);
}

static void append_verbatim(struct buffer *out, const char *text, size_t length)
{
    buffer_append(out, text, length);
}

/* The stretches of UTF-8 by `append`, what stands between them as escapes. */
static bool append_stretches(struct buffer *out, const char *text,
                             void (*append)(struct buffer *, const char *, size_t),
                             struct error *error)
{
    size_t length = strlen(text);
    size_t start = 0;
    size_t step = 1;
    enum tree_text kind = tree_text_kind(text, length);
    if (kind == TREE_TEXT_BROKEN)
        return error_set(error, VERDICT_ABORT, "a text is not valid UTF-8");
    for (size_t i = 0; kind != TREE_TEXT_PLAIN && i < length; i += step) {
        int code = tree_text_special(text + i, &step);
        if (code < 0) {
            step = 1;
            continue;
        }
        append(out, text + start, i - start);
        buffer_append_format(out, "\\u%04x", (unsigned)code);
        start = i + step;
    }
    append(out, text + start, length - start);
    return true;
}

bool json_text_plain(struct buffer *out, const char *text, struct error *error)
{
    return append_stretches(out, text, append_verbatim, error);
}

static bool append_text(struct buffer *out, const char *text, struct error *error)
{
    buffer_append(out, "\"", 1);
    bool ok = append_stretches(out, text, append_escaped, error);
    buffer_append(out, "\"", 1);
    return ok;
}

static bool append_value(struct buffer *out, const cJSON *value, int depth, struct error *error);

static bool append_members(struct buffer *out, const cJSON *value, int depth, struct error *error)
{
    bool object = cJSON_IsObject(value);
    if (depth == 0)
        return error_set(error, VERDICT_ABORT, "nested deeper than %d levels", JSON_TEXT_DEPTH);
    buffer_append(out, object ? "{" : "[", 1);
    for (const cJSON *member = value->child; member != NULL; member = member->next) {
        if (member != value->child)
            buffer_append(out, ",", 1);
        if (object && !append_text(out, member->string, error))
            return false;
        if (object)
            buffer_append(out, ":", 1);
        if (!append_value(out, member, depth - 1, error))
            return false;
    }
    buffer_append(out, object ? "}" : "]", 1);
    return true;
}

static bool append_value(struct buffer *out, const cJSON *value, int depth, struct error *error)
{
    if (cJSON_IsString(value))
        return append_text(out, value->valuestring, error);
    if (cJSON_IsObject(value) || cJSON_IsArray(value))
        return append_members(out, value, depth, error);
    if (cJSON_IsNumber(value) && value->valuestring != NULL)
        buffer_append_text(out, value->valuestring);
    else if (cJSON_IsNumber(value))
        json_text_number(out, value->valuedouble);
    else if (cJSON_IsBool(value))
        buffer_append_text(out, cJSON_IsTrue(value) ? "true" : "false");
    else
        buffer_append_text(out, "null");
    return true;
}

bool json_text_value(struct buffer *out, const cJSON *value, struct error *error)
{
    return append_value(out, value, JSON_TEXT_DEPTH, error);
}
