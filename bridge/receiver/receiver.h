/*
 * The receiver: HTTP server, decision and producer put together.
 *
 * Why nothing accepted is lost here: 200 is written in one place, for a request of which every
 * message was reported KEPT: acknowledged by all in-sync replicas, or synced in the spool
 * (keeper.h). Every other end of a message leads to 503, and Propexo sends again. The order of
 * webhooks is not kept between requests that wait at the same time, and need not be: an event only
 * says that a record changed, its state is fetched later.
 *
 * It needs Kafka alone, to start; it keeps no state but the spool. Threads: the server's loop, the
 * producer's, and with a spool that one's and its producer's; a request sleeps between them without
 * a thread.
 */
#ifndef BRIDGE_RECEIVER_RECEIVER_H
#define BRIDGE_RECEIVER_RECEIVER_H

#include <stdbool.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/config/config.h"
#include "bridge/kafka/settings.h"
#include "bridge/kafka/topics.h"
#include "bridge/propexo/selection.h"

struct receiver;

/* Looks at what an earlier process has left in the spool; before the process has a second thread.
 * False with VERDICT_CONFIGURATION when that is not whole, or not ours. */
bool receiver_check(const struct config *config, struct error *error) MUST_CHECK;

/* Starts and is warm when it returns. Everything given is borrowed for the receiver's life. */
struct receiver *receiver_new(const struct kafka_context *kafka, const struct topics *topics,
                              const struct selection *selection, struct error *error) MUST_CHECK;

/* host:port as bound. */
const char *receiver_address(const struct receiver *receiver);

/* A receiver that could not keep a webhook is not ready, so that senders who have a choice take
 * another one; this makes it ready again when that is 10 s ago, since only a webhook can show
 * whether it is well. The service's thread, about once a second. */
void receiver_tend(struct receiver *receiver);

/* True when a file of secrets or of TLS has changed since the start, or since the last such answer.
 * The service's thread, about once a second. */
bool receiver_has_news(struct receiver *receiver) MUST_CHECK;

/* Reads the files of secrets and of TLS again; requests, and handshakes, that come from then on are
 * held against what they say. False with VERDICT_CONFIGURATION when some cannot be used: then those
 * before stay in force in their place. The service's thread. */
bool receiver_reload(struct receiver *receiver, struct error *error) MUST_CHECK;

/* Takes no new connections and answers what waits, for at most `timeout_ms`. */
void receiver_drain(struct receiver *receiver, int timeout_ms);

/* Ends it; what still waits gets 503. NULL is allowed. */
void receiver_free(struct receiver *receiver);

#endif
