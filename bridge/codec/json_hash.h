/*
 * A hash of a JSON value: equal values have equal hashes, and the members of an object count in any
 * order. For telling whether a value is the one seen before without keeping it. Not keyed: only for
 * values that came signed. Pure; any thread.
 */
#ifndef BRIDGE_CODEC_JSON_HASH_H
#define BRIDGE_CODEC_JSON_HASH_H

#include <cjson/cJSON.h>
#include <stdint.h>

/* Never 0. The depth is bounded by the parser's. NULL counts as the absence of a value. */
uint64_t json_hash(const cJSON *value);

#endif
