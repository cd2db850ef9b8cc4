#include "bridge/console/history.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/metrics.h"

/* X(name, what it is now) */
#define SERIES(X)                                                     \
    X(webhooks, metrics_get(METRIC_WEBHOOKS_KEPT))                    \
    X(webhooks_unavailable, metrics_get(METRIC_WEBHOOKS_UNAVAILABLE)) \
    X(webhooks_unsigned, metrics_get(METRIC_WEBHOOKS_UNSIGNED))       \
    X(events, metrics_sum_labelled(METRIC_EVENTS_CONSUMED))           \
    X(waiting, metrics_get(METRIC_WAITING_RECORDS))                   \
    X(oldest_live_us, metrics_get(METRIC_OLDEST_LIVE))                \
    X(lag, metrics_sum_labelled(METRIC_LAG))                          \
    X(requests, api_requests())                                       \
    X(budget_left, metrics_get(METRIC_BUDGET_LEFT))                   \
    X(budget_limit, metrics_get(METRIC_BUDGET_LIMIT))                 \
    X(snapshots, metrics_sum_labelled(METRIC_SNAPSHOTS))              \
    X(dead_letters, metrics_sum_labelled(METRIC_DEAD_LETTERS))        \
    X(spool_events, metrics_get(METRIC_SPOOL_EVENTS))                 \
    X(breaker_open, metrics_get(METRIC_API_BREAKER_OPEN))             \
    X(partitions_owned, metrics_get(METRIC_PARTITIONS_OWNED))         \
    X(aborted, metrics_get(METRIC_TRANSACTIONS_ABORTED))

#define COUNT_ONE(name, value) SERIES_##name,
enum { SERIES(COUNT_ONE) SERIES_COUNT };
#undef COUNT_ONE

struct sample {
    int64_t at_ms;
    int64_t values[SERIES_COUNT];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sample ring[HISTORY_SAMPLES];
static size_t taken; /* in all */

static const char *const names[] = {
#define NAME_ONE(name, value) #name,
    SERIES(NAME_ONE)
#undef NAME_ONE
};

/* Of all outcomes: the metric of each follows on that of the first. */
static int64_t api_requests(void)
{
    int64_t sum = 0;
    for (int metric = METRIC_API_RECORD; metric <= METRIC_API_ODD_STATUS; metric++)
        sum += metrics_get((enum metric)metric);
    return sum;
}

static void read_all(int64_t *values)
{
#define READ_ONE(name, value) values[SERIES_##name] = (value);
    SERIES(READ_ONE)
#undef READ_ONE
}

void history_tend(int64_t now_ms)
{
    (void)pthread_mutex_lock(&lock);
    const struct sample *last = &ring[(taken + HISTORY_SAMPLES - 1) % HISTORY_SAMPLES];
    if (taken == 0 || now_ms - last->at_ms >= HISTORY_STEP_MS) {
        struct sample *sample = &ring[taken++ % HISTORY_SAMPLES];
        sample->at_ms = now_ms;
        read_all(sample->values);
    }
    (void)pthread_mutex_unlock(&lock);
}

cJSON *history_now(void)
{
    int64_t values[SERIES_COUNT];
    cJSON *now = cJSON_CreateObject();
    read_all(values);
    for (size_t i = 0; i < SERIES_COUNT; i++)
        (void)cJSON_AddNumberToObject(now, names[i], (double)values[i]);
    return now;
}

cJSON *history_hour(int64_t now_ms)
{
    cJSON *hour = cJSON_CreateObject();
    cJSON *ages = cJSON_AddArrayToObject(hour, "ages_ms");
    cJSON *series = cJSON_AddObjectToObject(hour, "series");
    (void)pthread_mutex_lock(&lock);
    size_t count = taken < HISTORY_SAMPLES ? taken : HISTORY_SAMPLES;
    for (size_t i = taken - count; i < taken; i++)
        (void)cJSON_AddItemToArray(
            ages, cJSON_CreateNumber((double)(now_ms - ring[i % HISTORY_SAMPLES].at_ms)));
    for (size_t s = 0; s < SERIES_COUNT; s++) {
        cJSON *values = cJSON_AddArrayToObject(series, names[s]);
        for (size_t i = taken - count; i < taken; i++)
            (void)cJSON_AddItemToArray(
                values, cJSON_CreateNumber((double)ring[i % HISTORY_SAMPLES].values[s]));
    }
    (void)pthread_mutex_unlock(&lock);
    return hour;
}

void history_clear(void)
{
    (void)pthread_mutex_lock(&lock);
    taken = 0;
    (void)pthread_mutex_unlock(&lock);
}
