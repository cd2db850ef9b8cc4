#ifndef SIMULATOR_CLOCK_H
#define SIMULATOR_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/simulator/text.h"

/* Milliseconds of a clock that never goes back. For delays and rates. */
int64_t clock_monotonic(void);

/* Milliseconds since 1970, UTC. For what records and reports show. */
int64_t clock_wall(void);

/* How a moment is written. All of them are ISO 8601. */
enum clock_style {
    CLOCK_SHORT,  /* 2026-01-05T10:11:12.345Z, and without a fraction when that is 0 */
    CLOCK_FULL,   /* 2026-01-05T10:11:12.000Z */
    CLOCK_OFFSET, /* 2026-01-05T10:11:12+00:00, with .345 when not 0 */
    CLOCK_MICRO,  /* 2026-01-05T10:11:12.345000Z */
    CLOCK_STYLES
};

/* Appends the moment as a JSON string. */
void clock_write(struct text *text, int64_t moment, enum clock_style style);

/* Reads any of the styles; false when it is none. Digits beyond milliseconds are cut off. */
bool clock_read(const char *bytes, size_t length, int64_t *moment);

#endif
