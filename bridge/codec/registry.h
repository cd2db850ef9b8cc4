/*
 * A client of a Confluent-compatible schema registry: registers a schema under its subject and
 * remembers the id. Subjects follow TopicNameStrategy: <topic>-value. One thread owns it; no lock
 * is held while it waits.
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

/* Connects to nothing yet. `config` is borrowed. */
struct registry *registry_new(const struct config *config, struct error *error) MUST_CHECK;
void registry_free(struct registry *registry); /* NULL is allowed */

/* The id of this schema under this subject; asks once a subject, then answers from memory.
 * VERDICT_RETRY: the registry is away or busy. VERDICT_CONFIGURATION: it refuses (incompatible
 * schema, no right). */
bool registry_schema_id(struct registry *registry, const char *subject,
                        const struct schema *schema, uint32_t *id,
                        struct error *error) MUST_CHECK;

/* Asks for something harmless, to see whether the registry answers and knows us. */
bool registry_ping(struct registry *registry, struct error *error) MUST_CHECK;

#endif
