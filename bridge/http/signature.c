#include "bridge/http/signature.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/base64.h"
#include "bridge/base/memory.h"

#define DIGEST_BYTES 32
#define KEY_LEAST    16

/* Digits of a moment that is believed: up to the year 5138. */
#define TIME_DIGITS 11

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

static bool make(const void *key, size_t key_length, const char *bytes, size_t length,
                 unsigned char digest[EVP_MAX_MD_SIZE])
{
    unsigned int made = 0;
    return HMAC(EVP_sha256(), key, (int)key_length, (const unsigned char *)bytes, length, digest,
                &made) != NULL &&
           made == DIGEST_BYTES;
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
        if (make(secrets[i], strlen(secrets[i]), body, length, made))
            matches |= CRYPTO_memcmp(made, told, DIGEST_BYTES) == 0;
    }
    return matches;
}

bool signature_key_read(const char *secret, struct signature_key *key)
{
    size_t prefix = strlen(SIGNATURE_KEY_PREFIX);
    size_t decoded = 0;
    *key = (struct signature_key){0};
    if (strncmp(secret, SIGNATURE_KEY_PREFIX, prefix) != 0)
        return false;
    const char *text = secret + prefix;
    size_t length = strlen(text);
    for (int padding = 0; padding < 2 && length > 0 && text[length - 1] == '='; padding++)
        length--;
    unsigned char *bytes = base64_bytes(text, length, &decoded);
    if (bytes == NULL || decoded < KEY_LEAST) {
        free(bytes);
        return false;
    }
    *key = (struct signature_key){bytes, decoded};
    return true;
}

struct told {
    unsigned char digests[SIGNATURE_MOST][DIGEST_BYTES];
    size_t count;
};

/* "v1," and the base64 of a digest, padded as the standard has it. Others are passed over: they
 * are of another version. */
static void read_one(struct told *told, const char *text, size_t length)
{
    size_t decoded = 0;
    if (length != strlen("v1,") + BASE64_LENGTH(DIGEST_BYTES) + 1 || strncmp(text, "v1,", 3) != 0 ||
        text[length - 1] != '=')
        return;
    unsigned char *bytes = base64_bytes(text + 3, length - 4, &decoded);
    if (bytes != NULL && decoded == DIGEST_BYTES)
        memcpy(told->digests[told->count++], bytes, DIGEST_BYTES);
    free(bytes);
}

static struct told read_told(const char *signatures)
{
    struct told told = {.count = 0};
    const char *text = signatures;
    for (int i = 0; i < SIGNATURE_MOST && *text != '\0'; i++) {
        size_t length = strcspn(text, " ");
        read_one(&told, text, length);
        text += length;
        text += *text == ' ';
    }
    return told;
}

bool signature_standard_matches(const struct signature_standard *told, const char *body,
                                size_t length, const struct signature_key *keys, size_t key_count)
{
    struct told list = read_told(told->signatures);
    size_t head = strlen(told->id) + 1 + strlen(told->timestamp) + 1;
    bool matches = false;
    if (list.count == 0)
        return false;
    char *content = memory_bytes(head + length + 1);
    char *end = stpcpy(stpcpy(stpcpy(stpcpy(content, told->id), "."), told->timestamp), ".");
    if (length > 0)
        memcpy(end, body, length);
    for (size_t i = 0; i < key_count; i++) {
        unsigned char made[EVP_MAX_MD_SIZE];
        if (!make(keys[i].bytes, keys[i].length, content, head + length, made))
            continue;
        for (size_t s = 0; s < list.count; s++)
            matches |= CRYPTO_memcmp(made, list.digests[s], DIGEST_BYTES) == 0;
    }
    free(content);
    return matches;
}

bool signature_is_recent(const char *timestamp, int64_t wall_s, int64_t tolerance_s)
{
    size_t length = strlen(timestamp);
    if (length == 0 || length > TIME_DIGITS || strspn(timestamp, "0123456789") != length)
        return false;
    int64_t told_s = strtoll(timestamp, NULL, 10);
    return told_s >= wall_s - tolerance_s && told_s <= wall_s + tolerance_s;
}

/* Digests are compared, which are of one length: that of a secret does not show. */
bool signature_token_matches(const char *token, char *const *secrets, size_t secret_count)
{
    static const char key[] = "token";
    unsigned char told[EVP_MAX_MD_SIZE];
    bool matches = false;
    if (!make(key, sizeof key, token, strlen(token), told))
        return false;
    for (size_t i = 0; i < secret_count; i++) {
        unsigned char made[EVP_MAX_MD_SIZE];
        if (make(key, sizeof key, secrets[i], strlen(secrets[i]), made))
            matches |= CRYPTO_memcmp(made, told, DIGEST_BYTES) == 0;
    }
    return matches;
}
