#include <stdlib.h>
#include <string.h>

#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/codec/json_parse.h"
#include "bridge/enricher/engine.h"
#include "bridge/enricher/headers.h"
#include "bridge/propexo/webhook.h"

#define LOOK_BEHIND_MS 100

void engine_tell(struct engine *engine, struct claim *claim, const struct webhook *webhook,
                 const struct event_headers *headers)
{
    claim_arrived(claim, headers->arrived_ms);
    claim->is_new = strcmp(webhook->kind, "DATA_NEW") == 0;
    claim->tells_more |= !webhook_is_only_seen(webhook);
    if (webhook->diff != NULL)
        changes_add(&claim->changes, &engine->names, webhook->diff);
    if (headers->traceparent != NULL) {
        free(claim->traceparent);
        claim->traceparent = memory_text(headers->traceparent);
    }
}

/* The record is to be fetched. */
static void join(struct engine *engine, const struct consumer_event *event,
                 const struct webhook *webhook, const struct event_headers *headers,
                 const char *integration_id, int64_t now_ms)
{
    int place = event->slot / engine->topics->partitions;
    struct claim *claim = NULL;
    struct record *record =
        engine_join(engine, event, place, webhook->record_id, integration_id, &claim, now_ms);
    claim->forwarded |= headers->forwarded;
    engine_tell(engine, claim, webhook, headers);
    engine_joined(engine, record, now_ms);
    planner_behind(record, &engine->behind[event->slot], &engine->behind_all[place]);
}

/* The header wins: it is the receiver's or a forwarder's last word on where the event belongs. */
static const char *integration_of(const struct event_headers *headers,
                                  const struct webhook *webhook)
{
    return headers->integration_id != NULL ? headers->integration_id : webhook->integration_id;
}

static const char *refusal(const struct engine *engine, const struct consumer_event *event,
                           const struct webhook *webhook, const struct event_headers *headers)
{
    const struct model *model = engine->selection->models[event->slot / engine->topics->partitions];
    if (webhook_is_sync(webhook) && integration_of(headers, webhook) != NULL)
        return NULL;
    if (webhook->class != WEBHOOK_EVENT)
        return webhook->code != NULL ? webhook->code : "not-an-event";
    return webhook->model != model ? "wrong-topic" : NULL;
}

static void refuse(struct engine *engine, const struct consumer_event *event,
                   const struct webhook *webhook, const char *integration_id, const char *code,
                   int64_t now_ms)
{
    struct claim claim = {0};
    offsets_take(engine->offsets, event->slot, event->message->offset, 1);
    claim_add(&claim, (struct event_ref){event->slot, event->message->offset}, now_ms);
    engine_dead_letter(engine, event->slot / engine->topics->partitions, webhook->record_id,
                       integration_id, &claim, 1, code,
                       "this message of an events topic is no event of its model");
}

/* A first sync sends no events: what it brought is read from the API. */
static void take_sync(struct engine *engine, const struct consumer_event *event,
                      const struct webhook *webhook, const struct event_headers *headers,
                      const char *integration, int64_t now_ms)
{
    int place = event->slot / engine->topics->partitions;
    struct claim claim = {0};
    if (strcmp(webhook->kind, "FIRST_SYNC_COMPLETE") == 0) {
        engine_order_backfill(engine, event, integration,
                              headers->sync_id == NULL ? "" : headers->sync_id, headers->forced);
        return;
    }
    if (headers->sync_id != NULL &&
        (headers->sync_models != NULL || headers->sync_checked != NULL)) {
        engine_take_barrier(engine, event, integration, headers, webhook->is_backsync);
        return;
    }
    /* Not from a receiver of ours. */
    offsets_take(engine->offsets, event->slot, event->message->offset, 1);
    claim_add(&claim, (struct event_ref){event->slot, event->message->offset}, now_ms);
    engine_nothing(engine, place, engine->selection->names[place], &claim);
}

static void take(struct engine *engine, const struct consumer_event *event,
                 const struct webhook *webhook, const struct event_headers *headers, int64_t now_ms)
{
    const char *integration = integration_of(headers, webhook);
    if (webhook_is_sync(webhook)) {
        take_sync(engine, event, webhook, headers, integration, now_ms);
        return;
    }
    switch (model_kind(webhook->model)) {
    case MODEL_ASSEMBLED:
        engine_take_assembled(engine, event, webhook, integration, headers, now_ms);
        break;
    case MODEL_CHILD:
        engine_take_child(engine, event, webhook, integration, headers->forwarded, now_ms);
        break;
    case MODEL_BY_ID:
    case MODEL_BY_LIST:
        if (webhook->model->parent_count > 0)
            engine_take_child(engine, event, webhook, integration, headers->forwarded, now_ms);
        else
            offsets_take(engine->offsets, event->slot, event->message->offset, 1);
        join(engine, event, webhook, headers, integration, now_ms);
        break;
    }
}

/* No webhook, but an order by hand. */
static bool take_order(struct engine *engine, const struct consumer_event *event,
                       const struct webhook *webhook, const struct event_headers *headers,
                       int64_t now_ms)
{
    return headers->erasure != ERASURE_NONE &&
           engine_take_erasure(engine, event, webhook, headers->erasure, now_ms);
}

void engine_forget_behind(struct engine *engine)
{
    int partitions = engine->topics->partitions;
    for (size_t place = 0; place < engine->topics->model_count; place++)
        engine->behind_all[place].unseen = 0;
    for (size_t slot = 0; slot < engine->topics->model_count * (size_t)partitions; slot++) {
        engine->behind[slot].unseen = 0;
        engine->looked_behind_ms[slot] = 0;
    }
}

