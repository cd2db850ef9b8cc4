/*
 * Reads single messages again by partition and offset, outside any group: the bytes of an event
 * that becomes a dead letter or is forwarded. Rare work, so that no body need be kept in memory for
 * it. One thread; calls wait.
 */
#ifndef BRIDGE_KAFKA_REREAD_H
#define BRIDGE_KAFKA_REREAD_H

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/kafka/settings.h"

struct reread;

struct reread *reread_new(const struct kafka_context *kafka) MUST_CHECK;
void reread_free(struct reread *reread); /* NULL is allowed */

/*
 * The message at this place. True with `*message` (the caller destroys it), or with NULL when the
 * topic no longer holds it. False with VERDICT_RETRY when Kafka did not answer or `*cancel` became
 * true. Asking for rising offsets of one partition is cheap; going back costs a new fetch.
 */
bool reread_get(struct reread *reread, const char *topic, int partition, int64_t offset,
                const atomic_bool *cancel, rd_kafka_message_t **message,
                struct error *error) MUST_CHECK;

#endif
