/*
 * Reads a stretch of one partition from an offset to another, outside any group: what a cache of
 * the partition lacks. Sees what a read_committed reader sees. One thread; calls wait.
 */
#ifndef BRIDGE_KAFKA_RANGE_H
#define BRIDGE_KAFKA_RANGE_H

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/kafka/settings.h"

struct range;

struct range *range_open(const struct kafka_context *kafka, struct error *error) MUST_CHECK;
void range_close(struct range *range); /* NULL is allowed */

/* Called with each message, which lives for the call. */
typedef void range_take(void *context, const rd_kafka_message_t *message);

/* The number of partitions of a topic, 0 when there is none of that name. VERDICT_RETRY when Kafka
 * does not answer for 10 s. */
bool range_partitions(struct range *range, const char *topic, int *partitions,
                      struct error *error) MUST_CHECK;

/* The offsets of a partition's first message and of its end, whatever transactions are still open
 * there. VERDICT_RETRY when Kafka does not answer for 10 s. */
bool range_bounds(struct range *range, const char *topic, int partition, int64_t *low,
                  int64_t *high, struct error *error) MUST_CHECK;

/* The value of a message's last header of that name and its length; NULL when it has none. Lives
 * like the message. */
const char *range_header(const rd_kafka_message_t *message, const char *name, size_t *length);

/* To be called while a message is handed out: it is the last one of this range_read. */
void range_stop(struct range *range);

#define RANGE_END \
    INT64_MAX /* up to the log's end now, whatever transactions are still open there */
#define RANGE_LOST (-1)

/* The partition of a topic of so many in which messages with this key are. */
int range_partition_of(const void *key, size_t length, int partitions) MUST_CHECK;

/* When a message was written, in milliseconds of the wall clock of who wrote it or of the broker,
 * as its topic says; -1 = not known. */
int64_t range_timestamp(const rd_kafka_message_t *message);

/*
 * Hands out the committed messages from offset `from` (what is older than the log's start is not
 * there) up to, but without, offset `to`. True with `*next` = where reading would go on, or
 * RANGE_LOST when `from` lies behind the log's end: the topic is another one than it was. False
 * with VERDICT_RETRY when Kafka does not answer for 10 s or `*cancel` became true; messages may
 * have been handed out. After range_stop `*next` is the offset behind that message. Waits for
 * transactions that are open below the end, as long: one that is committed already may not have
 * ended in this partition yet (its markers reach each partition by themselves), and what it wrote
 * must not be missed.
 */
bool range_read(struct range *range, const char *topic, int partition, int64_t from, int64_t to,
                range_take *take, void *context, const atomic_bool *cancel, int64_t *next,
                struct error *error) MUST_CHECK;

/* Reads on in all partitions of a topic, from where the call before left each (`next`, 0 at first)
 * to its end now; from the beginning where that was lost. Not to be cancelled. */
bool range_read_on(struct range *range, const char *topic, int partitions, int64_t *next,
                   range_take *take, void *context, struct error *error) MUST_CHECK;

#endif
