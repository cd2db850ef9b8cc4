#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/codec/json_parse.h"
#include "bridge/enricher/requests.h"

/* The widest record of the API has about 100; looking fields up takes time for each. */
#define FIELDS_MAXIMUM 2000

/* A state that was published and is not yet known to be committed. What comes next builds on it; if
 * its transaction comes to nothing, all that builds on it is dropped as well. */
struct ahead {
    int batches; /* items with a state of this record that are under way */
    size_t length;
    char text[];
};

static void remember(struct engine *engine, int place, const char *id, const char *text)
{
    char *key = pending_key(place, false, id);
    size_t length = strlen(text);
    struct ahead *ahead = memory_new(1, sizeof *ahead + length + 1);
    struct ahead *before = table_get(&engine->ahead, key, strlen(key));
    ahead->batches = before == NULL ? 1 : before->batches + 1;
    ahead->length = length;
    memcpy(ahead->text, text, length + 1);
    (void)table_put(&engine->ahead, key, strlen(key), ahead);
    free(before);
    free(key);
}

void engine_erase_state(struct engine *engine, int place, const char *id)
{
    struct record *record = pending_find(&engine->pending, place, id);
    if (record != NULL)
        record->erased = true;
    remember(engine, place, id, ""); /* what comes next begins anew */
}

void engine_assembled_committed(struct engine *engine, const struct item *item)
{
    char *key = pending_key(item->place, false, item->record_id);
    struct ahead *ahead = table_get(&engine->ahead, key, strlen(key));
    if (ahead != NULL && --ahead->batches == 0) {
        (void)table_remove(&engine->ahead, key, strlen(key));
        free(ahead);
    }
    free(key);
    if (item->kind == ITEM_TOMBSTONE)
        cache_put_state(engine->cache, item->slot % engine->topics->partitions,
                        engine->selection->names[item->place], item->record_id, NULL, 0);
    if (item->kind == ITEM_ASSEMBLED) /* else Kafka refused it, and it became a dead letter */
        cache_put_state(engine->cache,
                        claim_events(&item->claim)[0].slot % engine->topics->partitions,
                        engine->selection->names[item->place], item->record_id, item->state,
                        strlen(item->state));
}

void engine_forget_ahead(struct engine *engine)
{
    size_t cursor = 0;
    struct table_slot *slot;
    while ((slot = table_next(&engine->ahead, &cursor)) != NULL)
        free(slot->value);
    table_free(&engine->ahead);
}

static struct assembly *load(struct engine *engine, int place, int number, const char *id,
                             const char *integration_id)
{
    const char *model = engine->selection->names[place];
    char *key = pending_key(place, false, id);
    const struct ahead *ahead = table_get(&engine->ahead, key, strlen(key));
    const char *text = NULL;
    size_t length = 0;
    struct assembly *assembly = NULL;
    free(key);
    if (ahead != NULL) {
        if (ahead->length == 0)
            return assembly_new(id, integration_id);
        text = ahead->text;
        length = ahead->length;
    } else if (!cache_state(engine->cache, number, model, id, &text, &length)) {
        return assembly_new(id, integration_id);
    }
    assembly = assembly_read(text, length);
    if (assembly != NULL) { /* a state may be older than what is redacted now */
        redaction_record(engine->selection->redaction, engine->selection->models[place],
                         assembly_fields(assembly));
        return assembly;
    }
    log_error("assembly_unreadable", LOG_TEXT("model", model), LOG_TEXT("record_id", id));
    return assembly_new(id, integration_id);
}

/* Takes nothing over but the claim's content. */
static void publish(struct engine *engine, int place, const char *id, const char *integration_id,
                    struct assembly *assembly, struct claim *claim)
{
    /* Whatever way a value came: nothing leaves otherwise. */
    redaction_record(engine->selection->redaction, engine->selection->models[place],
                     assembly_fields(assembly));
    char *text = assembly_text(assembly, (size_t)engine->config->topics.max_message);
    if (text == NULL) {
        engine_dead_letter(engine, place, id, integration_id, claim, 1, "too-large",
                           "the record put together from webhooks is too large or not UTF-8");
        return;
    }
    struct item *item = engine_item(engine, ITEM_ASSEMBLED, place, id, integration_id);
    remember(engine, place, id, text);
    item->record = assembly_record(assembly);
    item->state = text;
    item->record_bytes = strlen(text) * 5;
    item->conflicted = assembly_marked(assembly) > 0;
    engine_settle(engine, item, claim);
}

