/*
 * The publisher: one thread that owns the transactional producer, whose calls wait. Batches go in,
 * in order; each comes back with what became of it.
 *
 * Why nothing stale wins and nothing is lost here:
 *  - Batches are committed one after the other in the order they were handed over. A batch that was
 * aborted is produced again from memory before a later one is begun, so a key's snapshots keep
 * their order.
 *  - Each transaction carries the offsets of the work in it and the membership of the assignment it
 * was made under, so the coordinator refuses it once another instance may own that work. A refused
 * batch is dropped whole, with all later ones; its events are taken in again by whoever owns them.
 *  - Offsets are committed nowhere else.
 *
 * The loop thread calls everything here; the two exchange batches under a lock that is never held
 * while either waits.
 */
#ifndef BRIDGE_ENRICHER_PUBLISHER_H
#define BRIDGE_ENRICHER_PUBLISHER_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/enricher/batch.h"
#include "bridge/kafka/settings.h"
#include "bridge/kafka/topics.h"
#include "bridge/propexo/selection.h"

struct publisher;

/* Starts the thread, which connects by itself. */
struct publisher *publisher_new(const struct kafka_context *kafka, const struct topics *topics,
                                const struct selection *selection, struct error *error) MUST_CHECK;

/* Becomes readable when publisher_take has something. */
int publisher_fd(const struct publisher *publisher);

/* Its transactional producer has been ready once. After a crash that takes until the transaction
 * that was open then has ended. */
bool publisher_is_connected(struct publisher *publisher) MUST_CHECK;

/* Hands a batch over; its offsets and membership are filled. */
void publisher_give(struct publisher *publisher, struct batch *batch);

/* Batches given and not yet taken back. */
size_t publisher_busy(struct publisher *publisher);

enum publisher_outcome {
    PUBLISHER_COMMITTED,
    PUBLISHER_FENCED, /* dropped: the work may be someone else's; join the group again */
    PUBLISHER_FAILED, /* a person must act (`error`): the process should end */
};

/* The next finished batch, which the caller frees; NULL when there is none. */
struct batch *publisher_take(struct publisher *publisher, enum publisher_outcome *outcome,
                             struct error *error) MUST_CHECK;

/*
 * The partitions are being given up: what is not committed is dropped. Returns when the running
 * transaction has ended, committed or aborted, or, where Kafka does not say that within
 * PUBLISHER_REVOKE_MS, without it: the thread goes on to abort it, and what is given meanwhile
 * waits for that. Nothing is lost or published twice by that, whatever becomes of it: before its
 * offsets are with Kafka the group refuses them, and afterwards the next owner of the partitions is
 * not told where to begin until it has ended (KIP-447).
 */
#define PUBLISHER_REVOKE_MS 700
void publisher_revoke(struct publisher *publisher);

/* Ends the thread after the running transaction; what is left is dropped. NULL is allowed. */
void publisher_free(struct publisher *publisher);

#endif
