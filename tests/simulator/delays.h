#ifndef SIMULATOR_DELAYS_H
#define SIMULATOR_DELAYS_H

#include <stddef.h>
#include <stdint.h>

/* Things that wait for their moment, the earliest first (a heap). An all-zero struct is empty. */

struct delay {
    int64_t due; /* monotonic milliseconds */
    void *item;
};

struct delays {
    struct delay *heap;
    size_t count;
    size_t capacity;
};

#define DELAYS_NEVER INT64_MAX

void delays_add(struct delays *delays, int64_t due, void *item);

/* When the earliest is due; DELAYS_NEVER when none waits. */
int64_t delays_next(const struct delays *delays);

/* The earliest that is due at `now`, taken out; NULL when there is none. */
void *delays_take(struct delays *delays, int64_t now);

/* The items are the caller's. */
void delays_free(struct delays *delays);

#endif
