/*
 * The last hour of what the console draws: every HISTORY_STEP_MS one sample of a few metrics, in a
 * ring. Counters are kept as they are; who draws takes differences. Any thread.
 */
#ifndef BRIDGE_CONSOLE_HISTORY_H
#define BRIDGE_CONSOLE_HISTORY_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "bridge/base/attributes.h"

#define HISTORY_STEP_MS 10000
#define HISTORY_SAMPLES 361 /* an hour, and both its ends */

/* Takes a sample when it is time for one: to be called about once a second. A gap in time, such as
 * a machine that slept, leaves a gap in `at`. */
void history_tend(int64_t now_ms);

/* {"webhooks": n, ...}: the metrics as they are now. The caller deletes it. */
cJSON *history_now(void) MUST_CHECK;

/* {"ages_ms": [...], "series": {"webhooks": [...], ...}}, the oldest first; an age is how long ago
 * its sample was taken. The caller deletes it. */
cJSON *history_hour(int64_t now_ms) MUST_CHECK;

/* Forgets all: for tests. */
void history_clear(void);

#endif
