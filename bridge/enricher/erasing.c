/*
 * Records that were erased on demand (`propexo-bridge erase`): each gets a tombstone, what is known
 * of it in `assembly` and the cache is deleted, and no copy of it is published until the erasure is
 * lifted.
 *
 * Nobody knows which partition number a record's integration is in, so the order goes to each of
 * them, and each keeps it by itself on the state topic: whoever owns the number knows it from the
 * assignment on. The tombstone, and behind it the order, are committed in the transactions of the
 * partition; so a copy that the owner published before lies before its tombstone, and what it
 * would publish afterwards is held against the order. Requests that are under way when the order
 * comes are, too: what an answer means is decided when it is there. A crash carries the order out
 * twice, never not at all.
 *
 * Each order is answered there by its id. Lifting begins by asking, so that it is known that every
 * number has carried out what was ordered before: else a number that was behind would publish its
 * tombstone after another one has published the record again.
 *
 * An order is a message of the events topic that has the header `erase`. No webhook becomes one:
 * its headers are the receiver's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/codec/json_parse.h"
#include "bridge/enricher/engine.h"
#include "bridge/enricher/erasing.h"

/* Of the table of what is erased; the caller frees. No model's name has a slash in it. */
static char *key_of(int number, const char *model, const char *record_id)
{
    return memory_format("%d/%s/%s", number, model, record_id);
}

static void keep(struct engine *engine, int number, const char *model, const char *record_id,
                 bool erased)
{
    static char mark;
    char *key = key_of(number, model, record_id);
    if (erased)
        (void)table_put(&engine->erased, key, strlen(key), &mark);
    else
        (void)table_remove(&engine->erased, key, strlen(key));
    metrics_set(METRIC_ERASED_KEPT_OUT, (int64_t)engine->erased.count);
    free(key);
}

static bool is_kept_out(const struct engine *engine, int slot, const char *record_id)
{
    int place = slot / engine->topics->partitions;
    char *key =
        key_of(slot % engine->topics->partitions, engine->selection->names[place], record_id);
    bool erased = table_get(&engine->erased, key, strlen(key)) != NULL;
    free(key);
    return erased;
}

bool engine_is_erased(const struct engine *engine, int slot, const char *record_id)
{
    if (engine->erased.count == 0 || !is_kept_out(engine, slot, record_id))
        return false;
    metrics_add(METRIC_ERASED_COPIES, 1);
    return true;
}

bool erasure_read(const char *text, size_t length, bool *kept_out, char order[ERASE_ORDER_SIZE])
{
    cJSON *root = text == NULL ? NULL : json_parse(text, length);
    const cJSON *member = json_member(root, "kept_out");
    const char *id = json_member_text(root, "order");
    bool ok = cJSON_IsBool(member) && id != NULL;
    *kept_out = cJSON_IsTrue(member);
    (void)snprintf(order, ERASE_ORDER_SIZE, "%s", ok ? id : "");
    cJSON_Delete(root);
    return ok;
}

static char *write_erasure(bool kept_out, const char *order)
{
    cJSON *root = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(root, "order", order);
    (void)cJSON_AddBoolToObject(root, "kept_out", kept_out);
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    return text;
}

bool engine_restore_erased(struct engine *engine, const char *record, const char *name, int number,
                           const char *text, size_t length)
{
    char order[ERASE_ORDER_SIZE];
    bool kept_out = false;
    if (strcmp(name, ERASED_NAME) != 0)
        return false;
    char *model = memory_text(record);
    char *slash = strchr(model, '/');
    if (slash != NULL) {
        *slash = '\0';
        keep(engine, number, model, slash + 1,
             erasure_read(text, length, &kept_out, order) && kept_out);
    }
    free(model);
    return true;
}

void engine_forget_erased(struct engine *engine)
{
    table_free(&engine->erased);
    metrics_set(METRIC_ERASED_KEPT_OUT, 0);
}

static void publish_tombstone(struct engine *engine, int slot, const char *record_id)
{
    struct claim none = {0};
    int place = slot / engine->topics->partitions;
    if (!engine->selection->has_snapshots[place])
        return;
    struct item *item = engine_item(engine, ITEM_TOMBSTONE, place, record_id, NULL);
    item->slot = slot;
    item->trigger = ERASED;
    if (model_kind(engine->selection->models[place]) == MODEL_ASSEMBLED)
        engine_erase_state(engine, place, record_id);
    engine_settle(engine, item, &none);
    metrics_add(METRIC_ERASED, 1);
}

bool engine_take_erasure(struct engine *engine, const struct consumer_event *event,
                         const struct webhook *webhook, enum erasure_kind kind, int64_t now_ms)
{
    int slot = event->slot;
    int number = slot % engine->topics->partitions;
    const char *model = engine->selection->names[slot / engine->topics->partitions];
    const char *record_id = json_member_text(webhook->root, "record_id");
    const char *order = json_member_text(webhook->root, "order");
    struct claim claim = {0};
    if (record_id == NULL || *record_id == '\0' || order == NULL ||
        strlen(order) >= ERASE_ORDER_SIZE)
        return false;
    offsets_take(engine->offsets, slot, event->message->offset, 1);
    claim_add(&claim, (struct event_ref){slot, event->message->offset}, now_ms);
    if (kind != ERASURE_ASK)
        keep(engine, number, model, record_id, kind == ERASURE_SET);
    if (kind == ERASURE_SET)
        publish_tombstone(engine, slot, record_id);
    bool kept_out = is_kept_out(engine, slot, record_id);
    char *name = memory_format("%s/%s", model, record_id);
    engine_text(engine, ITEM_PROGRESS, slot, ERASED_NAME, name, write_erasure(kept_out, order),
                NULL, &claim);
    free(name);
    log_info("erasure", LOG_TEXT("model", model), LOG_TEXT("record_id", record_id),
             LOG_NUMBER("partition", number), LOG_TEXT("kept_out", kept_out ? "true" : "false"));
    return true;
}
