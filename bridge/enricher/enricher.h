/*
 * The enricher: consumes events, fetches what changed, publishes whole records. One loop thread
 * owns all state and waits on Kafka, HTTP and the publisher together; the publisher has a thread of
 * its own.
 */
#ifndef BRIDGE_ENRICHER_ENRICHER_H
#define BRIDGE_ENRICHER_ENRICHER_H

#include <stdbool.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/kafka/settings.h"
#include "bridge/kafka/topics.h"
#include "bridge/propexo/selection.h"

struct enricher;

/* Starts both threads; joining the group goes on in the background and is told by event=assigned.
 * When it must end by itself, it writes 8 bytes to `failure_fd` (an eventfd). Everything given is
 * borrowed. */
struct enricher *enricher_new(const struct kafka_context *kafka, const struct topics *topics,
                              const struct selection *selection, int failure_fd,
                              struct error *error) MUST_CHECK;

/* True when it ended by itself, with the reason. */
bool enricher_failed(const struct enricher *enricher, struct error *error);

/* Starts no more requests, commits what is under way, gives the partitions up; at most about
 * `timeout_ms`. What still waited is taken in again by the next owner, from the committed offsets.
 */
void enricher_drain(struct enricher *enricher, int timeout_ms);

/* Ends it, at once when it was not drained. NULL is allowed. */
void enricher_free(struct enricher *enricher);

#endif
