#include "bridge/base/health.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "bridge/base/metrics.h"
#include "bridge/base/utf8.h"

static const struct {
    const char *name;
    bool is_needed;
} table[HEALTH_COUNT] = {
    [HEALTH_RECEIVER] = {"receiver", true},
    [HEALTH_ASSIGNMENT] = {"assignment", true},
    [HEALTH_PUBLISHER] = {"publisher", true},
    [HEALTH_REGISTRY] = {"registry", true},
    [HEALTH_API] = {"api", true},
    [HEALTH_SPOOL] = {"spool", false},
    [HEALTH_BREAKER] = {"breaker", false},
};

/* How long a turn may take: an assignment waits for Kafka while the cache is read, and a producer
 * that is replaced for the old one's end. */
static const struct {
    const char *name;
    int64_t most_ms;
} loops[HEALTH_LOOP_COUNT] = {
    [HEALTH_LOOP_RECEIVER] = {"receiver", 30000},
    [HEALTH_LOOP_PRODUCER] = {"producer", 60000},
    [HEALTH_LOOP_ENRICHER] = {"enricher", 180000},
};

struct condition {
    bool set;
    char reason[HEALTH_REASON_SIZE]; /* "" when all is well */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards `conditions` */
static struct condition conditions[HEALTH_COUNT];
static atomic_bool draining;
static _Atomic int64_t turned_ms[HEALTH_LOOP_COUNT]; /* 0 = it has not begun */

/* What was cut, or came from elsewhere, may not be UTF-8, which the report must be. */
static void make_ascii(char *text)
{
    for (char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p > 0x7f)
            *p = '?';
    }
}

void health_set(enum health condition, bool ok, const char *reason)
{
    char text[HEALTH_REASON_SIZE];
    (void)snprintf(text, sizeof text, "%s", ok ? "" : reason);
    if (!utf8_valid(text, strlen(text)))
        make_ascii(text);
    (void)pthread_mutex_lock(&lock);
    conditions[condition].set = true;
    memcpy(conditions[condition].reason, text, sizeof text);
    (void)pthread_mutex_unlock(&lock);
    metrics_set_labelled(METRIC_READY, table[condition].name, NULL, *text == '\0');
}

void health_drain(void)
{
    atomic_store(&draining, true);
    metrics_set_labelled(METRIC_READY, "not_draining", NULL, 0);
}

bool health_report(struct buffer *out)
{
    bool drains = atomic_load(&draining);
    bool ready = !drains;
    const char *comma = "";
    (void)buffer_append_format(out, "{\"draining\":%s,\"conditions\":{", drains ? "true" : "false");
    (void)pthread_mutex_lock(&lock);
    for (int i = 0; i < HEALTH_COUNT; i++) {
        const char *reason = conditions[i].reason;
        if (!conditions[i].set)
            continue;
        ready = ready && (*reason == '\0' || !table[i].is_needed);
        (void)buffer_append_format(out, "%s\"%s\":{\"ok\":%s,\"needed\":%s,\"reason\":", comma,
                                   table[i].name, *reason == '\0' ? "true" : "false",
                                   table[i].is_needed ? "true" : "false");
        (void)buffer_append_quoted(out, reason);
        (void)buffer_append_text(out, "}");
        comma = ",";
    }
    (void)pthread_mutex_unlock(&lock);
    (void)buffer_append_format(out, "},\"ready\":%s}\n", ready ? "true" : "false");
    return ready;
}

void health_turned(enum health_loop loop, int64_t now_ms)
{
    atomic_store_explicit(&turned_ms[loop], now_ms, memory_order_relaxed);
}

const char *health_hangs(int64_t now_ms)
{
    for (int i = HEALTH_LOOP_NONE + 1; i < HEALTH_LOOP_COUNT && !atomic_load(&draining); i++) {
        int64_t last_ms = atomic_load_explicit(&turned_ms[i], memory_order_relaxed);
        if (last_ms != 0 && now_ms - last_ms > loops[i].most_ms)
            return loops[i].name;
    }
    return NULL;
}
