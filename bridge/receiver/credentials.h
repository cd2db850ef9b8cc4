/*
 * Who may send: the secrets, by sender profile and by integration, and whether a request shows that
 * it knows one. Immutable once made, so that any thread may read it; new secrets are a new one.
 *
 * Fails closed. A request is vouched for by a profile in force, with each of the profile's headers
 * exactly once; nothing else counts. An integration that has secrets of its own is written to at
 * /webhooks/<integration_id> with one of these alone, and such a secret vouches for no other
 * integration, whatever the body says (ingest.h). A general secret vouches for all integrations,
 * but at the path of one that has its own.
 *
 * With `receiver.allow_unsigned` and no secret anybody may send.
 */
#ifndef BRIDGE_RECEIVER_CREDENTIALS_H
#define BRIDGE_RECEIVER_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/config/config.h"

struct credentials;

/* What requests are looked through for. */
enum credential_header {
    CREDENTIAL_PROPEXO,
    CREDENTIAL_ID,
    CREDENTIAL_TIMESTAMP,
    CREDENTIAL_SIGNATURES,
    CREDENTIAL_SVIX_ID,
    CREDENTIAL_SVIX_TIMESTAMP,
    CREDENTIAL_SVIX_SIGNATURES,
    CREDENTIAL_TOKEN,
    CREDENTIAL_HEADERS
};

struct credential_seen {
    const char *value; /* of the first one */
    size_t count;
};

/* A request, as far as it matters here. Texts are borrowed. */
struct credential_request {
    struct credential_seen headers[CREDENTIAL_HEADERS];
    const char *body;
    size_t length;
    const char *integration_id; /* of the path; NULL: none */
    int64_t wall_ms;
};

/* From the configuration's rules and these secrets (config_secrets). NULL with
 * VERDICT_CONFIGURATION when a profile would have no secret, or a secret cannot be one of its
 * profile. Everything is copied. */
struct credentials *credentials_new(const struct config *config,
                                    const struct config_secrets *secrets,
                                    struct error *error) MUST_CHECK;
void credentials_free(struct credentials *credentials); /* NULL is allowed */

/* The name of a header; case does not matter. */
const char *credentials_header(const struct credentials *credentials,
                               enum credential_header header);

enum credential {
    CREDENTIAL_NONE,        /* nobody vouches for it */
    CREDENTIAL_GENERAL,     /* for whatever it says */
    CREDENTIAL_INTEGRATION, /* for the path's integration alone */
};

/* `*reason` is a word for the log when nobody does. */
enum credential credentials_check(const struct credentials *credentials,
                                  const struct credential_request *request, const char **reason);

#endif
