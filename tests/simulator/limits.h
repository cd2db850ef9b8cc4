#ifndef SIMULATOR_LIMITS_H
#define SIMULATOR_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

/* The request limit: fixed windows of a minute that begin when the simulator starts. */
struct limits {
    uint64_t per_minute; /* 0 = no limit */
    uint64_t minute_ms;
    int64_t start; /* monotonic milliseconds */
    int64_t window;
    uint64_t used;
};

#define LIMITS_SLOW_MS 2000 /* what an answer takes longer from 80 % on */

struct limits_verdict {
    uint64_t window; /* how many minutes have gone by since the start */
    bool refused;    /* 429 */
    bool slow;
    uint64_t remaining;
    uint64_t retry_after; /* whole seconds until the window ends, at least 1 */
};

/* Counts one request at that moment. */
struct limits_verdict limits_take(struct limits *limits, int64_t now);

#endif
