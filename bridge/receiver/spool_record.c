#include "bridge/receiver/spool_record.h"

#include <endian.h>
#include <string.h>

#include "bridge/base/digest.h"
#include "bridge/base/memory.h"

#define NOTHING UINT32_MAX

static size_t size_of(size_t length)
{
    return sizeof(uint32_t) + length;
}

static size_t size_of_record(const struct message *message)
{
    size_t size = 2 * sizeof(uint64_t) + size_of(strlen(message->topic) + 1) +
                  size_of(message->key_length) + sizeof(uint32_t) + size_of(message->value_length);
    for (size_t i = 0; i < message->header_count; i++)
        size += size_of(strlen(message->headers[i].name) + 1) + size_of(message->headers[i].length);
    return size;
}

static char *write_long(char *end, uint64_t number)
{
    uint64_t big = htobe64(number);
    memcpy(end, &big, sizeof big);
    return end + sizeof big;
}

static char *write_number(char *end, uint32_t number)
{
    uint32_t big = htobe32(number);
    memcpy(end, &big, sizeof big);
    return end + sizeof big;
}

static char *write_bytes(char *end, const void *bytes, size_t length)
{
    end = write_number(end, bytes == NULL ? NOTHING : (uint32_t)length);
    if (bytes == NULL || length == 0)
        return end;
    memcpy(end, bytes, length);
    return end + length;
}

static char *write_text(char *end, const char *text)
{
    return write_bytes(end, text, strlen(text) + 1);
}

char *spool_record_write(uint64_t sequence, const struct message *message, size_t *length)
{
    char *bytes = memory_bytes(size_of_record(message));
    char *end = write_long(bytes + sizeof(uint64_t), sequence);
    end = write_text(end, message->topic);
    end = write_bytes(end, message->key, message->key_length);
    end = write_number(end, (uint32_t)message->header_count);
    for (size_t i = 0; i < message->header_count; i++) {
        end = write_text(end, message->headers[i].name);
        end = write_bytes(end, message->headers[i].value, message->headers[i].length);
    }
    end = write_bytes(end, message->value, message->value_length);
    *length = (size_t)(end - bytes);
    (void)write_long(bytes, digest_short(bytes + sizeof(uint64_t), *length - sizeof(uint64_t)));
    return bytes;
}

/* What is left to read; `whole` becomes false at the first step beyond it. */
struct rest {
    const char *next;
    size_t left;
    bool whole;
};

static const char *take(struct rest *rest, size_t length)
{
    const char *taken = rest->next;
    rest->whole = rest->whole && length <= rest->left;
    if (!rest->whole)
        return NULL;
    rest->next += length;
    rest->left -= length;
    return taken;
}

static uint64_t read_long(struct rest *rest)
{
    uint64_t big = 0;
    const char *bytes = take(rest, sizeof big);
    if (bytes != NULL)
        memcpy(&big, bytes, sizeof big);
    return be64toh(big);
}

static uint32_t read_number(struct rest *rest)
{
    uint32_t big = 0;
    const char *bytes = take(rest, sizeof big);
    if (bytes != NULL)
        memcpy(&big, bytes, sizeof big);
    return be32toh(big);
}

static const char *read_bytes(struct rest *rest, size_t *length)
{
    uint32_t stored = read_number(rest);
    *length = 0;
    if (!rest->whole || stored == NOTHING)
        return NULL;
    const char *bytes = take(rest, stored);
    *length = bytes == NULL ? 0 : stored;
    return bytes;
}

static const char *read_text(struct rest *rest)
{
    size_t length = 0;
    const char *text = read_bytes(rest, &length);
    rest->whole = rest->whole && length > 0 && text[length - 1] == '\0';
    return text;
}

bool spool_record_read(uint64_t sequence, const void *bytes, size_t length, struct message *message)
{
    struct rest rest = {bytes, length, true};
    uint64_t digest = read_long(&rest);
    *message = (struct message){.partition = -1};
    if (!rest.whole || digest_short(rest.next, rest.left) != digest || read_long(&rest) != sequence)
        return false;
    message->topic = read_text(&rest);
    message->key = read_bytes(&rest, &message->key_length);
    uint32_t headers = read_number(&rest);
    rest.whole = rest.whole && headers <= MESSAGE_HEADERS;
    for (uint32_t i = 0; i < headers && rest.whole; i++) {
        struct message_header *header = &message->headers[message->header_count++];
        header->name = read_text(&rest);
        header->value = read_bytes(&rest, &header->length);
    }
    message->value = read_bytes(&rest, &message->value_length);
    return rest.whole && rest.left == 0;
}
