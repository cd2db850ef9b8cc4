/*
 * JSON text without white space, written into a buffer (RFC 8259), of trees as json_parse makes
 * them. Unlike cJSON's printer it refuses what is not UTF-8, escapes what tree_text.h speaks of and
 * writes the digits that json_parse kept. Pure; any thread.
 */
#ifndef BRIDGE_CODEC_JSON_TEXT_H
#define BRIDGE_CODEC_JSON_TEXT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"
#include "bridge/base/buffer.h"
#include "bridge/base/error.h"

/* Arrays and objects inside one another; cJSON's parser allows as many. */
#define JSON_TEXT_DEPTH 1000

/*
 * Appends a value. False with VERDICT_ABORT when a text in it is not UTF-8 or it is nested deeper
 * than JSON_TEXT_DEPTH. A buffer that is full is for the caller to see (`overflowed`).
 */
bool json_text_value(struct buffer *out, const cJSON *value, struct error *error) MUST_CHECK;

/* Appends a string with its quotes; the bytes must be UTF-8, U+0000 being a zero byte. */
void json_text_string(struct buffer *out, const char *text, size_t length);

/* Appends a text of a tree as UTF-8, without quotes; what cannot stand there as an escape such as
 * \ud83d. False with VERDICT_ABORT when it is not UTF-8. */
bool json_text_plain(struct buffer *out, const char *text, struct error *error) MUST_CHECK;

/* Appends a number: an integer as its digits, others with the fewest digits that read back equal.
 */
void json_text_number(struct buffer *out, double number);

#endif
