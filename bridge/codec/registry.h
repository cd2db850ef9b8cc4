/*
 * A client of a Confluent-compatible schema registry: registers a schema under its subject (which
 * answers the old id when it is there already) and remembers the id. Subjects follow
 * TopicNameStrategy: <topic>-value. One thread owns it and holds no lock while it waits.
 * Source: Confluent's Schema Registry API reference.
 */
#ifndef BRIDGE_CODEC_REGISTRY_H
#define BRIDGE_CODEC_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/codec/schema.h"
#include "bridge/config/config.h"

struct registry;

/* Connects to nothing yet. Takes a copy of what it needs of [registry]. */
struct registry *registry_new(const struct config *config, struct error *error) MUST_CHECK;
void registry_free(struct registry *registry); /* NULL is allowed */

/*
 * The id of this schema under this subject. Asks once a subject, then answers from memory, so that
 * what is known goes on when the registry is away. VERDICT_RETRY: it is away or busy.
 * VERDICT_CONFIGURATION: it refuses (an incompatible schema, no right) or is no registry.
 */
bool registry_schema_id(struct registry *registry, const char *subject, const struct schema *schema,
                        uint32_t *id, struct error *error) MUST_CHECK;

/* Lists the subjects, to see whether the registry answers and knows us. */
bool registry_ping(struct registry *registry, struct error *error) MUST_CHECK;

#endif
