/* A record of the spool: what was written is read as it was, and nothing else is read at all. */
#include "tests/fuzz/fuzz.h"

#include "bridge/receiver/spool_record.h"

static bool same(const void *a, size_t a_length, const void *b, size_t b_length)
{
    return (a == NULL) == (b == NULL) && a_length == b_length &&
           (a_length == 0 || memcmp(a, b, a_length) == 0);
}

static void check_same(const struct message *wrote, const struct message *read)
{
    CHECK(strcmp(wrote->topic, read->topic) == 0);
    CHECK(same(wrote->key, wrote->key_length, read->key, read->key_length));
    CHECK(same(wrote->value, wrote->value_length, read->value, read->value_length));
    CHECK(wrote->header_count == read->header_count);
    for (size_t i = 0; i < wrote->header_count; i++) {
        CHECK(strcmp(wrote->headers[i].name, read->headers[i].name) == 0);
        CHECK(same(wrote->headers[i].value, wrote->headers[i].length, read->headers[i].value,
                   read->headers[i].length));
    }
}

static void check_foreign(const uint8_t *data, size_t size)
{
    struct message message;
    if (!spool_record_read(1, data, size, &message))
        return;
    size_t length = 0;
    char *again = spool_record_write(1, &message, &length);
    CHECK(same(again, length, data, size));
    free(again);
}

static void check_own(struct input *input)
{
    char *texts[2 * MESSAGE_HEADERS];
    struct message message = {.partition = -1};
    struct message read;
    size_t length = 0;
    uint8_t at = take_byte(input);
    uint8_t count = take_byte(input) % 8;
    char *topic = take_line(input);
    char *key = take_line(input);
    message.topic = topic;
    message.key = at % 3 == 0 ? NULL : key;
    message.key_length = message.key == NULL ? 0 : strlen(key);
    for (int i = 0; i < count; i++) {
        texts[2 * i] = take_line(input);
        texts[2 * i + 1] = take_line(input);
        message_header(&message, texts[2 * i], texts[2 * i + 1]);
    }
    char *value = take_rest(input, &message.value_length);
    message.value = value;
    char *bytes = spool_record_write(at, &message, &length);
    CHECK(spool_record_read(at, bytes, length, &read));
    check_same(&message, &read);
    CHECK(!spool_record_read((uint64_t)at + 1, bytes, length, &read));
    CHECK(!spool_record_read(at, bytes, length - 1, &read));
    bytes[(at * 31 + count) % length] ^= 1;
    CHECK(!spool_record_read(at, bytes, length, &read));
    for (int i = 0; i < 2 * count; i++)
        free(texts[i]);
    free(bytes);
    free(value);
    free(key);
    free(topic);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    check_foreign(data, size);
    check_own(&input);
    return 0;
}
