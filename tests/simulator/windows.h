#ifndef SIMULATOR_WINDOWS_H
#define SIMULATOR_WINDOWS_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/simulator/request.h"
#include "tests/simulator/text.h"

/* What each of the limit's minutes was used for. An all-zero struct is empty. */

#define WINDOWS_KEPT_MAX 60 /* the last ones in which there were requests */

struct window {
    uint64_t number; /* of the minutes since the start */
    uint64_t answered[REQUEST_KINDS];
    uint64_t limited; /* answered with 429 because the limit was used up */
};

struct windows {
    struct window items[WINDOWS_KEPT_MAX]; /* a ring */
    uint64_t made;
};

/* Counts one request. The window's number must not be lower than that of the last call. */
void windows_count(struct windows *windows, uint64_t number, enum request_kind kind, bool limited);

/* Appends a JSON array, the newest last. `started_at` is when the first one began, in milliseconds
 * since 1970, and `length_ms` how long each lasts. */
void windows_write(struct text *text, const struct windows *windows, int64_t started_at,
                   uint64_t length_ms);

#endif
