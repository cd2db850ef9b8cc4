/*
 * A message to be produced: where to, key, value and headers. It borrows everything; producing
 * copies.
 */
#ifndef BRIDGE_KAFKA_MESSAGE_H
#define BRIDGE_KAFKA_MESSAGE_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"

#define MESSAGE_HEADERS 48

struct message_header {
    const char *name;
    const void *value;
    size_t length;
};

struct message {
    const char *topic;
    int partition;   /* -1: by key */
    const void *key; /* NULL: none */
    size_t key_length;
    const void *value; /* NULL: a tombstone */
    size_t value_length;
    struct message_header headers[MESSAGE_HEADERS];
    size_t header_count;
};

/* Adds a header with a text; NULL adds nothing. More than MESSAGE_HEADERS is a programming error
 * and ends the process. */
void message_header(struct message *message, const char *name, const char *text);
void message_header_bytes(struct message *message, const char *name, const void *value,
                          size_t length);

/* The CloudEvents attribute `source` of what comes of an integration, NULL: of none that is known.
 * The caller frees. */
char *message_source(const char *integration_id) MUST_CHECK;

/* A message that was read, or that a delivery report shows, with its headers (of more than
 * MESSAGE_HEADERS the first ones). It borrows all from `from`. */
void message_borrow(struct message *message, const rd_kafka_message_t *from);

/* Of a delivery report: true when Kafka has told at which offset the message is. Only that proves
 * it. librdkafka reports messages as delivered, without an offset, when a later one of the same
 * partition was: it takes for granted that a leader refuses what comes out of turn. One that has
 * just been elected, and has never heard of the producer, takes any number, and what was on its way
 * to the leader before it is then reported although nobody has it. */
bool message_is_stored(const rd_kafka_message_t *report) MUST_CHECK;

/* The last header of that name; NULL when there is none. */
const struct message_header *message_find(const struct message *message,
                                          const char *name) MUST_CHECK;

/* Its value, as a text that the caller frees; NULL when there is none. */
char *message_text(const struct message *message, const char *name) MUST_CHECK;

/* Hands a copy to librdkafka; `opaque` comes back with the delivery report. NO_ERROR, or QUEUE_FULL
 * and the like, as rd_kafka_producev says. Any thread. */
rd_kafka_resp_err_t message_produce(rd_kafka_t *handle, const struct message *message,
                                    void *opaque) MUST_CHECK;

#endif
