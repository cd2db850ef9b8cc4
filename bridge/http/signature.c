#include "bridge/http/signature.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define DIGEST_BYTES 32

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode(const char *hex, unsigned char digest[DIGEST_BYTES])
{
    if (strlen(hex) != 2 * DIGEST_BYTES)
        return false;
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        int high = nibble(hex[2 * i]);
        int low = nibble(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        digest[i] = (unsigned char)(high * 16 + low);
    }
    return true;
}

bool signature_matches(const char *signature, const char *body, size_t length, char *const *secrets,
                       size_t secret_count)
{
    unsigned char told[DIGEST_BYTES];
    bool matches = false;
    if (!decode(signature, told))
        return false;
    for (size_t i = 0; i < secret_count; i++) {
        unsigned char made[EVP_MAX_MD_SIZE];
        unsigned int made_length = 0;
        const unsigned char *bytes = (const unsigned char *)body;
        if (HMAC(EVP_sha256(), secrets[i], (int)strlen(secrets[i]), bytes, length, made,
                 &made_length) != NULL &&
            made_length == DIGEST_BYTES)
            matches |= CRYPTO_memcmp(made, told, DIGEST_BYTES) == 0;
    }
    return matches;
}
