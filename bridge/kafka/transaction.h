/*
 * The transactional producer: a batch of messages and the offsets they stand for become visible
 * together, or not at all.
 *
 * The fence, in this order and no other: begin -> produce -> flush until every delivery report has
 * come
 * -> send offsets with the membership that the batch was made under -> commit.
 *  - A transaction without offsets is not fenced by the group, so an empty list is refused here.
 *  - send_offsets does not flush. Without awaiting the reports first, a record could reach the log
 *    after the coordinator has checked the generation.
 *  - The membership is the one taken at assignment: metadata read at commit time would vouch for a
 *    generation that the batch does not belong to.
 *
 * All calls wait; they belong on the publisher's thread. `cancel` is looked at while waiting.
 */
#ifndef BRIDGE_KAFKA_TRANSACTION_H
#define BRIDGE_KAFKA_TRANSACTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/kafka/membership.h"
#include "bridge/kafka/message.h"
#include "bridge/kafka/settings.h"

struct transaction_producer;

struct transaction_offset {
    const char *topic;
    int partition;
    int64_t offset;
    const char *metadata; /* kept by Kafka beside the offset; NULL = none */
};

enum transaction_outcome {
    TRANSACTION_DONE,
    TRANSACTION_ABORTED, /* nothing of it is visible; the same batch may be tried again */
    TRANSACTION_REFUSED, /* the same, because of one message: transaction_culprit says which */
    TRANSACTION_UNTOLD,  /* the same, because of the offsets' metadata: without it, it may pass */
    TRANSACTION_ENDED,   /* nothing of it is visible: the coordinator ended it, it timed out or
                            another producer has our transactional.id. Replace the producer; the
                            group then decides whether the batch is still ours */
    TRANSACTION_FENCED,  /* nothing of it is visible, and the group says that the work is no longer
                            ours: drop it */
    TRANSACTION_BROKEN,  /* the producer must be replaced and the batch tried again; whether it
                            became visible is unknown, repeating it is harmless */
    TRANSACTION_CANCELLED,
};

/* Connects in a transactional role and fences any earlier process of the same transactional.id.
 * Waits until it succeeds, fails for good, `*cancel` is true or `wait_ms` have passed. NULL with
 * `error`. */
struct transaction_producer *transaction_producer_new(const struct kafka_context *kafka,
                                                      enum kafka_role role, int64_t wait_ms,
                                                      const atomic_bool *cancel,
                                                      struct error *error) MUST_CHECK;
void transaction_producer_free(struct transaction_producer *producer); /* NULL is allowed */

enum transaction_outcome transaction_begin(struct transaction_producer *producer,
                                           struct error *error) MUST_CHECK;

/* Adds a message (copied); `tag` names it should Kafka refuse it. */
enum transaction_outcome transaction_add(struct transaction_producer *producer,
                                         const struct message *message, size_t tag,
                                         const atomic_bool *cancel, struct error *error) MUST_CHECK;

/* Waits for the reports of what was added so far. */
enum transaction_outcome transaction_flush(struct transaction_producer *producer,
                                           const atomic_bool *cancel,
                                           struct error *error) MUST_CHECK;

/* After TRANSACTION_REFUSED: true when one message alone was refused. Kafka refuses whole record
 * batches: of several only one may be at fault, and flushing after each shows which. */
bool transaction_is_certain(const struct transaction_producer *producer);

/* After TRANSACTION_REFUSED: the tag of the first message that Kafka refused. True when it was for
 * what the message is (too large, not valid), false when for what may change (no right, no topic).
 */
bool transaction_culprit(const struct transaction_producer *producer, size_t *tag) MUST_CHECK;

/* The rest of the fence. `count` must not be 0. */
enum transaction_outcome transaction_commit(struct transaction_producer *producer,
                                            const struct transaction_offset *offsets, size_t count,
                                            const struct membership *membership,
                                            const atomic_bool *cancel,
                                            struct error *error) MUST_CHECK;

/* Ends the transaction without effect, for a caller that gives up by itself: TRANSACTION_CANCELLED,
 * or TRANSACTION_ENDED or TRANSACTION_BROKEN. Every outcome of the calls above but DONE has ended
 * it already. */
enum transaction_outcome transaction_abort(struct transaction_producer *producer,
                                           struct error *error) MUST_CHECK;

#endif
