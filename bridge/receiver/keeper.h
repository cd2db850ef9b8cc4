/*
 * Sees to it that a message is kept, by Kafka or by the spool, and says once which.
 *
 * Without a spool: what Kafka does not acknowledge is not kept. With one, a message that Kafka does
 * not acknowledge within receiver.spool_after_ms goes to the spool, and so does what comes after it
 * with the same topic and key, until the spool has none of these any more. When Kafka has
 * acknowledged nothing for that time, everything goes there at once for a while.
 *
 * Why the order of a key is kept. Each message has a number from its arrival. One that finds others
 * of its lane (its topic and key) in the spool goes behind them; one of a spool that is nearly
 * empty waits in memory until its lane is, so that this ends under load too. The spool sends no
 * number from the first one on that is still open, under way to Kafka or waiting, so what fails
 * late is not overtaken by what came after it. And a message that Kafka has taken while an earlier
 * one of its lane went to the spool goes to the spool as well: it is stored twice, the second time
 * in its turn.
 *
 * Locks: one, around lists and counters; the spool's and the producer's may be taken under it, and
 * never the other way round.
 */
#ifndef BRIDGE_RECEIVER_KEEPER_H
#define BRIDGE_RECEIVER_KEEPER_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/kafka/message.h"
#include "bridge/kafka/settings.h"
#include "bridge/kafka/topics.h"

struct keeper;

enum keeper_outcome {
    KEEPER_KEPT,        /* acknowledged by Kafka, or synced in the spool */
    KEEPER_UNAVAILABLE, /* neither */
    KEEPER_REFUSED,     /* Kafka will never take it */
};

/* Any thread, also the caller's in keeper_keep and keeper_serve; once for each message. Must not
 * block. `reason` is NULL when kept. */
typedef void keeper_done(void *opaque, enum keeper_outcome outcome, const char *reason);

/* Opens the spool, where one is configured, and a producer that is warm when it returns. Everything
 * given is borrowed for the keeper's life. */
struct keeper *keeper_new(const struct kafka_context *kafka, const struct topics *topics,
                          keeper_done *done, struct error *error) MUST_CHECK;

/* Takes a copy of the message. One thread at a time. */
void keeper_keep(struct keeper *keeper, const struct message *message, void *opaque);

/* Kafka's reports are told in keeper_serve, which is to be called when keeper_fd is readable: what
 * keeper_keep allocates is freed on the same thread then. */
int keeper_fd(const struct keeper *keeper) MUST_CHECK;
void keeper_serve(struct keeper *keeper);

/* True while the spool sends what it holds and Kafka takes it. */
bool keeper_is_sending(struct keeper *keeper) MUST_CHECK;

/* Everything that is open ends, in the spool where there is one; later messages are UNAVAILABLE.
 * NULL is allowed. */
void keeper_close(struct keeper *keeper);
void keeper_free(struct keeper *keeper);

#endif
