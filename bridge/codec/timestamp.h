/*
 * ISO 8601 / RFC 3339 timestamps as Propexo writes them: 2026-01-31T12:00:00[.fraction][zone], the
 * zone Z, +hh:mm, +hhmm or none (UTC). Digits of a fraction beyond milliseconds are cut. Pure; any
 * thread.
 */
#ifndef BRIDGE_CODEC_TIMESTAMP_H
#define BRIDGE_CODEC_TIMESTAMP_H

#include <stdbool.h>
#include <stdint.h>

/* Milliseconds since 1970-01-01T00:00:00Z; false when `text` is no such timestamp. */
bool timestamp_parse(const char *text, int64_t *ms);

#endif
