/* SHA-256 (FIPS 180-4) as lower-case hex. Any thread. */
#ifndef BRIDGE_BASE_DIGEST_H
#define BRIDGE_BASE_DIGEST_H

#include <stddef.h>

#include "bridge/base/attributes.h"

#define DIGEST_TEXT_SIZE 65

/* Returns `text`. */
const char *digest_sha256(const void *bytes, size_t length, char text[DIGEST_TEXT_SIZE]);

/* The same of bytes that come in parts: new, add, end. One owner. */
struct digest;

struct digest *digest_new(void) MUST_CHECK;
void digest_add(struct digest *digest, const void *bytes, size_t length);

/* Returns `text`; nothing may be added afterwards. */
const char *digest_end(struct digest *digest, char text[DIGEST_TEXT_SIZE]);
void digest_free(struct digest *digest); /* NULL is allowed */

#endif
