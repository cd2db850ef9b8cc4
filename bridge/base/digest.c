#include "bridge/base/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/base/text.h"

struct digest {
    EVP_MD_CTX *context;
};

/* SHA-256 is always there, and its calls fail for lack of memory alone. */
static void check(int done)
{
    if (done != 1)
        abort();
}

struct digest *digest_new(void)
{
    struct digest *digest = memory_new(1, sizeof *digest);
    digest->context = EVP_MD_CTX_new();
    check(digest->context != NULL && EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) == 1);
    return digest;
}

void digest_add(struct digest *digest, const void *bytes, size_t length)
{
    check(EVP_DigestUpdate(digest->context, bytes, length));
}

static const char *write_hex(const unsigned char *bytes, size_t length, char *text)
{
    text_hex_bytes(bytes, length, text);
    text[2 * length] = '\0';
    return text;
}

const char *digest_hmac(const char *key, const void *bytes, size_t length,
                        char text[DIGEST_TEXT_SIZE])
{
    unsigned char made[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    check(HMAC(EVP_sha256(), key, (int)strlen(key), bytes, length, made, &size) != NULL);
    return write_hex(made, size, text);
}

const char *digest_end(struct digest *digest, char text[DIGEST_TEXT_SIZE])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    check(EVP_DigestFinal_ex(digest->context, bytes, &length));
    return write_hex(bytes, length, text);
}

void digest_free(struct digest *digest)
{
    if (digest == NULL)
        return;
    EVP_MD_CTX_free(digest->context);
    free(digest);
}

const char *digest_sha256(const void *bytes, size_t length, char text[DIGEST_TEXT_SIZE])
{
    struct digest *digest = digest_new();
    digest_add(digest, bytes, length);
    (void)digest_end(digest, text);
    digest_free(digest);
    return text;
}

uint64_t digest_short(const void *bytes, size_t length)
{
    unsigned char whole[EVP_MAX_MD_SIZE];
    uint64_t number = 0;
    check(EVP_Digest(bytes, length, whole, NULL, EVP_sha256(), NULL));
    for (size_t i = 0; i < sizeof number; i++)
        number = number << 8 | whole[i];
    return number;
}
