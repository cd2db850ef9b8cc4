/*
 * A client of a Confluent-compatible schema registry: looks schemas up, has them checked against
 * what is registered, registers them, and remembers their ids. What is compatible is the registry's
 * to say, by the level set there (BACKWARD where nobody set one). Subjects follow
 * TopicNameStrategy: <topic>-value. One thread owns it and holds no lock while it waits.
 * Source: Confluent's Schema Registry API reference.
 *
 * Where a call fails: VERDICT_RETRY: it is away or busy. VERDICT_CONFIGURATION: it refuses, cannot
 * be trusted (TLS) or is no registry.
 */
#ifndef BRIDGE_CODEC_REGISTRY_H
#define BRIDGE_CODEC_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/buffer.h"
#include "bridge/base/error.h"
#include "bridge/codec/schema.h"
#include "bridge/config/config.h"

struct registry;

/* Connects to nothing yet. Takes a copy of what it needs of [registry]. */
struct registry *registry_new(const struct config *config, struct error *error) MUST_CHECK;
void registry_free(struct registry *registry); /* NULL is allowed */

/* The subject of a topic's values. The caller frees it. */
char *registry_subject(const char *topic) MUST_CHECK;

/*
 * The id of this schema under this subject. What is registered already is taken as it is; anything
 * else must be compatible (registry_check) before it is registered: if it is not, this fails with
 * VERDICT_CONFIGURATION and the registry's reason. Asks once a subject, then answers from memory,
 * so that what is known goes on when the registry is away.
 */
bool registry_schema_id(struct registry *registry, const char *subject, const struct schema *schema,
                        uint32_t *id, struct error *error) MUST_CHECK;

/*
 * Whether the schema could be registered as the subject's next version; a subject without versions
 * takes any. Changes nothing there. Appends to `reason` why not, in the registry's words or, where
 * it has none, what differs from the latest version.
 */
bool registry_check(struct registry *registry, const char *subject, const struct schema *schema,
                    bool *compatible, struct buffer *reason, struct error *error) MUST_CHECK;

/* Registers the schema as it is: the registry alone decides. The id of what was there already is
 * the old one. */
bool registry_register(struct registry *registry, const char *subject, const struct schema *schema,
                       uint32_t *id, struct error *error) MUST_CHECK;

struct registry_subject {
    int latest;         /* the subject's latest version; 0 = it has none */
    uint32_t latest_id; /* its id */
    int ours;           /* the version that is this schema; 0 = none is */
};

/* What is registered under the subject. Appends to `difference` what the latest version has other
 * than this schema; nothing when it equals it. */
bool registry_look(struct registry *registry, const char *subject, const struct schema *schema,
                   struct registry_subject *found, struct buffer *difference,
                   struct error *error) MUST_CHECK;

/* The text of the schema with this id, in `*text`, which the caller frees; `*text` is NULL when the
 * registry has none. Asks each time. */
bool registry_schema_text(struct registry *registry, uint32_t id, char **text,
                          struct error *error) MUST_CHECK;

/* Lists the subjects, to see whether the registry answers and knows us. */
bool registry_ping(struct registry *registry, struct error *error) MUST_CHECK;

#endif
