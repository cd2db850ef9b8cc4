/* SHA-256 (FIPS 180-4) as lower-case hex. Any thread. */
#ifndef BRIDGE_BASE_DIGEST_H
#define BRIDGE_BASE_DIGEST_H

#include <stddef.h>

#define DIGEST_TEXT_SIZE 65

/* Returns `text`. */
const char *digest_sha256(const void *bytes, size_t length, char text[DIGEST_TEXT_SIZE]);

#endif
