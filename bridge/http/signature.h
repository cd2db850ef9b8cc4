/*
 * How senders vouch for a body. No I/O. What is compared takes the same time whatever differs, and
 * every key is tried. A key is made ready once, and used for every body: so by one thread at a
 * time.
 *
 * - Propexo: `propexo-signature` is the lower-case hex HMAC-SHA256 of the raw body, keyed with the
 *   webhook's secret as plain UTF-8 (Propexo's webhook guide).
 * - Standard Webhooks 1.0 (standardwebhooks.com; Svix has the same under other names): the base64
 *   HMAC-SHA256 of "id.timestamp.body", keyed with the bytes behind `whsec_`, as `v1,...` in a list
 *   of signatures with spaces between.
 * - A token: the secret itself.
 */
#ifndef BRIDGE_HTTP_SIGNATURE_H
#define BRIDGE_HTTP_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/config/config.h"

#define SIGNATURE_HEADER     "propexo-signature"
#define SIGNATURE_KEY_PREFIX CONFIG_STANDARD_PREFIX

/* Signatures of one header that are looked at: a sender sends as many as it has secrets. */
#define SIGNATURE_MOST 16

struct signature_key;

/* Zeroed: none. */
struct signature_keys {
    struct signature_key **items;
    size_t count;
};

/* Adds the key that is these bytes, of which a copy is taken. */
void signature_keys_add(struct signature_keys *keys, const void *bytes, size_t length);

/* Adds the key that a text `whsec_` and base64 stands for. False when it is none, or of less than
 * 16 bytes. */
bool signature_keys_add_standard(struct signature_keys *keys, const char *secret) MUST_CHECK;

/* Frees them, and forgets what they were. */
void signature_keys_free(struct signature_keys *keys);

/* True when `signature` is exactly 64 lower-case hex digits that one of the keys makes of the body.
 */
bool signature_matches(const char *signature, const char *body, size_t length,
                       const struct signature_keys *keys) MUST_CHECK;

struct signature_standard {
    const char *id;
    const char *timestamp;  /* seconds since 1970 */
    const char *signatures; /* "v1,BASE64 v1,BASE64 v1a,..." */
};

/* True when one of the first SIGNATURE_MOST signatures is one that a key makes. Says nothing of
 * the time. */
bool signature_standard_matches(const struct signature_standard *told, const char *body,
                                size_t length, const struct signature_keys *keys) MUST_CHECK;

/* True when `timestamp`, decimal digits alone, is within `tolerance_s` seconds of `wall_s`. */
bool signature_is_recent(const char *timestamp, int64_t wall_s, int64_t tolerance_s) MUST_CHECK;

/* True when `token` is one of the secrets, byte for byte. Any thread. */
bool signature_token_matches(const char *token, char *const *secrets,
                             size_t secret_count) MUST_CHECK;

#endif