/* One event less lies in Kafka; how many do is asked for now and then. */
static void pass(struct engine *engine, const struct consumer_event *event, int64_t now_ms)
{
    struct behind *own = &engine->behind[event->slot];
    struct behind *all = &engine->behind_all[event->slot / engine->topics->partitions];
    own->taken++;
    all->taken++;
    if (own->unseen > 0) {
        own->unseen--;
        all->unseen--;
    }
    if (now_ms < engine->looked_behind_ms[event->slot] + LOOK_BEHIND_MS)
        return;
    engine->looked_behind_ms[event->slot] = now_ms;
    int64_t unseen = consumer_end(engine->consumer, event->slot) - event->message->offset - 1;
    all->unseen -= own->unseen;
    own->unseen = unseen < 0 ? 0 : (uint32_t)unseen;
    all->unseen += own->unseen;
}

void engine_take(struct engine *engine, const struct consumer_event *event, int64_t now_ms)
{
    const rd_kafka_message_t *message = event->message;
    if (message->offset < offsets_next(engine->offsets, event->slot)) {
        if (engine->fenced)
            return;
        /* The log was cut or made anew: all that is known of it is void. */
        engine->fenced = true;
        log_error("offsets_went_back", LOG_NUMBER("slot", event->slot),
                  LOG_NUMBER("offset", message->offset));
        consumer_rejoin(engine->consumer);
        return;
    }
    pass(engine, event, now_ms);
    struct event_headers headers = event_headers_read(message);
    struct webhook webhook = webhook_parse(message->payload, message->len);
    const char *code = refusal(engine, event, &webhook, &headers);
    engine_count_taken(engine, event, integration_of(&headers, &webhook), headers.arrived_ms);
    engine_hear(engine, event->slot, message, &webhook, &headers);
    if (offsets_told(engine->offsets, event->slot, message->offset))
        engine_skip(engine, event, code == NULL && !webhook_is_sync(&webhook) ? &webhook : NULL,
                    integration_of(&headers, &webhook), now_ms);
    else if (code == NULL)
        take(engine, event, &webhook, &headers, now_ms);
    else if (!take_order(engine, event, &webhook, &headers, now_ms))
        refuse(engine, event, &webhook, headers.integration_id, code, now_ms);
    engine_tag(engine, event, integration_of(&headers, &webhook));
    event_headers_free(&headers);
    webhook_free(&webhook);
}

static void set_paused(struct engine *engine, int slot, bool pause)
{
    if (engine->paused[slot] == pause)
        return;
    engine->paused[slot] = pause;
    engine->paused_count += pause ? 1 : -1;
    if (pause)
        consumer_pause(engine->consumer, slot);
    else
        consumer_resume(engine->consumer, slot);
}

/* The publisher is far behind: nobody may go on. */
static void balance_publisher(struct engine *engine, bool pause)
{
    for (size_t i = 0; i < engine->owned_count; i++)
        set_paused(engine, engine->owned[i], pause);
}

static void balance_shares(struct engine *engine)
{
    size_t maximum = (size_t)engine->config->enricher.max_pending;
    size_t open = offsets_open_in_all(engine->offsets);
    bool tight = open >= maximum / 2;
    if (!tight && engine->paused_count == 0)
        return;
    size_t share = maximum / 2 / engine->owned_count;
    for (size_t i = 0; i < engine->owned_count; i++) {
        int slot = engine->owned[i];
        size_t held = offsets_open(engine->offsets, slot);
        if (tight && held >= (share == 0 ? 1 : share))
            set_paused(engine, slot, true);
        else if (open < maximum * 3 / 8 || held <= share / 2)
            set_paused(engine, slot, false);
    }
}

bool engine_is_full(const struct engine *engine)
{
    return engine->uncommitted >= ENGINE_ITEMS_AHEAD ||
           engine->uncommitted_bytes >= ENGINE_BYTES_AHEAD;
}

void engine_pause(struct engine *engine)
{
    balance_publisher(engine, true);
}

void engine_balance(struct engine *engine)
{
    bool half = engine->uncommitted >= ENGINE_ITEMS_AHEAD / 2 ||
                engine->uncommitted_bytes >= ENGINE_BYTES_AHEAD / 2;
    if (engine->owned_count == 0)
        return;
    if (engine_is_full(engine))
        balance_publisher(engine, true);
    else if (!half || engine->paused_count == 0)
        balance_shares(engine);
    metrics_set(METRIC_PARTITIONS_PAUSED, engine->paused_count);
}

/* Does one of the claim's events hold the watermark of a crowded partition? */
static bool holds_back(const struct engine *engine, const struct claim *claim)
{
    for (uint32_t i = 0; i < claim->count; i++) {
        const struct event_ref *ref = &claim_events(claim)[i];
        if (offsets_crowded(engine->offsets, ref->slot) &&
            offsets_watermark(engine->offsets, ref->slot) == ref->offset)
            return true;
    }
    return false;
}

void engine_urge(struct engine *engine, int64_t now_ms)
{
    bool crowded = false;
    for (size_t i = 0; i < engine->owned_count && !crowded; i++)
        crowded = offsets_crowded(engine->offsets, engine->owned[i]);
    size_t cursor = 0;
    struct table_slot *slot;
    while (crowded && (slot = table_next(&engine->pending.records, &cursor)) != NULL) {
        struct record *record = slot->value;
        if (planner_has(record) && holds_back(engine, &record->now))
            planner_urge(engine->planner, record, now_ms);
    }
}
