#include "bridge/enricher/requests.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/health.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/http/spans.h"

/* A line of each of the policy's rows at most so often. */
#define LOG_EVERY_MS 1000

struct fetch {
    struct engine *engine;
    uint64_t start; /* tick of the stale rule */
    int64_t started_ms;
    enum metric kind;
    int place;
    struct circuit *circuit; /* of its integration, or NULL; outlives the request */
    struct trace trace;      /* its span, where it is for one record; else zeroed */
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

static const char *model_of(const struct engine *engine, const struct fetch *fetch)
{
    return fetch->place < 0 ? NULL : engine->selection->names[fetch->place];
}

/* A probe is asked to see whether it fails. */
static void log_outcome(const struct engine *engine, const struct fetch *fetch,
                        enum api_outcome outcome, const char *reason, long status, int64_t now_ms)
{
    static struct log_gate gates[API_OUTCOMES];
    const struct policy *policy = policy_for(outcome);
    enum log_level level = fetch->kind == METRIC_KIND_PROBE ? LOG_DEBUG : policy->level;
    int64_t suppressed = 0;
    if (policy->event == NULL || !log_enabled(level) ||
        !log_gate_open(&gates[outcome], now_ms, LOG_EVERY_MS, &suppressed))
        return;
    log_event(level, policy->event, LOG_TEXT("outcome", policy->name),
              LOG_TEXT("model", model_of(engine, fetch)),
              LOG_TEXT("integration_id", circuit_integration(fetch->circuit)),
              LOG_NUMBER("status", status), LOG_TEXT("reason", reason),
              LOG_NUMBER("suppressed", suppressed));
}

/* All that the policy's table says of an outcome, but for what was asked for. */
static void note_outcome(struct engine *engine, const struct fetch *fetch, enum api_outcome outcome,
                         const char *reason, const struct http_answer *http, int64_t now_ms)
{
    const struct policy *policy = policy_for(outcome);
    const char *by_id = fetch->kind == METRIC_KIND_ID ? model_of(engine, fetch) : NULL;
    metrics_add(policy->metric, 1);
    log_outcome(engine, fetch, outcome, reason, http == NULL ? 0 : http->status, now_ms);
    if (policy->verdict == POLICY_BUDGET && http != NULL)
        budget_limited(&engine->budget, http->retry_after_s, now_ms);
    if (policy->verdict == POLICY_PAUSE)
        health_set(HEALTH_API, false, "the API refuses api.token");
    else if (policy->verdict != POLICY_BUDGET && policy->verdict != POLICY_RETRY)
        health_set(HEALTH_API, true, "");
    breakers_answered(engine->breakers, fetch->circuit, by_id, outcome,
                      (int64_t)engine->budget.latency_ms, now_ms);
}

static void on_answer(void *context, const struct http_answer *http)
{
    struct fetch *fetch = context;
    struct engine *engine = fetch->engine;
    int64_t now_ms = clock_ms();
    metrics_observe(METRIC_API_TIME, http->took_us, NULL);
    metrics_add(METRIC_API_RECEIVED, http->received);
    metrics_add(METRIC_API_CONNECTIONS, http->connections);
    budget_learn(&engine->budget, http->limit, http->remaining, http_client_in_flight(engine->http),
                 now_ms - fetch->started_ms, now_ms);
    engine->asked = fetch->trace;
    engine->asked_ms = clock_wall_ms() - (now_ms - fetch->started_ms);
    enum api_outcome outcome = fetch->answered(engine, fetch->target, fetch->start, http, now_ms);
    engine->asked = (struct trace){0};
    engine->asked_ms = 0;
    note_outcome(engine, fetch, outcome, api_detail(http, outcome), http, now_ms);
    recency_close(engine->recency, fetch->start);
    unlink_fetch(fetch);
}

const char *request_integration(const struct engine *engine, int place, const char *integration_id)
{
    return engine->selection->models[place]->by_integration ? integration_id : NULL;
}

bool engine_may_ask(void *context, const char *integration_id, int place, int64_t now_ms)
{
    const struct engine *engine = context;
    if (place < 0)
        return breakers_may(engine->breakers, integration_id, now_ms);
    return breakers_may_model(engine->breakers, integration_id, engine->selection->names[place],
                              now_ms);
}

void engine_release(void *context, const char *integration_id, const char *model, int64_t now_ms)
{
    const struct engine *engine = context;
    int place = model == NULL ? -1 : selection_find(engine->selection, model, strlen(model));
    planner_release(engine->planner, integration_id, place, now_ms);
}

static struct fetch *new_fetch(struct engine *engine, const struct request *request, int64_t now_ms)
{
    struct fetch *fetch = memory_new(1, sizeof *fetch);
    *fetch = (struct fetch){.engine = engine,
                            .start = recency_start(engine->recency),
                            .started_ms = now_ms,
                            .kind = request->kind,
                            .place = request->place,
                            .answered = request->answered,
                            .dropped = request->dropped,
                            .target = request->target,
                            .next = engine->fetches};
    if (fetch->next != NULL)
        fetch->next->previous = fetch;
    engine->fetches = fetch;
    const char *by_id = fetch->kind == METRIC_KIND_ID ? model_of(engine, fetch) : NULL;
    fetch->circuit = breakers_started(engine->breakers, request->integration_id, by_id, now_ms);
    return fetch;
}

bool request_start(struct engine *engine, const struct request *request, int64_t now_ms)
{
    struct error error;
    struct trace event;
    char traceparent[TRACE_PARENT_SIZE];
    struct fetch *fetch = new_fetch(engine, request, now_ms);
    struct http_request http = {.url = request->url};
    if (trace_parse(request->traceparent, &event)) {
        fetch->trace = spans_below(&event, &engine->random);
        http.traceparent = trace_text(&fetch->trace, traceparent);
    }
    metrics_add(request->kind, 1);
    budget_spend(&engine->budget, now_ms);
    if (http_client_start(engine->http, &http, on_answer, fetch, &error))
        return true;
    note_outcome(engine, fetch, API_NOT_STARTED, error.message, NULL, now_ms);
    recency_close(engine->recency, fetch->start);
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

/* Without its beginning where that may hold what is redacted. */
static void keep_large(const struct engine *engine, struct record *record,
                       const struct http_answer *http)
{
    const struct model *model = engine->selection->models[record->place];
    bool shown = !redaction_has(engine->selection->redaction, model);
    claim_keep_large(&record->now, http->body, shown ? http->length : 0, http->whole_length,
                     http->sha256);
}

static enum api_outcome on_record_answer(struct engine *engine, void *target, uint64_t start,
                                         const struct http_answer *http, int64_t now_ms)
{
    struct record *record = target;
    uint64_t end = recency_end(engine->recency);
    struct api_answer answer = api_read_record(http, record->id);
    if (answer.outcome == API_TOO_LARGE)
        keep_large(engine, record, http);
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
    struct request request = {.kind = METRIC_KIND_ID,
                              .url = url,
                              .integration_id = record->integration_id,
                              .place = record->place,
                              .traceparent = record->now.traceparent,
                              .answered = on_record_answer,
                              .target = record};
    if (!request_start(engine, &request, now_ms))
        record_later(engine, record, now_ms, policy_for(API_NOT_STARTED)->first_delay_ms);
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

/* As many requests are under way as may be at once. Those of integrations in doubt may take long:
 * they do not hold up the others' as long as there are connections. */
static bool is_busy(const struct engine *engine, int in_flight, int64_t now_ms)
{
    int maximum = (int)engine->config->api.max_concurrency;
    int most = budget_concurrency(&engine->budget, maximum);
    breakers_set_most(engine->breakers, most);
    return in_flight >= maximum ||
           (in_flight >= most && in_flight - breakers_doubted(engine->breakers, now_ms) >= most);
}

/* What is begun may still bring more than the publisher has in hand. */
static bool has_room(const struct engine *engine, int in_flight, int64_t now_ms)
{
    return !is_busy(engine, in_flight, now_ms) &&
           engine->uncommitted + (size_t)in_flight < ENGINE_ITEMS_AHEAD &&
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
    if (!breakers_are_open(engine->breakers))
        return false;
    for (size_t i = 0; i < engine->selection->count && listed == NULL; i++) {
        if (model_is_listed(engine->selection->models[i]))
            listed = engine->selection->models[i];
    }
    if (listed == NULL)
        return false;
    char *url = api_list_url(engine->config->api.base_url, listed, NULL, API_NEWEST_FIRST, 0, 1);
    struct request request = {
        .kind = METRIC_KIND_PROBE, .url = url, .place = -1, .answered = probed};
    bool started = request_start(engine, &request, now_ms);
    free(url);
    return started;
}

/* Who waits for nothing but to be asked for, besides the planner. */
static bool has_other_work(const struct engine *engine)
{
    return engine->walks_first != NULL || engine->backfills != NULL || engine->syncs != NULL ||
           engine->expiries != NULL;
}

/* Starts a request. False when nobody wants one within `*wait` ms. */
static bool start_one(struct engine *engine, int64_t now_ms, int64_t *wait)
{
    int64_t planned = 0;
    int64_t walk = INT64_MAX;
    int64_t check = INT64_MAX;
    int64_t backfill = INT64_MAX;
    int64_t expiry = INT64_MAX;
    /* Walks and the planner take turns: a long list holds up nobody. */
    engine->walks_turn = !engine->walks_turn;
    bool started = (engine->walks_turn && walk_continue(engine, now_ms, &walk)) ||
                   reconcile_continue(engine, now_ms, &check) ||
                   (backfill_has_turn(engine) && backfill_continue(engine, now_ms, &backfill)) ||
                   start_planned(engine, now_ms, &planned) ||
                   walk_continue(engine, now_ms, &walk) ||
                   backfill_continue(engine, now_ms, &backfill) ||
                   expiry_continue(engine, now_ms, &expiry) || probe(engine, now_ms);
    *wait = sooner(sooner(sooner(planned, walk), sooner(check, backfill)), expiry);
    return started;
}

int64_t engine_request(struct engine *engine, int64_t now_ms)
{
    int64_t woken = breakers_wake(engine->breakers, now_ms);
    while (!engine->fenced) {
        int in_flight = http_client_in_flight(engine->http);
        int64_t wait = 0;
        if (!has_room(engine, in_flight, now_ms))
            return INT64_MAX; /* an answer or a commit will wake the loop */
        wait = longer(budget_wait(&engine->budget, pace_of(engine), in_flight, now_ms),
                      breakers_wait(engine->breakers, now_ms));
        if (wait > 0)
            return has_other_work(engine) ? wait
                                          : longer(wait, planner_wait(engine->planner, now_ms));
        if (!start_one(engine, now_ms, &wait))
            return sooner(wait, woken);
    }
    return INT64_MAX;
}
