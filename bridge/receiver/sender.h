/*
 * Sends the spool's events to Kafka, in the order of their sequence numbers, and deletes what Kafka
 * has.
 *
 * Why the order of a key is kept: one idempotent producer sends them, which gives no message up, so
 * nothing overtakes one that waits. When that producer must be replaced, nothing is sent before all
 * that was under way is back and what Kafka has of it is deleted; then it goes on with the first
 * one that failed. A crash between acknowledgement and deletion sends an event twice, in order.
 *
 * What Kafka refuses for its size becomes a dead letter: it would hold up those behind it for ever.
 * Kafka refuses whole batches, so each of a refused one goes again alone, and what was taken after
 * it goes again behind it.
 *
 * Bounds: SENDER_EVENTS and SENDER_BYTES on their way to Kafka. All calls belong to the spool's
 * thread.
 */
#ifndef BRIDGE_RECEIVER_SENDER_H
#define BRIDGE_RECEIVER_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/kafka/message.h"
#include "bridge/kafka/settings.h"
#include "bridge/receiver/spool_file.h"

#define SENDER_EVENTS 8192
#define SENDER_BYTES  ((size_t)8 << 20)

/* Messages of one topic and key have the same lane; few others share it. Any thread. */
#define SENDER_LANES (1U << 16)
unsigned sender_lane(const struct message *message) MUST_CHECK;

struct sender;

struct sender_calls {
    void *context;
    void (*reported)(void *context, bool kept);                   /* on the producer's thread */
    void (*deleted)(void *context, unsigned lane, size_t length); /* Kafka has it, the file not */
    void (*troubled)(void *context, const struct error *error);   /* disk or Kafka refuse */
};

/* Everything given is borrowed for the sender's life. */
struct sender *sender_new(const struct kafka_context *kafka, const char *dead_letters,
                          struct spool_file *file, const struct sender_calls *calls) MUST_CHECK;
void sender_free(struct sender *sender); /* what is under way stays in the file; NULL is allowed */

/* So many events more are in the file. */
void sender_found(struct sender *sender, size_t count);

/* Looks at what was reported; the number of events that it deleted. */
size_t sender_settle(struct sender *sender);

/* Sends what may go: nothing from number `gate` on. True when something waits for the gate, or for
 * room. */
bool sender_feed(struct sender *sender, uint64_t gate);

#endif
