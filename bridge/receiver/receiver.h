/*
 * The receiver: HTTP server, decision and producer put together.
 *
 * Why nothing accepted is lost here: 200 is written in one place, for a request whose message was
 * reported KEPT, that is acknowledged by all in-sync replicas. Every other end of a message leads
 * to 503, and Propexo sends again. The order of webhooks is not kept between requests that wait at
 * the same time, and need not be: an event only says that a record changed, its state is fetched
 * later.
 *
 * It needs Kafka alone; it keeps no state. Threads: the server's loop and the producer's; a request
 * sleeps between them without a thread.
 */
#ifndef BRIDGE_RECEIVER_RECEIVER_H
#define BRIDGE_RECEIVER_RECEIVER_H

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/config/config.h"
#include "bridge/kafka/settings.h"
#include "bridge/kafka/topics.h"
#include "bridge/propexo/selection.h"

struct receiver;

/* Starts and is warm when it returns. Everything given is borrowed for the receiver's life. */
struct receiver *receiver_new(const struct kafka_context *kafka, const struct topics *topics,
                              const struct selection *selection, struct error *error) MUST_CHECK;

/* host:port as bound. */
const char *receiver_address(const struct receiver *receiver);

/* Takes no new connections and answers what waits, for at most `timeout_ms`. */
void receiver_drain(struct receiver *receiver, int timeout_ms);

/* Ends it; what still waits gets 503. NULL is allowed. */
void receiver_free(struct receiver *receiver);

#endif
