#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/enricher/engine.h"
#include "bridge/http/spans.h"

/* A batch is full with this much. Events that are produced again, as forwards or dead letters, may
 * be large and are read again one by one, so fewer of them make it full. */
#define BATCH_ITEMS   1000
#define BATCH_BYTES   ((size_t)8 << 20)
#define BATCH_EVENTS  200
#define BATCHES_AHEAD 2 /* given to the publisher: one in hand, one ready */

/* All metadata of a commit: the group's coordinator writes a commit in one piece, which may not be
 * larger than the broker's message.max.bytes (1 MiB by default). */
#define METADATA_BYTES ((size_t)256 << 10)

static void list_offset(struct engine *engine, struct batch *batch, size_t *capacity, int slot)
{
    int64_t watermark = offsets_watermark(engine->offsets, slot);
    if (engine->touched[slot] == engine->batch_serial)
        return;
    /* Nothing was committed or taken in, and still there is work, such as a backfill that the state
     * topic tells of: the beginning is committed, since without offsets nothing is fenced. */
    if (watermark < 0)
        watermark = 0;
    engine->touched[slot] = engine->batch_serial;
    if (batch->offset_count == *capacity) {
        *capacity = *capacity == 0 ? 16 : *capacity * 2;
        batch->offsets = memory_grow(batch->offsets, *capacity, sizeof *batch->offsets);
    }
    batch->offsets[batch->offset_count++] = (struct batch_offset){slot, watermark, NULL};
}

/* The watermarks of all partitions whose work is in the batch. They, and what is done above them,
 * count this batch's events as done, and all those of batches before it, which are committed first.
 */
static void list_offsets(struct engine *engine, struct batch *batch)
{
    size_t capacity = 0;
    batch->serial = ++engine->batch_serial;
    for (size_t i = 0; i < batch->count; i++) {
        const struct item *item = &batch->items[i];
        if (item->slot >= 0)
            list_offset(engine, batch, &capacity, item->slot);
        for (size_t r = 0; r < item->claim.count; r++)
            list_offset(engine, batch, &capacity, claim_events(&item->claim)[r].slot);
    }
}

/* What one partition leaves of its share the others may use. */
static void fill_offsets(struct engine *engine, struct batch *batch)
{
    size_t room = METADATA_BYTES;
    list_offsets(engine, batch);
    for (size_t i = 0; i < batch->offset_count; i++) {
        struct batch_offset *offset = &batch->offsets[i];
        offset->metadata =
            offsets_describe(engine->offsets, offset->slot, room / (batch->offset_count - i));
        room -= offset->metadata == NULL ? 0 : strlen(offset->metadata);
    }
}

/* Every item of the open batch is settled: nothing is added to it any more. */
static void close_batch(struct engine *engine)
{
    struct batch *batch = engine->open;
    fill_offsets(engine, batch);
    batch->membership = membership_share(engine->membership);
    if (engine->ready_first == NULL)
        engine->ready_first = batch;
    else
        engine->ready_last->next = batch;
    engine->ready_last = batch;
    engine->open = batch_new();
}

static bool is_full(const struct batch *batch)
{
    return batch->count >= BATCH_ITEMS || batch->bytes >= BATCH_BYTES ||
           batch->events >= BATCH_EVENTS;
}

struct item *engine_item(struct engine *engine, enum item_kind kind, int place,
                         const char *record_id, const char *integration_id)
{
    if (is_full(engine->open))
        close_batch(engine);
    struct item *item = batch_add(engine->open);
    item->kind = kind;
    item->place = place;
    item->slot = -1;
    item->record_id = memory_text(record_id);
    item->integration_id = memory_text(integration_id);
    item->asked_ms = engine->asked_ms;
    item->asked = engine->asked;
    item->fetched_ms = clock_wall_ms();
    if (engine->open->count == 1)
        engine->open->opened_ms = clock_ms();
    engine->uncommitted++;
    return item;
}

void engine_settle(struct engine *engine, struct item *item, struct claim *claim)
{
    if (item->kind == ITEM_SNAPSHOT)
        redaction_record(engine->selection->redaction, engine->selection->models[item->place],
                         item->record);
    item->claim = *claim;
    *claim = (struct claim){0};
    struct trace event;
    if (trace_parse(item->claim.traceparent, &event))
        item->trace = spans_below(&event, &engine->random);
    const struct event_ref *events = claim_events(&item->claim);
    for (size_t i = 0; i < item->claim.count; i++)
        offsets_done(engine->offsets, events[i].slot, events[i].offset);
    engine->open->bytes += item->record_bytes;
    engine->uncommitted_bytes += item->record_bytes;
    if (item_is_by_event(item))
        engine->open->events += item->claim.count;
}

