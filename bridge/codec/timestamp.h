/* Points in time as the API writes them: the ISO 8601 profile of RFC 3339, and a little more. */
#ifndef BRIDGE_CODEC_TIMESTAMP_H
#define BRIDGE_CODEC_TIMESTAMP_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"

/*
 * Reads YYYY-MM-DDThh:mm:ss[.fraction][zone] into milliseconds since 1970-01-01T00:00:00Z. The
 * fraction may have any number of digits and is cut (not rounded) to milliseconds; the zone is Z,
 * +hh:mm, +hhmm, -hh:mm or -hhmm, and none means UTC; a space may stand for T, and a leap second
 * (:60) counts as the first one of the next minute. False when the text is anything else, such as
 * a date alone or a day that does not exist. Pure; any thread.
 */
bool timestamp_parse(const char *text, int64_t *ms) MUST_CHECK;

/* The same of a member of an object; false when it has none, or it is no such text. */
bool timestamp_member(const cJSON *object, const char *name, int64_t *ms) MUST_CHECK;

#endif
