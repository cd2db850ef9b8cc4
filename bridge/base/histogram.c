#include "bridge/base/histogram.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "bridge/base/attributes.h"
#include "bridge/base/clock.h"
#include "bridge/base/text.h"

#define SECOND INT64_C(1000000)

const int64_t histogram_short[HISTOGRAM_BUCKETS - 1] = {
    100,   250,    500,    1000,   2500,   5000,       10000,       25000,
    50000, 100000, 250000, 500000, SECOND, 5 * SECOND, 15 * SECOND, 60 * SECOND};

const int64_t histogram_long[HISTOGRAM_BUCKETS - 1] = {
    SECOND / 4,    SECOND / 2,     SECOND,         2 * SECOND,     5 * SECOND,   10 * SECOND,
    30 * SECOND,   60 * SECOND,    120 * SECOND,   300 * SECOND,   900 * SECOND, 1800 * SECOND,
    3600 * SECOND, 14400 * SECOND, 43200 * SECOND, 172800 * SECOND};

void histogram_append_seconds(struct buffer *out, int64_t us)
{
    char text[32];
    int length = snprintf(text, sizeof text, "%s%" PRId64 ".%06" PRId64, us < 0 ? "-" : "",
                          (us < 0 ? -us : us) / SECOND, (us < 0 ? -us : us) % SECOND);
    while (text[length - 1] == '0')
        length--;
    if (text[length - 1] == '.')
        length--;
    (void)buffer_append(out, text, (size_t)length);
}

void histogram_observe(struct histogram *histogram, int64_t us, const char *trace_id)
{
    int bucket = 0;
    us = us < 0 ? 0 : us;
    while (bucket < HISTOGRAM_BUCKETS - 1 && us > histogram->bounds_us[bucket])
        bucket++;
    atomic_fetch_add_explicit(&histogram->counts[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_us, us, memory_order_relaxed);
    if (trace_id == NULL || *trace_id == '\0')
        return;
    (void)pthread_mutex_lock(&histogram->lock);
    struct exemplar *exemplar = &histogram->exemplars[bucket];
    (void)text_copy(exemplar->trace, sizeof exemplar->trace, trace_id);
    exemplar->value_us = us;
    exemplar->wall_ms = clock_wall_ms();
    (void)pthread_mutex_unlock(&histogram->lock);
}

int64_t histogram_count(struct histogram *histogram)
{
    int64_t count = 0;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        count += atomic_load(&histogram->counts[i]);
    return count;
}

static void append_exemplar(const struct exemplar *exemplar, struct buffer *out)
{
    (void)buffer_append_format(out, " # {trace_id=\"%s\"} ", exemplar->trace);
    histogram_append_seconds(out, exemplar->value_us);
    (void)buffer_append_format(out, " %" PRId64 ".%03" PRId64, exemplar->wall_ms / 1000,
                               exemplar->wall_ms % 1000);
}

void histogram_expose(struct histogram *histogram, const char *name, bool open, struct buffer *out)
{
    int64_t count = 0;
    (void)pthread_mutex_lock(&histogram->lock);
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++) {
        count += atomic_load(&histogram->counts[i]);
        (void)buffer_append_format(out, "%s_bucket{le=\"", name);
        if (i == HISTOGRAM_BUCKETS - 1)
            (void)buffer_append_text(out, "+Inf");
        else
            histogram_append_seconds(out, histogram->bounds_us[i]);
        (void)buffer_append_format(out, "\"} %" PRId64, count);
        if (open && histogram->exemplars[i].trace[0] != '\0')
            append_exemplar(&histogram->exemplars[i], out);
        (void)buffer_append(out, "\n", 1);
    }
    (void)pthread_mutex_unlock(&histogram->lock);
    (void)buffer_append_format(out, "%s_sum ", name);
    histogram_append_seconds(out, atomic_load(&histogram->sum_us));
    (void)buffer_append_format(out, "\n%s_count %" PRId64 "\n", name, count);
}
