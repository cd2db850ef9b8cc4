#include "bridge/enricher/breaker.h"

#include "bridge/base/log.h"
#include "bridge/base/metrics.h"

#define FIRST_PAUSE_MS 1000
#define LAST_PAUSE_MS  30000

static const char *const names[] = {"closed", "open", "half-open"};

static void change_state(struct breaker *breaker, enum breaker_state state)
{
    if (breaker->state == state)
        return;
    breaker->state = state;
    metrics_set(METRIC_API_BREAKER_OPEN, state != BREAKER_CLOSED);
    log_event(state == BREAKER_HALF_OPEN ? LOG_DEBUG : LOG_WARN, "breaker",
              LOG_TEXT("state", names[state]), LOG_NUMBER("failures", breaker->failures),
              LOG_NUMBER("pause_ms", state == BREAKER_OPEN ? breaker->pause_ms : 0));
}

struct breaker breaker_new(int threshold, struct random *random)
{
    return (struct breaker){.threshold = threshold, .pause_ms = FIRST_PAUSE_MS, .random = random};
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
    breaker->pause_ms = FIRST_PAUSE_MS;
    change_state(breaker, BREAKER_CLOSED);
}

void breaker_trip(struct breaker *breaker, int64_t now_ms, int64_t pause_ms)
{
    breaker->until_ms = now_ms + pause_ms;
    change_state(breaker, BREAKER_OPEN);
}

void breaker_failed(struct breaker *breaker, int64_t now_ms)
{
    breaker->failures++;
    if (breaker->state == BREAKER_CLOSED && breaker->failures < breaker->threshold)
        return;
    if (breaker->state == BREAKER_OPEN)
        return; /* a request that started before the opening */
    int64_t pause = breaker->pause_ms;
    breaker->pause_ms = pause * 2 > LAST_PAUSE_MS ? LAST_PAUSE_MS : pause * 2;
    breaker_trip(breaker, now_ms, random_between(breaker->random, pause / 2, pause));
}

void breaker_forget_probe(struct breaker *breaker)
{
    if (breaker->state == BREAKER_HALF_OPEN)
        change_state(breaker, BREAKER_OPEN);
}
