/*
 * What the ledger hears: each event that is taken in counts once. Events are taken in again after a
 * crash or a rebalance; how far a partition was heard is kept in the cache, in one step with what
 * was heard, and what lies before it is not counted again. What others took meanwhile is read from
 * the topic when it is little; else the partition number was blind. Where a window begins stands on
 * the state topic, so that it is not the cache's alone.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/codec/json_hash.h"
#include "bridge/codec/json_parse.h"
#include "bridge/enricher/engine.h"
#include "bridge/enricher/headers.h"
#include "bridge/enricher/ledger.h"

/* The first event heard of an integration may not be the first that was sent, and the clocks of the
 * receiver's machine and of the API may differ: its window begins so long before. */
#define OPEN_BACK_MS 60000
#define AHEAD_MS     (INT64_C(24) * 3600 * 1000)
/* The key of a window on the state topic is integration_id/ledger:. No model has such a name. */
#define WINDOW_NAME "ledger:"

/* The cache's name for how far a partition was heard. The caller frees. */
static char *name_of(const struct engine *engine, int slot)
{
    return memory_format("heard/%s", engine->topics->events[slot / engine->topics->partitions]);
}

static int64_t sent_ms(const rd_kafka_message_t *message)
{
    int64_t ms = rd_kafka_message_timestamp(message, NULL);
    return ms > 0 ? ms : clock_wall_ms();
}

int64_t engine_latest_stamp_ms(void)
{
    return clock_wall_ms() + AHEAD_MS;
}

struct ledger engine_ledger(const struct engine *engine, int number, const char *integration_id)
{
    return (struct ledger){engine->cache, number, integration_id, engine->config->sync.late_ms};
}

static void hear(struct engine *engine, int slot, const rd_kafka_message_t *message,
                 const struct webhook *webhook, const char *integration_id)
{
    struct ledger ledger = engine_ledger(engine, slot % engine->topics->partitions, integration_id);
    uint64_t hash = json_hash(webhook->diff != NULL ? webhook->diff : webhook->payload);
    bool seen = webhook_is_only_seen(webhook);
    int64_t wall_ms = clock_wall_ms();
    if (ledger_hear(&ledger, webhook->model->name, webhook->record_id, hash, seen, wall_ms))
        return;
    ledger_open(&ledger, sent_ms(message) - OPEN_BACK_MS, wall_ms);
    (void)ledger_hear(&ledger, webhook->model->name, webhook->record_id, hash, seen, wall_ms);
}

void engine_hear(struct engine *engine, int slot, const rd_kafka_message_t *message,
                 const struct webhook *webhook, const struct event_headers *headers)
{
    const char *integration_id =
        headers->integration_id != NULL ? headers->integration_id : webhook->integration_id;
    if (!engine->config->sync.reconcile || message->offset < engine->heard_next[slot])
        return;
    engine->heard_next[slot] = message->offset + 1;
    if (webhook->class == WEBHOOK_EVENT && integration_id != NULL && !headers->recovered &&
        webhook->model == engine->selection->models[slot / engine->topics->partitions])
        hear(engine, slot, message, webhook, integration_id);
}

void engine_keep_slot(struct engine *engine, int slot)
{
    if (engine->heard_next[slot] == engine->heard_kept[slot])
        return;
    char *name = name_of(engine, slot);
    cache_put_offset(engine->cache, name, slot % engine->topics->partitions,
                     engine->heard_next[slot]);
    engine->heard_kept[slot] = engine->heard_next[slot];
    free(name);
}

void engine_keep_heard(struct engine *engine)
{
    for (size_t i = 0; i < engine->owned_count; i++)
        engine_keep_slot(engine, engine->owned[i]);
}

int64_t engine_heard(struct engine *engine, int slot)
{
    char *name = name_of(engine, slot);
    int64_t next = cache_offset(engine->cache, name, slot % engine->topics->partitions);
    free(name);
    engine->heard_next[slot] = engine->heard_kept[slot] = next;
    return next;
}

void engine_not_heard(struct engine *engine, int slot, int64_t offset)
{
    int number = slot % engine->topics->partitions;
    engine->heard_next[slot] = offset;
    ledger_blind(engine->cache, number);
    log_debug("sync_window_unverified", LOG_NUMBER("partition", number));
}

static char *write_window(const struct ledger_start *start)
{
    cJSON *root = cJSON_CreateObject();
    (void)cJSON_AddNumberToObject(root, "window", start->number);
    (void)cJSON_AddNumberToObject(root, "anchor_ms", (double)start->anchor_ms);
    (void)cJSON_AddNumberToObject(root, "counted", (double)start->counted);
    (void)cJSON_AddNumberToObject(root, "newest_ms", (double)start->newest_ms);
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    return text;
}

void engine_write_window(struct engine *engine, int slot, const char *integration_id,
                         const struct ledger_start *start)
{
    engine_text(engine, ITEM_PROGRESS, slot, WINDOW_NAME, integration_id, write_window(start), NULL,
                NULL);
}

static bool is_window(const char *name)
{
    return strcmp(name, WINDOW_NAME) == 0;
}

static bool read_window(const char *text, size_t length, struct ledger_start *start)
{
    cJSON *root = text == NULL ? NULL : json_parse(text, length);
    bool ok = cJSON_IsObject(root);
    if (ok)
        *start = (struct ledger_start){
            (uint32_t)json_member_integer(root, "window"), json_member_integer(root, "anchor_ms"),
            json_member_integer(root, "counted"), json_member_integer(root, "newest_ms")};
    cJSON_Delete(root);
    return ok;
}

bool engine_restore_window(struct engine *engine, const char *integration_id, const char *name,
                           const char *text, size_t length)
{
    struct ledger_start start;
    if (!is_window(name))
        return false;
    if (read_window(text, length, &start)) {
        struct ledger_start *last = memory_new(1, sizeof *last);
        *last = start;
        free(table_put(&engine->windows, integration_id, strlen(integration_id), last));
    }
    return true;
}

void engine_restore_windows(struct engine *engine, int number)
{
    size_t cursor = 0;
    struct table_slot *slot;
    while ((slot = table_next(&engine->windows, &cursor)) != NULL) {
        char *integration_id = memory_text_n(slot->key, slot->length);
        struct ledger ledger = engine_ledger(engine, number, integration_id);
        ledger_restore(&ledger, slot->value, clock_wall_ms());
        free(integration_id);
        free(slot->value);
    }
    table_free(&engine->windows);
}

void engine_ledger_committed(struct engine *engine, const struct item *item)
{
    struct ledger ledger =
        engine_ledger(engine, item->slot % engine->topics->partitions, item->integration_id);
    struct ledger_start start;
    for (size_t i = 0; i < item->hash_count; i++)
        ledger_owe(&ledger, engine->selection->names[item->place], item->record_id,
                   item->hashes[i]);
    if (item->kind == ITEM_PROGRESS && is_window(item->record_id) &&
        read_window(item->text, strlen(item->text), &start))
        ledger_closed(&ledger, &start);
}
