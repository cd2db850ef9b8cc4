/* SHA-256 (FIPS 180-4) and HMAC with it (RFC 2104). Any thread. */
#ifndef BRIDGE_BASE_DIGEST_H
#define BRIDGE_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"

#define DIGEST_TEXT_SIZE 65

/* As lower-case hex. Returns `text`. */
const char *digest_sha256(const void *bytes, size_t length, char text[DIGEST_TEXT_SIZE]);

/* The keyed one, as lower-case hex. Returns `text`. */
const char *digest_hmac(const char *key, const void *bytes, size_t length,
                        char text[DIGEST_TEXT_SIZE]);

/* Its first eight bytes, big-endian: enough to tell spoilt bytes from whole ones. */
uint64_t digest_short(const void *bytes, size_t length) MUST_CHECK;

/* As hex, of bytes that come in parts: new, add, end. One owner. */
struct digest;

struct digest *digest_new(void) MUST_CHECK;
void digest_add(struct digest *digest, const void *bytes, size_t length);

/* Returns `text`; nothing may be added afterwards. */
const char *digest_end(struct digest *digest, char text[DIGEST_TEXT_SIZE]);
void digest_free(struct digest *digest); /* NULL is allowed */

#endif
