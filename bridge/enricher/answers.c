#include <stdio.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/metrics.h"
#include "bridge/base/utf8.h"
#include "bridge/codec/json_parse.h"
#include "bridge/enricher/requests.h"

/* The consistency rule's second reading comes this much later. */
#define REREAD_MS 1500

void record_end(struct engine *engine, struct record *record, int64_t now_ms)
{
    if (pending_settle(&engine->pending, record))
        planner_add(engine->planner, record, now_ms);
}

void record_later(struct engine *engine, struct record *record, int64_t now_ms, int64_t delay)
{
    record_wait(record, now_ms + delay);
    planner_add(engine->planner, record, now_ms);
}

static void forward(struct engine *engine, struct record *record, const char *integration,
                    int64_t now_ms)
{
    if (integration == NULL || record->now.forwarded ||
        !utf8_valid(integration, strlen(integration))) {
        engine_dead_letter(engine, record->place, record->id, record->integration_id, &record->now,
                           1, integration == NULL ? "no-integration" : "wrong-integration",
                           integration == NULL ? "neither the event nor its record has one"
                                               : "the record belongs to another integration");
    } else {
        engine_forward(engine, record->place, record->id, integration, &record->now);
    }
    record_end(engine, record, now_ms);
}

/* Its integration's partition number is that of its events, whichever model they are of. */
static bool is_erased(const struct engine *engine, const struct record *record)
{
    int partitions = engine->topics->partitions;
    return record->now.count > 0 &&
           engine_is_erased(
               engine, record->place * partitions + claim_events(&record->now)[0].slot % partitions,
               record->id);
}

static void keep_out(struct engine *engine, struct record *record, int64_t now_ms)
{
    engine_nothing(engine, record->place, record->id, &record->now);
    record_end(engine, record, now_ms);
}

void record_found(struct engine *engine, struct record *record, uint64_t start, uint64_t end,
                  cJSON *copy, size_t bytes, int64_t now_ms)
{
    const char *integration = json_member_text(copy, "integration_id");
    if (is_erased(engine, record)) {
        keep_out(engine, record, now_ms);
        cJSON_Delete(copy);
        return;
    }
    if (record->orphan ||
        (integration != NULL && strcmp(integration, record->integration_id) != 0)) {
        forward(engine, record, integration, now_ms);
        cJSON_Delete(copy);
        return;
    }
    /* Events that are redacted announce values in that form. */
    if (redaction_has_events(engine->selection->redaction))
        redaction_record(engine->selection->redaction, engine->selection->models[record->place],
                         copy);
    bool unconfirmed = changes_unconfirmed(&record->now.changes, copy);
    if (unconfirmed && !record->reread) {
        metrics_add(METRIC_ANSWERS_REREAD, 1);
        record->reread = true;
        record_later(engine, record, now_ms, REREAD_MS);
        cJSON_Delete(copy);
        return;
    }
    if (!recency_publish(engine->recency, record->key, record->key_length, start, end)) {
        metrics_add(METRIC_ANSWERS_STALE, 1);
        record_later(engine, record, now_ms, 0);
        cJSON_Delete(copy);
        return;
    }
    struct item *item =
        engine_item(engine, ITEM_SNAPSHOT, record->place, record->id, record->integration_id);
    item->record = copy;
    item->record_bytes = bytes;
    item->unconfirmed = unconfirmed;
    engine_settle(engine, item, &record->now);
    record_end(engine, record, now_ms);
}

/* Gone, seen as often as the policy asks. An orphan that is gone has no partition to go to. */
static void on_gone(struct engine *engine, struct record *record, uint64_t start, uint64_t end,
                    int64_t now_ms)
{
    if (record->orphan) {
        forward(engine, record, NULL, now_ms);
        return;
    }
    if (!recency_publish(engine->recency, record->key, record->key_length, start, end)) {
        metrics_add(METRIC_ANSWERS_STALE, 1);
        record_later(engine, record, now_ms, 0);
        return;
    }
    struct item *item =
        engine_item(engine, ITEM_TOMBSTONE, record->place, record->id, record->integration_id);
    engine_settle(engine, item, &record->now);
    record_end(engine, record, now_ms);
}

/* Its model has waited for its right to be asked for, so the record need not. */
static bool is_last(struct engine *engine, const struct record *record, const struct policy *policy)
{
    return policy->attempts != 0 && (record->attempts >= policy->attempts ||
                                     (policy->scope == SCOPE_MODEL &&
                                      breakers_gave_up(engine->breakers, record->integration_id,
                                                       engine->selection->names[record->place])));
}

bool record_tries_again(struct engine *engine, struct record *record, enum api_outcome outcome,
                        int64_t now_ms)
{
    const struct policy *policy = policy_for(outcome);
    if (!policy_same_end((enum api_outcome)record->outcome, outcome))
        record->attempts = 0;
    record->outcome = (uint8_t)outcome;
    record->attempts += record->attempts < UINT16_MAX;
    if (policy->attempts != 0 && record->failed_s == 0)
        record->failed_s = (uint32_t)(clock_wall_ms() / 1000);
    if (is_last(engine, record, policy))
        return false;
    record_later(engine, record, now_ms, policy_delay(policy, record->attempts, &engine->random));
    return true;
}

void record_missed(struct engine *engine, struct record *record, uint64_t start, uint64_t end,
                   enum api_outcome outcome, const char *detail, long status, int64_t now_ms)
{
    if (is_erased(engine, record)) {
        keep_out(engine, record, now_ms);
        return;
    }
    if (record_tries_again(engine, record, outcome, now_ms))
        return;
    if (policy_for(outcome)->verdict == POLICY_TOMBSTONE) {
        on_gone(engine, record, start, end, now_ms);
    } else {
        char text[160];
        (void)snprintf(text, sizeof text, "%s (status %ld)", detail, status);
        engine_give_up(engine, record, policy_for(outcome)->code, text);
        record_end(engine, record, now_ms);
    }
}
