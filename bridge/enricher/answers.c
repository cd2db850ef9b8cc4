#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/health.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/enricher/engine.h"
#include "bridge/enricher/policy.h"
#include "bridge/propexo/api.h"

/* The consistency rule's second reading comes this much later. */
#define REREAD_MS 1500

struct fetch {
    struct engine *engine;
    struct record *record; /* valid while `epoch` is the engine's */
    uint64_t epoch;
    uint64_t start; /* tick of the stale rule */
    struct fetch *next;
    struct fetch *previous;
};

static struct fetch *new_fetch(struct engine *engine, struct record *record)
{
    struct fetch *fetch = memory_new(1, sizeof *fetch);
    *fetch = (struct fetch){.engine = engine,
                            .record = record,
                            .epoch = engine->epoch,
                            .start = recency_start(engine->recency),
                            .next = engine->fetches};
    if (fetch->next != NULL)
        fetch->next->previous = fetch;
    engine->fetches = fetch;
    return fetch;
}

static void free_fetch(struct fetch *fetch)
{
    if (fetch->next != NULL)
        fetch->next->previous = fetch->previous;
    if (fetch->previous != NULL)
        fetch->previous->next = fetch->next;
    else
        fetch->engine->fetches = fetch->next;
    free(fetch);
}

void engine_forget_fetches(struct engine *engine)
{
    while (engine->fetches != NULL) {
        struct fetch *next = engine->fetches->next;
        free(engine->fetches);
        engine->fetches = next;
    }
}

/* The record's events went into an item: the entry ends, or waits again for the events that came
 * since. */
static void end_record(struct engine *engine, struct record *record, int64_t now_ms)
{
    if (pending_settle(&engine->pending, record))
        planner_add(engine->planner, record, now_ms);
}

static void wait_again(struct engine *engine, struct record *record, int64_t now_ms, int64_t delay)
{
    record_wait(record, now_ms + delay);
    planner_add(engine->planner, record, now_ms);
}

static void forward(struct engine *engine, struct record *record, const char *integration,
                    int64_t now_ms)
{
    if (integration == NULL || record->now.forwarded) {
        engine_dead_letter(engine, record->place, record->id, record->integration_id, &record->now,
                           1, integration == NULL ? "no-integration" : "wrong-integration",
                           integration == NULL ? "neither the event nor its record has one"
                                               : "the record belongs to another integration");
    } else {
        struct item *item =
            engine_item(engine, ITEM_FORWARD, record->place, record->id, integration);
        engine_settle(engine, item, &record->now);
    }
    end_record(engine, record, now_ms);
}

/* A copy of the record is here. Takes `answer->record` over. */
static void on_record(struct engine *engine, const struct fetch *fetch, cJSON *copy, size_t bytes,
                      int64_t now_ms)
{
    struct record *record = fetch->record;
    uint64_t end = recency_end(engine->recency);
    const char *integration =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(copy, "integration_id"));
    if (record->orphan ||
        (integration != NULL && strcmp(integration, record->integration_id) != 0)) {
        forward(engine, record, integration, now_ms);
        cJSON_Delete(copy);
        return;
    }
    bool unconfirmed = changes_unconfirmed(&record->now.changes, copy);
    if (unconfirmed && !record->reread) {
        metrics_add(METRIC_ANSWERS_REREAD, 1);
        record->reread = true;
        wait_again(engine, record, now_ms, REREAD_MS);
        cJSON_Delete(copy);
        return;
    }
    if (!recency_publish(engine->recency, record->key, record->key_length, fetch->start, end)) {
        metrics_add(METRIC_ANSWERS_STALE, 1);
        wait_again(engine, record, now_ms, 0);
        cJSON_Delete(copy);
        return;
    }
    struct item *item =
        engine_item(engine, ITEM_SNAPSHOT, record->place, record->id, record->integration_id);
    item->record = copy;
    item->record_bytes = bytes;
    item->unconfirmed = unconfirmed;
    engine_settle(engine, item, &record->now);
    end_record(engine, record, now_ms);
}

/* Gone, seen as often as the policy asks. An orphan that is gone has no partition to go to. */
static void on_gone(struct engine *engine, const struct fetch *fetch, int64_t now_ms)
{
    struct record *record = fetch->record;
    uint64_t end = recency_end(engine->recency);
    if (record->orphan) {
        forward(engine, record, NULL, now_ms);
        return;
    }
    if (!recency_publish(engine->recency, record->key, record->key_length, fetch->start, end)) {
        metrics_add(METRIC_ANSWERS_STALE, 1);
        wait_again(engine, record, now_ms, 0);
        return;
    }
    struct item *item =
        engine_item(engine, ITEM_TOMBSTONE, record->place, record->id, record->integration_id);
    engine_settle(engine, item, &record->now);
    end_record(engine, record, now_ms);
}

