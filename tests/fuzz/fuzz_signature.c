/* Headers that vouch for a body: nothing but what a secret makes is taken. */
#include "tests/fuzz/fuzz.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "bridge/http/guard.h"
#include "bridge/http/signature.h"

#define SECRET "the secret of the fuzzed"
#define DIGEST 32

static void digest_of(const char *bytes, size_t length, unsigned char digest[EVP_MAX_MD_SIZE])
{
    unsigned made = 0;
    CHECK(HMAC(EVP_sha256(), SECRET, (int)strlen(SECRET), (const unsigned char *)bytes, length,
               digest, &made) != NULL);
    CHECK(made == DIGEST);
}

static void check_propexo(const char *told, const char *body, size_t length)
{
    static struct signature_keys other;
    static struct signature_keys both;
    unsigned char digest[EVP_MAX_MD_SIZE];
    char hex[2 * DIGEST + 1];
    digest_of(body, length, digest);
    for (size_t i = 0; i < DIGEST; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    if (both.count == 0) {
        signature_keys_add(&other, "another secret", strlen("another secret"));
        signature_keys_add(&both, "another secret", strlen("another secret"));
        signature_keys_add(&both, SECRET, strlen(SECRET));
    }
    CHECK(signature_matches(told, body, length, &both) == (strcmp(told, hex) == 0));
    CHECK(signature_matches(hex, body, length, &both));
    CHECK(!signature_matches(hex, body, length, &other));
}

static void check_standard(const char *id, const char *timestamp, const char *told,
                           const char *body, size_t length)
{
    static struct signature_keys keys;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char text[64];
    size_t size = strlen(id) + strlen(timestamp) + 2 + length;
    char *content = malloc(size + 1);
    CHECK(content != NULL);
    int head = sprintf(content, "%s.%s.", id, timestamp);
    if (length > 0)
        memcpy(content + head, body, length);
    if (keys.count == 0)
        signature_keys_add(&keys, SECRET, strlen(SECRET));
    digest_of(content, size, digest);
    (void)EVP_EncodeBlock(text, digest, DIGEST);
    char *right = memory_format("v1,%s", (const char *)text);
    struct signature_standard one = {id, timestamp, right};
    CHECK(signature_standard_matches(&one, body, length, &keys));
    struct signature_standard fuzzed = {id, timestamp, told};
    /* Of the 43 characters the last has two bits that mean nothing. */
    bool there = strstr(told, "v1,") != NULL && memmem(told, strlen(told), text, 42) != NULL;
    CHECK(there || !signature_standard_matches(&fuzzed, body, length, &keys));
    free(right);
    free(content);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    char *told = take_line(&input);
    char *id = take_line(&input);
    char *timestamp = take_line(&input);
    size_t length = 0;
    char *body = take_rest(&input, &length);
    char *secrets[] = {(char[]){SECRET}};
    struct signature_keys read = {0};
    check_propexo(told, body, length);
    check_standard(id, timestamp, told, body, length);
    CHECK(signature_token_matches(told, secrets, 1) == (strcmp(told, SECRET) == 0));
    if (signature_is_recent(timestamp, 1000000, 300))
        CHECK(strtol(timestamp, NULL, 10) >= 999700 && strtol(timestamp, NULL, 10) <= 1000300);
    if (signature_keys_add_standard(&read, told))
        CHECK(strlen(told) >= 6 + 16 * 4 / 3 && strncmp(told, "whsec_", 6) == 0);
    signature_keys_free(&read);
    if (guard_header(id, strlen(id), told, strlen(told)))
        CHECK(strpbrk(told, "\r\n\v\x7f") == NULL && strpbrk(id, ": \t\r\n") == NULL);
    free(body);
    free(timestamp);
    free(id);
    free(told);
    return 0;
}
