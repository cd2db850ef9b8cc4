/*
 * Which events an assembled record has seen, kept in its state: digests while they are few, then a
 * filter of fixed size. It never forgets one; it may take a new one for an old one, the more often
 * the fuller it is, which costs a question to the API and is never wrong. Pure; one thread.
 */
#ifndef BRIDGE_ENRICHER_SEEN_H
#define BRIDGE_ENRICHER_SEEN_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"

/* `state` is the JSON object whose members `seen` and `seen_filter` this keeps. At most `most`
 * digests stand in it. */
bool seen_has(const cJSON *state, uint64_t digest) MUST_CHECK;
void seen_add(cJSON *state, uint64_t digest, int most);

#endif
