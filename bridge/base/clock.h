/*
 * Time. Decisions (delays, budgets, deadlines) use the monotonic clock and take `now` as an
 * argument so that tests need not sleep; wall-clock time only ever informs (log lines, headers) and
 * orders nothing. Any thread.
 */
#ifndef BRIDGE_BASE_CLOCK_H
#define BRIDGE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_ms(void); /* monotonic milliseconds; starts anywhere, never goes back */
int64_t clock_us(void); /* monotonic microseconds of the same clock */

int64_t clock_wall_ms(void); /* milliseconds since 1970-01-01T00:00:00Z; may jump */

/* Waits; a signal ends it early. */
void clock_rest(int64_t ms);

#define CLOCK_TEXT_SIZE 32

/* RFC 3339 in UTC with milliseconds, such as 2026-01-31T12:00:00.125Z. Returns `text`. */
const char *clock_format(int64_t wall_ms, char text[CLOCK_TEXT_SIZE]);

#endif
