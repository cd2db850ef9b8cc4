/*
 * Events that an earlier commit tells as done, above the watermark that it committed. What they led
 * to is on the topics: their work is not bought again.
 *
 * That holds for an event of an assembled record as well. Its state was in the same transaction,
 * and at an assignment all that is committed is read back (restore.c), which is not only what lies
 * below the watermark. To merge the event once more could only show that it is old, or ask for a
 * settlement that nobody needs. And of one record never a later event is done before an earlier
 * one: while a conflict waits, all that comes for its record waits with it.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/base/log.h"
#include "bridge/base/metrics.h"
#include "bridge/enricher/engine.h"
#include "bridge/enricher/family.h"

void engine_load_told(struct engine *engine, const struct consumer_slot *slot)
{
    const char *reason = NULL;
    size_t length = slot->metadata == NULL ? 0 : slot->metadata_length;
    /* The zero that ends it travels along (kafka/transaction.c). */
    length -= length > 0 && slot->metadata[length - 1] == '\0';
    if (slot->offset < 0 || length == 0 ||
        offsets_load(engine->offsets, slot->slot, slot->offset, slot->metadata, length, &reason))
        return;
    log_warn("offset_metadata_ignored",
             LOG_TEXT("topic", consumer_topic(engine->consumer, slot->slot)),
             LOG_NUMBER("partition", consumer_number(engine->consumer, slot->slot)),
             LOG_NUMBER("offset", slot->offset), LOG_TEXT("reason", reason));
}

/* Nothing but events like this one may follow: the watermark that it moves needs a batch of its
 * own, or the group would stay behind for ever. */
static void carry(struct engine *engine, const struct consumer_event *event, int64_t now_ms)
{
    struct claim claim = {0};
    int place = event->slot / engine->topics->partitions;
    offsets_take(engine->offsets, event->slot, event->message->offset, 1);
    claim_add(&claim, (struct event_ref){event->slot, event->message->offset}, now_ms);
    engine_settle(engine, engine_item(engine, ITEM_SKIPPED, place, NULL, NULL), &claim);
}

void engine_skip(struct engine *engine, const struct consumer_event *event,
                 const struct webhook *webhook, const char *integration_id, int64_t now_ms)
{
    int64_t offset = event->message->offset;
    int place = event->slot / engine->topics->partitions;
    if (webhook != NULL) {
        /* A later event of the child need not name its parents again. */
        if (family_is_named(webhook->model))
            cJSON_Delete(engine_learn_consumed(engine, event, webhook));
        planner_moved(engine->planner, place, integration_id, webhook_is_only_seen(webhook),
                      now_ms);
    }
    /* Else an open event holds the watermark, or it has passed this one with the last item. */
    if (offsets_open(engine->offsets, event->slot) == 0 &&
        offsets_watermark(engine->offsets, event->slot) <= offset) {
        carry(engine, event, now_ms);
    } else {
        offsets_skip(engine->offsets, event->slot, offset);
        metrics_add(METRIC_EVENTS_SKIPPED, 1);
    }
}
