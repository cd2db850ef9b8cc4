#include "bridge/enricher/requests.h"

#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/base/health.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"

struct fetch {
    struct engine *engine;
    uint64_t start; /* tick of the stale rule */
    int64_t started_ms;
    request_answered *answered;
    request_dropped *dropped;
    void *target;
    struct fetch *next;
    struct fetch *previous;
};

static void unlink_fetch(struct fetch *fetch)
{
    if (fetch->next != NULL)
        fetch->next->previous = fetch->previous;
    if (fetch->previous != NULL)
        fetch->previous->next = fetch->next;
    else
        fetch->engine->fetches = fetch->next;
    free(fetch);
}

size_t engine_cancel_fetches(struct engine *engine)
{
    size_t count = 0;
    for (struct fetch *fetch = engine->fetches, *next; fetch != NULL; fetch = next) {
        next = fetch->next;
        http_client_cancel(engine->http, fetch);
        if (fetch->dropped != NULL)
            fetch->dropped(fetch->target);
        free(fetch);
        count++;
    }
    engine->fetches = NULL;
    return count;
}

static void note_outcome(struct engine *engine, enum api_outcome outcome, int64_t now_ms)
{
    const struct policy *policy = policy_for(outcome);
    metrics_add(policy->metric, 1);
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

static void on_answer(void *context, const struct http_answer *http)
{
    struct fetch *fetch = context;
    struct engine *engine = fetch->engine;
    int64_t now_ms = clock_ms();
    budget_learn(&engine->budget, http->limit, http->remaining, http_client_in_flight(engine->http),
                 now_ms - fetch->started_ms, now_ms);
    enum api_outcome outcome = fetch->answered(engine, fetch->target, fetch->start, http, now_ms);
    if (outcome == API_LIMITED)
        budget_limited(&engine->budget, http->retry_after_s, now_ms);
    note_outcome(engine, outcome, now_ms);
    recency_close(engine->recency, fetch->start);
    unlink_fetch(fetch);
}

bool request_start(struct engine *engine, enum metric kind, const char *url,
                   request_answered *answered, request_dropped *dropped, void *target,
                   int64_t now_ms)
{
    struct error error;
    struct fetch *fetch = memory_new(1, sizeof *fetch);
    *fetch = (struct fetch){.engine = engine,
                            .start = recency_start(engine->recency),
                            .started_ms = now_ms,
                            .answered = answered,
                            .dropped = dropped,
                            .target = target,
                            .next = engine->fetches};
    if (fetch->next != NULL)
        fetch->next->previous = fetch;
    engine->fetches = fetch;
    metrics_add(kind, 1);
    budget_spend(&engine->budget, now_ms);
    breaker_started(&engine->breaker);
    if (http_client_get(engine->http, url, on_answer, fetch, &error))
        return true;
    log_error("api_request_not_started", LOG_TEXT("reason", error.message));
    recency_close(engine->recency, fetch->start);
    breaker_failed(&engine->breaker, now_ms);
    unlink_fetch(fetch);
    return false;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t longer(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static enum api_outcome on_record_answer(struct engine *engine, void *target, uint64_t start,
                                         const struct http_answer *http, int64_t now_ms)
{
    struct record *record = target;
    uint64_t end = recency_end(engine->recency);
    struct api_answer answer = api_read_record(http, record->id);
    if (answer.outcome == API_TOO_LARGE)
        claim_keep_large(&record->now, http->body, http->length, http->whole_length, http->sha256);
    if (answer.outcome == API_RECORD)
        record_found(engine, record, start, end, answer.record, http->length * 4, now_ms);
    else
        record_missed(engine, record, start, end, answer.outcome, answer.detail, http->status,
                      now_ms);
    return answer.outcome;
}

static void start_record(struct engine *engine, struct record *record, int64_t now_ms)
{
    const struct model *model = engine->selection->models[record->place];
    if (record->work != NULL || model_kind(model) == MODEL_BY_LIST) {
        walk_begin(engine, record, now_ms);
        return;
    }
    char *url = api_record_url(engine->config->api.base_url, model, record->id);
    record->state = RECORD_FETCHING;
    if (!request_start(engine, METRIC_KIND_ID, url, on_record_answer, NULL, record, now_ms))
        record_later(engine, record, now_ms, policy_for(API_OUTAGE)->first_delay_ms);
    free(url);
}

/* So many requests waited for are a backlog that is worth the last fifth of the budget, which the
 * API answers more slowly: a tenth of the limit. */
#define BACKLOG_DIVISOR 10

static enum budget_pace pace_of(const struct engine *engine)
{
    size_t large = (size_t)engine->config->api.requests_per_minute / BACKLOG_DIVISOR;
    return planner_backlog(engine->planner) > large ? BUDGET_FULL : BUDGET_THRIFTY;
}

/* What is begun may still bring more than the publisher has in hand. */
static bool has_room(const struct engine *engine, int in_flight)
{
    int most = budget_concurrency(&engine->budget, (int)engine->config->api.max_concurrency);
    return in_flight < most && engine->uncommitted + (size_t)in_flight < ENGINE_ITEMS_AHEAD &&
           engine->uncommitted_bytes < ENGINE_BYTES_AHEAD;
}

/* Starts one request of the planner's choice. False when it wants none now; then `*wait`. */
static bool start_planned(struct engine *engine, int64_t now_ms, int64_t *wait)
{
    struct planner_budget budget = {.unlimited = engine->budget.limit == 0,
                                    .idle = budget_is_idle(&engine->budget, now_ms),
                                    .latency_ms = (int64_t)engine->budget.latency_ms};
    struct plan plan = planner_next(engine->planner, &budget, recency_now(engine->recency), now_ms);
    *wait = plan.wait_ms;
    if (plan.kind == PLAN_ID)
        start_record(engine, plan.record, now_ms);
    else if (plan.kind == PLAN_PAGE)
        page_begin(engine, &plan.page, now_ms);
    return plan.kind != PLAN_NOTHING;
}

static enum api_outcome probed(struct engine *engine, void *target, uint64_t start,
                               const struct http_answer *http, int64_t now_ms)
{
    (void)engine;
    (void)target;
    (void)start;
    (void)now_ms;
    struct api_page page = api_read_page(http);
    cJSON_Delete(page.items);
    return page.outcome;
}

/* Nothing else would ask whether the API is well again, and an instance that is not ready for it
 * may be given nothing to do. */
static bool probe(struct engine *engine, int64_t now_ms)
{
    const struct model *listed = NULL;
    if (engine->breaker.state != BREAKER_OPEN)
        return false;
    for (size_t i = 0; i < engine->selection->count && listed == NULL; i++) {
        if (model_is_listed(engine->selection->models[i]))
            listed = engine->selection->models[i];
    }
    if (listed == NULL)
        return false;
    char *url = api_list_url(engine->config->api.base_url, listed, NULL, API_NEWEST_FIRST, 0, 1);
    bool started = request_start(engine, METRIC_KIND_PROBE, url, probed, NULL, NULL, now_ms);
    free(url);
    return started;
}

int64_t engine_request(struct engine *engine, int64_t now_ms)
{
    while (!engine->fenced) {
        int in_flight = http_client_in_flight(engine->http);
        int64_t planned = 0;
        if (!has_room(engine, in_flight))
            return INT64_MAX; /* an answer or a commit will wake the loop */
        int64_t wait = longer(budget_wait(&engine->budget, pace_of(engine), in_flight, now_ms),
                              breaker_wait(&engine->breaker, now_ms));
        if (wait > 0 && (engine->walks_first != NULL || engine->backfills != NULL ||
                         engine->syncs != NULL || engine->expiries != NULL))
            return wait;
        if (wait > 0)
            return longer(wait, planner_wait(engine->planner, now_ms));
        /* Walks and the planner take turns: a long list holds up nobody. */
        int64_t backfill = INT64_MAX;
        int64_t check = INT64_MAX;
        int64_t expiry = INT64_MAX;
        engine->walks_turn = !engine->walks_turn;
        if ((engine->walks_turn && walk_continue(engine, now_ms)) ||
            reconcile_continue(engine, now_ms, &check) ||
            (backfill_has_turn(engine) && backfill_continue(engine, now_ms, &backfill)))
            continue;
        if (!start_planned(engine, now_ms, &planned) && !walk_continue(engine, now_ms) &&
            !backfill_continue(engine, now_ms, &backfill) &&
            !expiry_continue(engine, now_ms, &expiry) && !probe(engine, now_ms))
            return sooner(sooner(planned, backfill), sooner(check, expiry));
    }
    return INT64_MAX;
}