static void note_scope(struct engine *engine, const struct policy *policy, int64_t now_ms)
{
    switch (policy->scope) {
    case SCOPE_RECORD:
        breaker_succeeded(&engine->breaker);
        health_set(HEALTH_API, true, "");
        break;
    case SCOPE_API:
        breaker_failed(&engine->breaker, now_ms);
        break;
    case SCOPE_TOKEN:
        health_set(HEALTH_API, false, "the API refuses api.token");
        breaker_trip(&engine->breaker, now_ms, policy->first_delay_ms);
        break;
    case SCOPE_BUDGET:
        breaker_succeeded(&engine->breaker);
        break;
    }
}

static void log_failure(const struct record *record, const struct http_answer *http,
                        const struct api_answer *answer, const char *model)
{
    static struct log_gate gate;
    int64_t suppressed = 0;
    if (answer->outcome == API_GONE || !log_gate_open(&gate, clock_ms(), 1000, &suppressed))
        return;
    log_warn("api_request_failed", LOG_TEXT("model", model), LOG_TEXT("record_id", record->id),
             LOG_NUMBER("status", http->status), LOG_TEXT("reason", answer->detail),
             LOG_TEXT("problem", http->problem), LOG_NUMBER("attempts", record->attempts),
             LOG_NUMBER("suppressed", suppressed));
}

static void on_failure(struct engine *engine, const struct fetch *fetch,
                       const struct http_answer *http, const struct api_answer *answer,
                       int64_t now_ms)
{
    struct record *record = fetch->record;
    const struct policy *policy = policy_for(answer->outcome);
    if (record->outcome != (int)answer->outcome)
        record->attempts = 0;
    record->outcome = (int)answer->outcome;
    record->attempts++;
    log_failure(record, http, answer, engine->selection->names[record->place]);
    if (policy->attempts == 0 || record->attempts < policy->attempts) {
        int64_t delay = policy_delay(policy, record->attempts, &engine->random);
        wait_again(engine, record, now_ms, delay);
    } else if (answer->outcome == API_GONE) {
        on_gone(engine, fetch, now_ms);
    } else {
        char detail[160];
        (void)snprintf(detail, sizeof detail, "%s (status %ld)", answer->detail, http->status);
        engine_dead_letter(engine, record->place, record->id, record->integration_id, &record->now,
                           record->attempts, policy->code, detail);
        end_record(engine, record, now_ms);
    }
}

static void on_answer(void *context, const struct http_answer *http)
{
    struct fetch *fetch = context;
    struct engine *engine = fetch->engine;
    int64_t now_ms = clock_ms();
    struct api_answer answer = {.outcome = API_OUTAGE, .detail = ""};
    budget_learn(&engine->budget, http->limit, http->remaining, http_client_in_flight(engine->http),
                 now_ms);
    if (fetch->epoch == engine->epoch) {
        answer = api_read_record(http, fetch->record->id);
        const struct policy *policy = policy_for(answer.outcome);
        metrics_add(policy->metric, 1);
        if (answer.outcome == API_LIMITED)
            budget_limited(&engine->budget, http->retry_after_s, now_ms);
        note_scope(engine, policy, now_ms);
        if (answer.outcome == API_RECORD)
            on_record(engine, fetch, answer.record, http->length * 4, now_ms);
        else
            on_failure(engine, fetch, http, &answer, now_ms);
        recency_close(engine->recency, fetch->start);
    }
    free_fetch(fetch);
}

static void start(struct engine *engine, struct record *record, int64_t now_ms)
{
    struct error error;
    struct fetch *fetch = new_fetch(engine, record);
    char *url = api_record_url(engine->config->api.base_url,
                               engine->selection->models[record->place], record->id);
    record->state = RECORD_FETCHING;
    budget_spend(&engine->budget, now_ms);
    breaker_started(&engine->breaker);
    if (!http_client_get(engine->http, url, on_answer, fetch, &error)) {
        log_error("api_request_not_started", LOG_TEXT("reason", error.message));
        recency_close(engine->recency, fetch->start);
        breaker_failed(&engine->breaker, now_ms);
        wait_again(engine, record, now_ms, policy_for(API_OUTAGE)->first_delay_ms);
        free_fetch(fetch);
    }
    free(url);
}

static int64_t longer(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t engine_request(struct engine *engine, int64_t now_ms)
{
    while (!engine->fenced) {
        int in_flight = http_client_in_flight(engine->http);
        bool room = engine->uncommitted + (size_t)in_flight < ENGINE_ITEMS_AHEAD &&
                    engine->uncommitted_bytes < ENGINE_BYTES_AHEAD;
        if (in_flight >= engine->config->api.max_concurrency || !room)
            return INT64_MAX; /* an answer or a commit will wake the loop */
        int64_t wait =
            longer(budget_wait(&engine->budget, now_ms), breaker_wait(&engine->breaker, now_ms));
        if (wait > 0)
            return longer(wait, planner_wait(engine->planner, now_ms));
        struct plan plan = planner_next(engine->planner, now_ms);
        if (plan.kind == PLAN_NOTHING)
            return plan.wait_ms;
        start(engine, plan.record, now_ms);
    }
    return INT64_MAX;
}
