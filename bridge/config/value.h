/*
 * One value of the table: from text to its field, back to text, and what would be right in words.
 * No file is opened here. Any thread.
 */
#ifndef BRIDGE_CONFIG_VALUE_H
#define BRIDGE_CONFIG_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/buffer.h"
#include "bridge/base/error.h"
#include "bridge/config/keys.h"

/* What `config` shows instead of a secret, and what no secret may be. */
#define VALUE_MASK "********"

/*
 * Checks `text` (trimmed, not NULL) and puts it into `field`, freeing what was there. On error the
 * field is as before and `error` says what would be right; it quotes no secret. A secret and a
 * secret's file are only checked: their field is filled from both at the end (secrets.h).
 */
bool value_parse(const struct config_key *key, const char *text, void *field,
                 struct error *error) MUST_CHECK;

/* Frees what the field owns, secrets too. */
void value_free(const struct config_key *key, void *field);

/* Appends the field as value_parse would read it again; `column` bytes stand in its line already.
 * Not for secrets. */
void value_write(const struct config_key *key, const void *field, size_t column,
                 struct buffer *out);

/* Appends what is allowed, without the unit: "100 to 600000", "true, false". */
void value_write_range(const struct config_key *key, struct buffer *out);

/* False with the reason when `text` cannot be a secret of this key: the mask, too short, a control
 * character in it, or no integration's id before it where one is needed. */
bool value_check_secret(const struct config_key *key, const char *text,
                        struct error *error) MUST_CHECK;

#endif
