#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/enricher/engine.h"
#include "bridge/enricher/family.h"

struct record *engine_join(struct engine *engine, const struct consumer_event *event, int place,
                           const char *record_id, const char *integration_id, struct claim **claim,
                           int64_t now_ms)
{
    bool created = false;
    struct record *record =
        pending_record(&engine->pending, place, integration_id == NULL, record_id, &created);
    record->joined = recency_now(engine->recency);
    *claim = record_claim(record);
    claim_add(*claim, (struct event_ref){event->slot, event->message->offset}, now_ms);
    if (created)
        record->integration_id = pending_integration(&engine->pending, integration_id);
    else
        metrics_add(METRIC_EVENTS_COALESCED, 1);
    return record;
}

void engine_joined(struct engine *engine, struct record *record, int64_t now_ms)
{
    if (record->state != RECORD_WAITING)
        return;
    if (record->queue == QUEUE_NONE)
        planner_add(engine->planner, record, now_ms);
    else
        planner_joined(engine->planner, record, now_ms);
}

cJSON *engine_learn_parents(struct engine *engine, int number, const struct webhook *webhook)
{
    const char *model = webhook->model->name;
    bool changed = false;
    cJSON *known = cache_parents(engine->cache, number, model, webhook->record_id);
    known = family_learn(webhook->model, webhook->diff, webhook->payload, known, &changed);
    if (changed)
        cache_put_parents(engine->cache, number, model, webhook->record_id, known);
    return known;
}

cJSON *engine_learn_consumed(struct engine *engine, const struct consumer_event *event,
                             const struct webhook *webhook)
{
    int place = event->slot / engine->topics->partitions;
    int number = event->slot % engine->topics->partitions;
    cache_put_offset(engine->cache, engine->topics->events[place], number,
                     event->message->offset + 1);
    return engine_learn_parents(engine, number, webhook);
}

/* Leaves out the parents of models that this deployment does not work on. */
static struct family selected(const struct engine *engine, struct family family)
{
    struct family out = {0};
    for (size_t i = 0; i < family.count; i++) {
        const struct model *parent = model_at((size_t)family.kin[i].edge->parent);
        if (selection_place(engine->selection, parent) >= 0)
            out.kin[out.count++] = family.kin[i];
    }
    return out;
}

/* Some parent of the child is worked on here, and a field could have named it. */
static bool could_be_named(const struct engine *engine, const struct model *model)
{
    for (size_t i = 0; i < model->parent_count; i++) {
        const struct model *parent = model_at((size_t)model->parents[i].parent);
        if (model->parents[i].key != NULL && selection_place(engine->selection, parent) >= 0)
            return true;
    }
    return false;
}

/* `forwarded` goes along: a child whose parents are of two integrations is forwarded once, not for
 * ever. */
static void join_parents(struct engine *engine, const struct consumer_event *event,
                         const struct family *family, const char *integration_id, bool forwarded,
                         int64_t now_ms)
{
    for (size_t i = 0; i < family->count; i++) {
        const struct model_parent *edge = family->kin[i].edge;
        int place = selection_place(engine->selection, model_at((size_t)edge->parent));
        struct claim *claim = NULL;
        struct record *record =
            engine_join(engine, event, place, family->kin[i].id, integration_id, &claim, now_ms);
        claim->forwarded |= forwarded;
        claim->tells_more = true;
        changes_announce(&claim->changes, &engine->names, edge->field);
        engine_joined(engine, record, now_ms);
    }
}

static void end_without_parents(struct engine *engine, const struct consumer_event *event,
                                const struct webhook *webhook, const char *integration_id,
                                int64_t now_ms)
{
    int place = event->slot / engine->topics->partitions;
    struct claim claim = {0};
    claim_add(&claim, (struct event_ref){event->slot, event->message->offset}, now_ms);
    if (could_be_named(engine, webhook->model)) {
        metrics_add(METRIC_CHILD_PARENT_UNKNOWN, 1);
        engine_dead_letter(engine, place, webhook->record_id, integration_id, &claim, 1,
                           "parent-unknown",
                           "neither this event nor an earlier one names a record that shows it");
    } else {
        metrics_add(METRIC_CHILD_NO_PARENT, 1);
        engine_nothing(engine, place, webhook->record_id, &claim);
    }
}

void engine_take_child(struct engine *engine, const struct consumer_event *event,
                       const struct webhook *webhook, const char *integration_id, bool forwarded,
                       int64_t now_ms)
{
    bool readable = model_kind(webhook->model) != MODEL_CHILD;
    bool named = family_is_named(webhook->model);
    cJSON *known = named ? engine_learn_consumed(engine, event, webhook) : NULL;
    struct family family =
        selected(engine, family_of(webhook->model, webhook->diff, webhook->payload, known));
    size_t parts = family.count + readable;
    offsets_take(engine->offsets, event->slot, event->message->offset,
                 parts == 0 ? 1 : (uint32_t)parts);
    if (family.count > 0)
        metrics_add(METRIC_CHILD_PARENTS, 1);
    join_parents(engine, event, &family, integration_id, forwarded, now_ms);
    if (parts == 0)
        end_without_parents(engine, event, webhook, integration_id, now_ms);
    cJSON_Delete(known);
}
