#include "bridge/base/digest.h"

#include <openssl/sha.h>
#include <stdio.h>

const char *digest_sha256(const void *bytes, size_t length, char text[DIGEST_TEXT_SIZE])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    (void)SHA256(bytes, length, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return text;
}