void assembled_settled(struct engine *engine, struct record *record, int64_t now_ms)
{
    size_t marked = assembly_close(record->work);
    metrics_add(marked > 0 ? METRIC_CONFLICTS_MARKED : METRIC_CONFLICTS_SETTLED, 1);
    if (record->erased || engine_is_erased(engine, claim_events(&record->now)[0].slot, record->id))
        engine_nothing(engine, record->place, record->id, &record->now);
    else
        publish(engine, record->place, record->id, record->integration_id, record->work,
                &record->now);
    record_end(engine, record, now_ms);
}

static void wait_for_settling(struct engine *engine, struct assembly *assembly, int place,
                              const char *id, const char *integration_id, struct claim *claim,
                              int64_t now_ms)
{
    bool created = false;
    struct record *record = pending_record(&engine->pending, place, false, id, &created);
    record->integration_id = pending_integration(&engine->pending, integration_id);
    record->work = assembly;
    record->now = *claim;
    record->due_ms = now_ms + engine->config->enricher.max_delay_ms;
    planner_add(engine->planner, record, now_ms);
}

static int count_fields(const struct webhook *webhook)
{
    return cJSON_GetArraySize(json_member(webhook->diff, "new")) +
           cJSON_GetArraySize(webhook->payload);
}

void engine_take_assembled(struct engine *engine, const struct consumer_event *event,
                           const struct webhook *webhook, const char *integration_id,
                           const struct event_headers *headers, int64_t now_ms)
{
    int place = event->slot / engine->topics->partitions;
    int number = event->slot % engine->topics->partitions;
    const char *id = webhook->record_id;
    struct event_ref ref = {event->slot, event->message->offset};
    struct claim claim = {0};
    offsets_take(engine->offsets, ref.slot, ref.offset, 1);
    redaction_told(engine->selection->redaction, webhook->model, webhook->root, true);
    struct record *record = pending_find(&engine->pending, place, id);
    if (record != NULL) { /* its conflict is being settled, and stays one until then */
        record->dirty = true;
        claim_add(&record->now, ref, now_ms);
        engine_tell(engine, &record->now, webhook, headers);
        enum assembly_verdict still = assembly_take(record->work, webhook->diff, webhook->payload);
        (void)still;
        metrics_add(METRIC_EVENTS_COALESCED, 1);
        return;
    }
    claim_add(&claim, ref, now_ms);
    if (engine_is_erased(engine, ref.slot, id)) {
        engine_nothing(engine, place, id, &claim);
        return;
    }
    if (count_fields(webhook) > FIELDS_MAXIMUM) {
        engine_dead_letter(engine, place, id, integration_id, &claim, 1, "too-many-fields",
                           "no record of the API has so many fields");
        return;
    }
    if (integration_id == NULL) {
        engine_dead_letter(engine, place, id, NULL, &claim, 1, "no-integration",
                           "the event has no integration, and no endpoint reads its record");
        return;
    }
    engine_tell(engine, &claim, webhook, headers);
    struct assembly *assembly = load(engine, place, number, id, integration_id);
    switch (assembly_take(assembly, webhook->diff, webhook->payload)) {
    case ASSEMBLY_CHANGED:
        publish(engine, place, id, integration_id, assembly, &claim);
        break;
    case ASSEMBLY_OLD:
        metrics_add(METRIC_ASSEMBLED_OLD, 1);
        engine_nothing(engine, place, id, &claim);
        break;
    case ASSEMBLY_CONFLICT:
        wait_for_settling(engine, assembly, place, id, integration_id, &claim, now_ms);
        return;
    }
    assembly_free(assembly);
}
