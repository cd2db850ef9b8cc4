/*
 * JSON text (RFC 8259) to a cJSON tree, with what cJSON 1.7 would lose on the way:
 *
 * - It ends a text at \u0000 and refuses all of a text with half of a surrogate pair (which a
 *   program that cuts texts in the middle of an emoji writes): both stay, as tree_text.h says.
 * - It rounds what a double does not hold: a number from 2^53 on keeps its digits in `valuestring`.
 *
 * A name that comes twice in an object is kept twice; the last one counts. Pure; any thread.
 */
#ifndef BRIDGE_CODEC_JSON_PARSE_H
#define BRIDGE_CODEC_JSON_PARSE_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"

/* The caller deletes the tree. NULL when the text is not one JSON value with nothing but white
 * space around it, or is nested deeper than CJSON_NESTING_LIMIT. Texts that are not UTF-8 are let
 * through: whoever writes them out checks. */
cJSON *json_parse(const char *text, size_t length) MUST_CHECK;

/* The same, for a tree of which nothing is kept for long: it lies in blocks (json_memory.h). */
cJSON *json_parse_brief(const char *text, size_t length) MUST_CHECK;

/* The member that counts: the last one of that name. NULL when there is none, or no object. */
cJSON *json_member(const cJSON *object, const char *name);

/* Its text; NULL when it is no string or is not there. Lives as long as the tree. */
const char *json_member_text(const cJSON *object, const char *name);

/* Its number, cut to an integer; 0 when it is no number, is not there, or is larger than a double
 * holds exactly. */
int64_t json_member_integer(const cJSON *object, const char *name);

#endif
