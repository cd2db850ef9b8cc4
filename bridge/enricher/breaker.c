#include "bridge/enricher/breaker.h"

#include "bridge/base/health.h"
#include "bridge/base/log.h"
#include "bridge/base/metrics.h"

static const char *const state_names[] = {"closed", "open", "half-open"};
static const char *const scope_names[] = {"all", "integration", "model"};

static const enum metric open_metrics[] = {
    METRIC_API_BREAKER_OPEN, METRIC_BREAKERS_OPEN_INTEGRATIONS, METRIC_BREAKERS_OPEN_MODELS};

static const enum metric opening_metrics[] = {METRIC_BREAKER_OPENINGS_API,
                                              METRIC_BREAKER_OPENINGS_INTEGRATION,
                                              METRIC_BREAKER_OPENINGS_MODEL};

/* Opening is news; a probe that failed is not. */
static enum log_level level_of(enum breaker_state from, enum breaker_state to)
{
    if (to == BREAKER_HALF_OPEN)
        return LOG_DEBUG;
    return from == BREAKER_CLOSED ? LOG_WARN : LOG_INFO;
}

static void measure(const struct breaker *breaker, enum breaker_state state)
{
    bool was_closed = breaker->state == BREAKER_CLOSED;
    bool is_closed = state == BREAKER_CLOSED;
    if (was_closed != is_closed)
        metrics_add(open_metrics[breaker->scope], is_closed ? -1 : 1);
    if (was_closed && !is_closed)
        metrics_add(opening_metrics[breaker->scope], 1);
    if (breaker->scope == BREAKER_ALL)
        health_set(HEALTH_BREAKER, is_closed, "the API keeps failing, requests are held back");
}

static void change_state(struct breaker *breaker, enum breaker_state state)
{
    enum log_level level = level_of(breaker->state, state);
    if (breaker->state == state)
        return;
    measure(breaker, state);
    breaker->state = state;
    log_event(level, "breaker", LOG_TEXT("scope", scope_names[breaker->scope]),
              LOG_TEXT("integration_id", breaker->integration_id),
              LOG_TEXT("model", breaker->model), LOG_TEXT("state", state_names[state]),
              LOG_NUMBER("failures", breaker->failures),
              LOG_NUMBER("pause_ms", state == BREAKER_OPEN ? breaker->pause_ms : 0));
}

struct breaker breaker_new(enum breaker_scope scope, const char *integration_id, int threshold,
                           struct random *random)
{
    return (struct breaker){.scope = scope,
                            .integration_id = integration_id,
                            .model = "",
                            .threshold = threshold,
                            .first_pause_ms = BREAKER_FIRST_PAUSE_MS,
                            .last_pause_ms = BREAKER_LAST_PAUSE_MS,
                            .random = random};
}

int64_t breaker_wait(const struct breaker *breaker, int64_t now_ms)
{
    switch (breaker->state) {
    case BREAKER_CLOSED:
        return 0;
    case BREAKER_OPEN:
        return now_ms >= breaker->until_ms ? 0 : breaker->until_ms - now_ms;
    case BREAKER_HALF_OPEN:
        break;
    }
    return INT64_MAX;
}

void breaker_started(struct breaker *breaker)
{
    if (breaker->state == BREAKER_OPEN)
        change_state(breaker, BREAKER_HALF_OPEN);
}

void breaker_succeeded(struct breaker *breaker)
{
    breaker->failures = 0;
    breaker->openings = 0;
    change_state(breaker, BREAKER_CLOSED);
}

static void open_for(struct breaker *breaker, int64_t now_ms, int64_t pause_ms)
{
    breaker->pause_ms = pause_ms;
    breaker->until_ms = now_ms + pause_ms;
    change_state(breaker, BREAKER_OPEN);
}

void breaker_trip(struct breaker *breaker, int64_t now_ms, int64_t pause_ms)
{
    open_for(breaker, now_ms, pause_ms);
}

void breaker_failed(struct breaker *breaker, int64_t now_ms)
{
    breaker->failures++;
    if (breaker->state == BREAKER_CLOSED && breaker->failures < breaker->threshold)
        return;
    if (breaker->state == BREAKER_OPEN)
        return; /* a request that started before the opening */
    int64_t pause = breaker->first_pause_ms;
    for (int i = 0; i < breaker->openings && pause < breaker->last_pause_ms; i++)
        pause *= 2;
    if (pause > breaker->last_pause_ms)
        pause = breaker->last_pause_ms;
    breaker->openings++;
    open_for(breaker, now_ms, random_between(breaker->random, pause / 2, pause));
}

void breaker_forget_probe(struct breaker *breaker)
{
    if (breaker->state == BREAKER_HALF_OPEN)
        change_state(breaker, BREAKER_OPEN);
}

void breaker_end(struct breaker *breaker, bool silent)
{
    if (silent)
        measure(breaker, BREAKER_CLOSED);
    else
        change_state(breaker, BREAKER_CLOSED);
    breaker->state = BREAKER_CLOSED;
}
