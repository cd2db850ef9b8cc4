/*
 * Tokens for SASL OAUTHBEARER from an OpenID Connect provider, by client id and secret (RFC 6749,
 * 4.4), under the names that librdkafka has for it: `sasl.oauthbearer.method = oidc` and what goes
 * with it. librdkafka can do so itself only where it was built with libcurl, and Debian's was not;
 * this way it works with any, and whom the secret goes to is verified as everywhere
 * (http/client.h), where the endpoint is https: one that is not is logged
 * (event=kafka_token_in_clear).
 *
 * librdkafka asks for a token when a handle begins and at four fifths of each one's life, on its
 * background thread, so that nobody has to poll; it asks again after 10 s when none came. A request
 * takes 10 s at most.
 */
#ifndef BRIDGE_KAFKA_OAUTH_H
#define BRIDGE_KAFKA_OAUTH_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/config/config.h"

/* Whether the configuration asks for it. */
bool oauth_is_wanted(const struct config *config);

/* Whether a property is for this room, and not for librdkafka, when it is wanted. */
bool oauth_takes(const char *property) MUST_CHECK;

/* Sets up `settings` for it. False with VERDICT_CONFIGURATION when something is missing, or is told
 * for one side only. */
bool oauth_configure(rd_kafka_conf_t *settings, const struct config *config,
                     struct error *error) MUST_CHECK;

/* To be called once for a new handle, whatever its settings. */
bool oauth_begin(rd_kafka_t *handle, struct error *error) MUST_CHECK;

#endif
