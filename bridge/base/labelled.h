/*
 * A counter with two labels whose values are learnt while the program runs: the first has few
 * values by its nature, the second may have any number, so that a bound is needed. Pairs of values
 * beyond `limit` are counted with "other" as their second one, and once these are as many again,
 * with "other" for both. Any thread at any time.
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

struct labelled_pair {
    char *first;
    char *second;
    int64_t count;
};

struct labelled {
    const char *labels[2]; /* their names */
    size_t limit;          /* pairs */
    pthread_mutex_t lock;
    struct table numbers; /* both values to the pair's number + 1 */
    struct labelled_pair *pairs;
    size_t count;
    size_t capacity;
};

/* A counter that is a static variable; it needs no call before its first use. */
#define LABELLED_INITIALISER(first, second, most)                                         \
    {                                                                                     \
        .labels = {(first), (second)}, .limit = (most), .lock = PTHREAD_MUTEX_INITIALIZER \
    }

/* Adds to the pair's count. The values are UTF-8; a second one that is NULL counts as "other". True
 * when this is a pair's first time under its own values. */
bool labelled_add(struct labelled *labelled, const char *first, const char *second, int64_t amount);

/* The count of the pair, 0 when there is none. */
int64_t labelled_get(struct labelled *labelled, const char *first, const char *second);

/* Appends the samples of the metric `name` in the Prometheus text format, in the order of the
 * pairs' first time. */
void labelled_expose(struct labelled *labelled, const char *name, struct buffer *out);

/* Forgets all pairs. */
void labelled_clear(struct labelled *labelled);

#endif
