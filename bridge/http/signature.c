#include "bridge/http/signature.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/base64.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/text.h"

#define DIGEST_BYTES 32
#define KEY_LEAST    16

/* Digits of a moment that is believed: up to the year 5138. */
#define TIME_DIGITS 11

struct signature_key {
    EVP_MAC_CTX *context; /* HMAC-SHA256 with the key in it */
};

static EVP_MAC_CTX *open_context(const void *bytes, size_t length)
{
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_END};
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
    EVP_MAC_CTX *context = hmac == NULL ? NULL : EVP_MAC_CTX_new(hmac);
    EVP_MAC_free(hmac); /* the context has a reference of its own */
    if (context != NULL && EVP_MAC_init(context, bytes, length, parameters) == 1)
        return context;
    log_error("out_of_memory", LOG_TEXT("in", "a signature's key"));
    abort();
}

void signature_keys_add(struct signature_keys *keys, const void *bytes, size_t length)
{
    struct signature_key *key = memory_new(1, sizeof *key);
    key->context = open_context(bytes, length);
    keys->items = memory_grow(keys->items, keys->count + 1, sizeof(struct signature_key *));
    keys->items[keys->count++] = key;
}

bool signature_keys_add_standard(struct signature_keys *keys, const char *secret)
{
    size_t prefix = strlen(SIGNATURE_KEY_PREFIX);
    size_t decoded = 0;
    if (strncmp(secret, SIGNATURE_KEY_PREFIX, prefix) != 0)
        return false;
    const char *text = secret + prefix;
    size_t length = strlen(text);
    for (int padding = 0; padding < 2 && length > 0 && text[length - 1] == '='; padding++)
        length--;
    unsigned char *bytes = base64_bytes(text, length, &decoded);
    bool ok = bytes != NULL && decoded >= KEY_LEAST;
    if (ok)
        signature_keys_add(keys, bytes, decoded);
    free(bytes);
    return ok;
}

void signature_keys_free(struct signature_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        EVP_MAC_CTX_free(keys->items[i]->context);
        free(keys->items[i]);
    }
    free(keys->items);
    *keys = (struct signature_keys){0};
}

/* Without a key told again, the one that it has stays. */
static bool sign(const struct signature_key *key, const char *bytes, size_t length,
                 unsigned char digest[DIGEST_BYTES])
{
    size_t made = 0;
    return EVP_MAC_init(key->context, NULL, 0, NULL) == 1 &&
           EVP_MAC_update(key->context, (const unsigned char *)bytes, length) == 1 &&
           EVP_MAC_final(key->context, digest, &made, DIGEST_BYTES) == 1 && made == DIGEST_BYTES;
}

bool signature_matches(const char *signature, const char *body, size_t length,
                       const struct signature_keys *keys)
{
    bool matches = false;
    if (strlen(signature) != 2 * DIGEST_BYTES)
        return false;
    for (size_t i = 0; i < keys->count; i++) {
        unsigned char digest[DIGEST_BYTES];
        char hex[2 * DIGEST_BYTES];
        if (!sign(keys->items[i], body, length, digest))
            continue;
        text_hex_bytes(digest, sizeof digest, hex);
        matches |= CRYPTO_memcmp(hex, signature, sizeof hex) == 0;
    }
    return matches;
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
                                size_t length, const struct signature_keys *keys)
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
    for (size_t i = 0; i < keys->count; i++) {
        unsigned char made[DIGEST_BYTES];
        if (!sign(keys->items[i], content, head + length, made))
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

static bool make(const void *key, size_t key_length, const char *bytes, size_t length,
                 unsigned char digest[EVP_MAX_MD_SIZE])
{
    unsigned int made = 0;
    return HMAC(EVP_sha256(), key, (int)key_length, (const unsigned char *)bytes, length, digest,
                &made) != NULL &&
           made == DIGEST_BYTES;
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
