/*
 * The enricher's consumer: a static member of the group that subscribes to a fixed list of topics
 * with the range assignor, and works only on partition NUMBERS that it owns in every topic.
 *
 * A partition is named by its slot: topic index * partitions + number. Two slots with the same
 * number belong to the same instance, always: that is what lets a child's change rewrite its parent
 * safely. The rule is checked at each assignment; numbers owned only in part are not consumed, and
 * consumer_incomplete tells how many. When the first assignment is that of a process with other
 * topics, which the group keeps for a static member, the group is made to assign anew.
 *
 * Nothing is committed here: offsets travel in the publisher's transactions, together with the
 * group metadata that was taken when the partitions were assigned (KIP-447). A transaction of an
 * earlier assignment is thereby refused by the group coordinator.
 *
 * One thread: callbacks run inside consumer_next on the caller's thread.
 */
#ifndef BRIDGE_KAFKA_CONSUMER_H
#define BRIDGE_KAFKA_CONSUMER_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/kafka/membership.h"
#include "bridge/kafka/settings.h"
#include "bridge/kafka/topics.h"

struct consumer;

struct consumer_slot {
    int slot;
    int64_t offset;       /* where reading starts: the committed offset, or -1 = the beginning */
    const char *metadata; /* what was committed with it; borrowed during the callback; or NULL */
    size_t metadata_length;
};

struct consumer_callbacks {
    /* Partitions were assigned. `membership` is a new reference for the callee. May wait; false
     * with `error` when the callee cannot work on them: consumer_next then ends with that. */
    bool (*assigned)(void *context, const struct consumer_slot *slots, size_t count,
                     struct membership *membership, struct error *error);
    /* All partitions are about to be given up. What is under way must be ended before returning. */
    void (*revoked)(void *context);
    void *context;
};

/* An event's message; texts live until consumer_release. */
struct consumer_event {
    rd_kafka_message_t *message; /* owned by the consumer's user until consumer_release */
    int slot;
};

struct consumer *consumer_new(const struct kafka_context *kafka, const struct topics *topics,
                              const struct consumer_callbacks *callbacks,
                              struct error *error) MUST_CHECK;

/* Becomes readable when consumer_next has something to do. */
int consumer_fd(const struct consumer *consumer);

/* Forgets the wake-ups so far; call before emptying with consumer_next. */
void consumer_clear_fd(struct consumer *consumer);

enum consumer_result {
    CONSUMER_EVENT,   /* *event is filled */
    CONSUMER_NOTHING, /* nothing to do now */
    CONSUMER_FATAL,   /* the group will not have us: `error` says why; two instances of one name */
};

/* Serves librdkafka (rebalances included) and takes one event; does not wait. */
enum consumer_result consumer_next(struct consumer *consumer, struct consumer_event *event,
                                   struct error *error) MUST_CHECK;
void consumer_release(struct consumer_event *event);

void consumer_pause(struct consumer *consumer, int slot);
void consumer_resume(struct consumer *consumer, int slot);

/* Leaves and joins again: every partition is revoked and assigned anew, from its committed offset.
 * The way back after a fenced transaction, whose work must be taken in again. */
void consumer_rejoin(struct consumer *consumer);

/* Partition numbers that are owned in some topics but not in all. */
int consumer_incomplete(const struct consumer *consumer);

/* Topic and partition number of a slot. */
const char *consumer_topic(const struct consumer *consumer, int slot);
int consumer_number(const struct consumer *consumer, int slot);

/* The offset behind the partition's last event, as its last fetch told; negative when none did. A
 * paused partition is not fetched. */
int64_t consumer_end(const struct consumer *consumer, int slot);

/* Kafka's cluster id, which the caller frees; NULL when it does not answer within 10 s. */
char *consumer_cluster(const struct consumer *consumer) MUST_CHECK;

/* Gives the partitions up and ends within about `timeout_ms`. NULL is allowed. */
void consumer_free(struct consumer *consumer, int timeout_ms);

#endif
