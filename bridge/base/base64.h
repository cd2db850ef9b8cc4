/* Base64 (RFC 4648, the standard alphabet) without padding. Any thread. */
#ifndef BRIDGE_BASE_BASE64_H
#define BRIDGE_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"

/* Characters that `length` bytes take. */
#define BASE64_LENGTH(length) ((length) / 3 * 4 + ((length) % 3 == 0 ? 0 : (length) % 3 + 1))

/* As a text that the caller frees. */
char *base64_text(const void *bytes, size_t length) MUST_CHECK;

/* The bytes of a text, which the caller frees, or NULL when it is none; `*decoded` is their count.
 */
void *base64_bytes(const char *text, size_t length, size_t *decoded) MUST_CHECK;

#endif
