/*
 * Values with one or two labels that are learnt while the program runs: the first label has few
 * values by its nature, the second may have any number, so that a bound is needed. Beyond `limit`
 * pairs the second value becomes "other", and once these are as many again, both; where there is
 * one label, it becomes "other" beyond the limit. Any thread at any time.
 */
#ifndef BRIDGE_BASE_LABELLED_H
#define BRIDGE_BASE_LABELLED_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/buffer.h"
#include "bridge/base/table.h"

#define LABELLED_OTHER "other"

struct labelled_pair; /* two values of the labels, and what is counted for them */

struct labelled {
    const char *labels[2]; /* their names; the second is NULL where there is one */
    size_t limit;          /* pairs; 0: none is kept */
    pthread_mutex_t lock;
    struct table known; /* both values to the pair */
    struct labelled_pair **pairs;
    size_t count;
    size_t capacity;
};

/* A static variable that needs no call before its first use. */
#define LABELLED_INITIALISER(first, second, most)                                         \
    {                                                                                     \
        .labels = {(first), (second)}, .limit = (most), .lock = PTHREAD_MUTEX_INITIALIZER \
    }

/* Where the pair is counted, for who does it often; it stays until labelled_clear. The values are
 * UTF-8; a second one that is NULL counts as "other", and is not looked at where there is one
 * label. `*added` (may be NULL) says whether this is the pair's first time under its own values. */
_Atomic int64_t *labelled_slot(struct labelled *labelled, const char *first, const char *second,
                               bool *added);

/* The value of the pair, 0 when there is none. */
int64_t labelled_get(struct labelled *labelled, const char *first, const char *second);

/* The sum over all pairs. */
int64_t labelled_sum(struct labelled *labelled);

/* Appends the samples of the metric `name` in the Prometheus text format, in the order of the
 * pairs' first time, each value as `show` writes it. */
void labelled_expose(struct labelled *labelled, const char *name,
                     void (*show)(struct buffer *out, int64_t value), struct buffer *out);

/* Forgets all pairs. */
void labelled_clear(struct labelled *labelled);

#endif
