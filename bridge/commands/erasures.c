#include "bridge/commands/erasures.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/enricher/erasing.h"

/* Anything but NULL. */
static char mark;

/* The key is <model>/<record id>/<name>; in the table it is without the name. */
static void take(void *context, const rd_kafka_message_t *message)
{
    struct table *found = context;
    char order[ERASE_ORDER_SIZE];
    bool kept_out = false;
    const char *key = message->key;
    size_t name = strlen("/" ERASED_NAME);
    if (key == NULL || message->key_len <= name ||
        memcmp(key + message->key_len - name, "/" ERASED_NAME, name) != 0)
        return;
    if (erasure_read(message->payload, message->len, &kept_out, order) && kept_out)
        (void)table_put(found, key, message->key_len - name, &mark);
    else
        (void)table_remove(found, key, message->key_len - name);
}

bool erasures_read(struct erasures *erasures, struct range *range, const struct topics *topics,
                   struct error *error)
{
    atomic_bool never = false;
    int partitions = 0;
    bool ok = range_partitions(range, topics->state, &partitions, error);
    erasures_free(erasures);
    for (int i = 0; ok && i < partitions; i++) {
        struct table found = {0};
        const struct table_slot *slot;
        size_t cursor = 0;
        int64_t next = 0;
        ok = range_read(range, topics->state, i, 0, RANGE_END, take, &found, &never, &next, error);
        while ((slot = table_next(&found, &cursor)) != NULL)
            (void)table_put(&erasures->records, slot->key, slot->length, &mark);
        table_free(&found);
    }
    return ok;
}

bool erasures_have(const struct erasures *erasures, const char *model, const char *record_id)
{
    if (erasures->records.count == 0)
        return false;
    char *key = memory_format("%s/%s", model, record_id);
    bool have = table_get(&erasures->records, key, strlen(key)) != NULL;
    free(key);
    return have;
}

void erasures_free(struct erasures *erasures)
{
    table_free(&erasures->records);
}
