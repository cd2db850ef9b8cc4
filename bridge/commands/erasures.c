#include "bridge/commands/erasures.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/enricher/erasing.h"

/* Anything but NULL. */
static char mark;

/* The caller frees. */
static char *key_of(int partition, const char *record, size_t length)
{
    return memory_format("%d/%.*s", partition, (int)length, record);
}

/* The key is <model>/<record id>/<name>; in the table the partition stands in the name's place. */
static void take(void *context, const rd_kafka_message_t *message)
{
    struct erasures *erasures = context;
    char order[ERASE_ORDER_SIZE];
    bool kept_out = false;
    const char *record = message->key;
    size_t name = strlen("/" ERASED_NAME);
    if (record == NULL || message->key_len <= name ||
        memcmp(record + message->key_len - name, "/" ERASED_NAME, name) != 0)
        return;
    char *key = key_of(message->partition, record, message->key_len - name);
    if (erasure_read(message->payload, message->len, &kept_out, order) && kept_out)
        (void)table_put(&erasures->records, key, strlen(key), &mark);
    else
        (void)table_remove(&erasures->records, key, strlen(key));
    free(key);
}

bool erasures_read(struct erasures *erasures, struct range *range, const struct topics *topics,
                   struct error *error)
{
    erasures_free(erasures);
    if (!range_partitions(range, topics->state, &erasures->partitions, error))
        return false;
    int64_t *next = memory_new((size_t)erasures->partitions, sizeof *next);
    bool ok =
        range_read_on(range, topics->state, erasures->partitions, next, take, erasures, error);
    free(next);
    return ok;
}

bool erasures_have(const struct erasures *erasures, const char *model, const char *record_id)
{
    bool have = false;
    if (erasures->records.count == 0)
        return false;
    char *record = memory_format("%s/%s", model, record_id);
    for (int i = 0; i < erasures->partitions && !have; i++) {
        char *key = key_of(i, record, strlen(record));
        have = table_get(&erasures->records, key, strlen(key)) != NULL;
        free(key);
    }
    free(record);
    return have;
}

void erasures_free(struct erasures *erasures)
{
    table_free(&erasures->records);
}
