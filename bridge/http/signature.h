/*
 * The sender's signature: `propexo-signature` is the lower-case hex HMAC-SHA256 of the raw body,
 * keyed with the webhook's secret as plain UTF-8 (Propexo's webhook guide). Pure; any thread.
 */
#ifndef BRIDGE_HTTP_SIGNATURE_H
#define BRIDGE_HTTP_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>

#define SIGNATURE_HEADER "propexo-signature"

/* True when `signature` is exactly 64 lower-case hex digits that one of the secrets makes of the
 * body. Every secret is tried and each comparison takes the same time whatever differs. */
bool signature_matches(const char *signature, const char *body, size_t length, char *const *secrets,
                       size_t secret_count);

#endif
