/*
 * How long something took, as a histogram of the Prometheus kind: buckets with upper bounds, a sum,
 * and for each bucket the last trace that fell into it (an exemplar), so that a slow case can be
 * looked at. Any thread at any time; whoever reads while others write may see a bucket and not yet
 * the sum.
 */
#ifndef BRIDGE_BASE_HISTOGRAM_H
#define BRIDGE_BASE_HISTOGRAM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/buffer.h"
#include "bridge/base/trace.h"

#define HISTOGRAM_BUCKETS 17 /* with the one for all that is longer */

struct histogram {
    const int64_t *bounds_us; /* HISTOGRAM_BUCKETS - 1, rising */
    _Atomic int64_t counts[HISTOGRAM_BUCKETS];
    _Atomic int64_t sum_us;
    pthread_mutex_t lock; /* of what follows */
    struct exemplar {
        char trace[TRACE_ID_SIZE]; /* "" = none yet */
        int64_t value_us;
        int64_t wall_ms;
    } exemplars[HISTOGRAM_BUCKETS];
};

/* A static variable that needs no call before its first use. */
#define HISTOGRAM_INITIALISER(bounds)                            \
    {                                                            \
        .bounds_us = (bounds), .lock = PTHREAD_MUTEX_INITIALIZER \
    }

/* 100 us to a minute, and a second to two days. */
extern const int64_t histogram_short[HISTOGRAM_BUCKETS - 1];
extern const int64_t histogram_long[HISTOGRAM_BUCKETS - 1];

/* `trace_id` may be NULL. A negative duration counts as none. */
void histogram_observe(struct histogram *histogram, int64_t us, const char *trace_id);

/* How many observations there were. */
int64_t histogram_count(struct histogram *histogram);

/* Appends the samples of the metric `name` in the Prometheus text format, or with `open` as
 * OpenMetrics has it, exemplars and all. */
void histogram_expose(struct histogram *histogram, const char *name, bool open, struct buffer *out);

/* Microseconds as seconds, without zeros at the end. */
void histogram_append_seconds(struct buffer *out, int64_t us);

#endif
