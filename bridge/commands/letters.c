#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/codec/json_parse.h"
#include "bridge/commands/offers.h"
#include "bridge/kafka/range.h"

#define LETTERS_MOST 500
#define TEXT_MOST    400 /* bytes of a header that are shown */

struct reading {
    cJSON *rows;
};

static void add_number(cJSON *row, const char *name, int64_t value)
{
    (void)cJSON_AddNumberToObject(row, name, (double)value);
}

/* A text of Kafka may hold any bytes: what is not plain is shown as `?`. */
static void add_text(cJSON *row, const char *name, const void *value, size_t length)
{
    if (value == NULL)
        return;
    char *text = memory_text_n(value, length < TEXT_MOST ? length : TEXT_MOST);
    for (char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || (unsigned char)*at > '~')
            *at = '?';
    (void)cJSON_AddStringToObject(row, name, text);
    free(text);
}

static void take(void *context, const rd_kafka_message_t *message)
{
    static const char *const headers[] = {"error_code", "error_message",   "source",
                                          "model",      "record_id",       "attempts",
                                          "replayed",   "first_failed_at", "original"};
    const struct reading *reading = context;
    cJSON *row = cJSON_CreateObject();
    for (size_t i = 0; i < ARRAY_LENGTH(headers); i++) {
        size_t length = 0;
        const char *value = range_header(message, headers[i], &length);
        add_text(row, headers[i], value, length);
    }
    add_text(row, "integration_id", message->key, message->key_len);
    add_number(row, "partition", message->partition);
    add_number(row, "offset", message->offset);
    add_number(row, "written_at_ms", range_timestamp(message));
    (void)cJSON_AddItemToArray(reading->rows, row);
}

static bool read_partition(struct range *range, const char *topic, int partition,
                           struct reading *reading, bool *more, const atomic_bool *cancel,
                           struct error *error)
{
    int64_t low = 0;
    int64_t high = 0;
    int64_t next = 0;
    if (!range_bounds(range, topic, partition, &low, &high, error))
        return false;
    int64_t from = high - LETTERS_MOST > low ? high - LETTERS_MOST : low;
    *more = *more || from > low;
    return range_read(range, topic, partition, from, high, take, reading, cancel, &next, error);
}

static int newest_first(const void *a, const void *b)
{
    int64_t one = json_member_integer(*(cJSON *const *)a, "written_at_ms");
    int64_t other = json_member_integer(*(cJSON *const *)b, "written_at_ms");
    return one > other ? -1 : one < other;
}

/* The newest of all partitions, which were read one after the other. True when some are left out.
 */
static bool keep_newest(cJSON *rows, cJSON *kept)
{
    int count = cJSON_GetArraySize(rows);
    cJSON **all = memory_new((size_t)count + 1, sizeof(cJSON *));
    for (int i = 0; i < count; i++)
        all[i] = cJSON_DetachItemFromArray(rows, 0);
    qsort(all, (size_t)count, sizeof(cJSON *), newest_first);
    for (int i = 0; i < count; i++) {
        if (i < LETTERS_MOST)
            (void)cJSON_AddItemToArray(kept, all[i]);
        else
            cJSON_Delete(all[i]);
    }
    free(all);
    return count > LETTERS_MOST;
}

bool offer_letters(void *context, const cJSON *asked, const atomic_bool *cancel,
                   struct buffer *answer, struct error *error)
{
    const struct offers *offers = context;
    const char *topic = offers->topics->dead_letters;
    struct range *range = range_open(offers->kafka, error);
    struct reading reading = {.rows = cJSON_CreateArray()};
    int partitions = 0;
    bool more = false;
    (void)asked;
    bool ok = range != NULL && range_partitions(range, topic, &partitions, error);
    for (int i = 0; i < partitions && ok; i++)
        ok = read_partition(range, topic, i, &reading, &more, cancel, error);
    cJSON *root = cJSON_CreateObject();
    more = keep_newest(reading.rows, cJSON_AddArrayToObject(root, "letters")) || more;
    (void)cJSON_AddBoolToObject(root, "more", more);
    char *text = cJSON_PrintUnformatted(root);
    if (ok)
        (void)buffer_append_text(answer, text);
    cJSON_free(text);
    cJSON_Delete(root);
    cJSON_Delete(reading.rows);
    range_close(range);
    return ok;
}