void engine_nothing(struct engine *engine, int place, const char *record_id, struct claim *claim)
{
    engine_settle(engine, engine_item(engine, ITEM_NOTHING, place, record_id, NULL), claim);
}

void engine_text(struct engine *engine, enum item_kind kind, int slot, const char *name,
                 const char *integration_id, char *text, const char *trigger, struct claim *claim)
{
    struct claim none = {0};
    struct item *item =
        engine_item(engine, kind, slot / engine->topics->partitions, name, integration_id);
    item->slot = slot;
    item->text = text;
    item->trigger = trigger;
    item->record_bytes = text == NULL ? 0 : strlen(text);
    engine_settle(engine, item, claim == NULL ? &none : claim);
}

/* Why a claim's events become dead letters. */
struct failure {
    const char *code;
    const char *detail;
    int attempts;
    int64_t first_ms; /* wall clock; 0 = now */
};

static void add_dead_letter(struct engine *engine, int place, const char *record_id,
                            const char *integration_id, struct claim *claim,
                            const struct failure *failure)
{
    struct item *item = engine_item(engine, ITEM_DEAD_LETTER, place, record_id, integration_id);
    item->code = failure->code;
    item->attempts = failure->attempts;
    item->failed_ms = failure->first_ms;
    (void)snprintf(item->message, sizeof item->message, "%s", failure->detail);
    engine_settle(engine, item, claim);
}

/* A record with ten thousands of events does not make one batch of them. */
static void add_dead_letters(struct engine *engine, int place, const char *record_id,
                             const char *integration_id, struct claim *claim,
                             const struct failure *failure)
{
    while (claim->count > BATCH_EVENTS) {
        struct claim part = claim_split(claim, BATCH_EVENTS);
        add_dead_letter(engine, place, record_id, integration_id, &part, failure);
    }
    add_dead_letter(engine, place, record_id, integration_id, claim, failure);
}

void engine_dead_letter(struct engine *engine, int place, const char *record_id,
                        const char *integration_id, struct claim *claim, int attempts,
                        const char *code, const char *detail)
{
    struct failure failure = {code, detail, attempts, 0};
    add_dead_letters(engine, place, record_id, integration_id, claim, &failure);
}

void engine_give_up(struct engine *engine, struct record *record, const char *code,
                    const char *detail)
{
    struct failure failure = {code, detail, record->attempts, (int64_t)record->failed_s * 1000};
    add_dead_letters(engine, record->place, record->id, record->integration_id, &record->now,
                     &failure);
}

void engine_forward(struct engine *engine, int place, const char *record_id,
                    const char *integration_id, struct claim *claim)
{
    while (claim->count > BATCH_EVENTS) {
        struct claim part = claim_split(claim, BATCH_EVENTS);
        engine_settle(engine, engine_item(engine, ITEM_FORWARD, place, record_id, integration_id),
                      &part);
    }
    engine_settle(engine, engine_item(engine, ITEM_FORWARD, place, record_id, integration_id),
                  claim);
}

int64_t engine_hand_over(struct engine *engine, bool at_once, int64_t now_ms)
{
    struct batch *open = engine->open;
    int64_t due = open->opened_ms + engine->config->enricher.commit_interval_ms;
    bool has_hand = publisher_busy(engine->publisher) < BATCHES_AHEAD;
    if (open->count > 0 && !engine->fenced && has_hand && engine->ready_first == NULL &&
        (at_once || is_full(open) || now_ms >= due))
        close_batch(engine);
    while (engine->ready_first != NULL && !engine->fenced &&
           publisher_busy(engine->publisher) < BATCHES_AHEAD) {
        struct batch *batch = engine->ready_first;
        engine->ready_first = batch->next;
        publisher_give(engine->publisher, batch);
    }
    /* Without a free hand the publisher wakes the loop; after a fencing the group does. */
    return engine->open->count == 0 || !has_hand || engine->fenced ? INT64_MAX
           : due > now_ms                                          ? due - now_ms
                                                                   : 0;
}

void engine_drop_batches(struct engine *engine)
{
    while (engine->ready_first != NULL) {
        struct batch *batch = engine->ready_first;
        engine->ready_first = batch->next;
        batch_free(batch);
    }
    batch_free(engine->open);
    engine->open = batch_new();
    engine->uncommitted = 0;
    engine->uncommitted_bytes = 0;
}
