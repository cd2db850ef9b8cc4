/*
 * The receiver's producer: idempotent, acks=all. It says of every message, once and truthfully,
 * whether Kafka keeps it.
 *
 * Why nothing accepted is lost here: `done` says KEPT only for a delivery report with an offset
 * (message_is_stored), and that comes only after all in-sync replicas have acknowledged. Everything
 * else (time-out, purge, fatal error, a report that is no more than a conclusion) is NOT_KEPT,
 * although the message may have been stored: the sender then repeats it, which is harmless. A
 * producer that turns fatal is replaced by a new one; its messages are reported NOT_KEPT first, and
 * until the new one is warm producer_send refuses.
 *
 * Reports are told on a thread of its own, or, where the owner serves, on the owner's loop: what
 * was allocated for a message there is freed there, instead of by two threads that wait for each
 * other. The thread does the replacing in either case; producer_send may be called from any thread
 * and does not wait.
 */
#ifndef BRIDGE_KAFKA_PRODUCER_H
#define BRIDGE_KAFKA_PRODUCER_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/base/health.h"
#include "bridge/kafka/message.h"
#include "bridge/kafka/settings.h"

struct producer;

enum producer_outcome {
    PRODUCER_KEPT,
    PRODUCER_NOT_KEPT, /* a later try may succeed */
    PRODUCER_REFUSED,  /* Kafka will never take this message: too large, or not valid */
};

/* What became of a message; all of it lives until the call returns. */
struct producer_report {
    void *opaque;
    enum producer_outcome outcome;
    const char *reason;             /* NULL when kept */
    const rd_kafka_message_t *sent; /* for message_borrow */
};

/* Called exactly once for each message that producer_send took: on the producer's thread, or in
 * producer_serve; by whoever closes or replaces the producer for what is under way then. Never by
 * two at once. Must not block. */
typedef void producer_done(void *context, const struct producer_report *report);

#define PRODUCER_TIMEOUT_CONFIGURED (-1)
#define PRODUCER_TIMEOUT_NEVER      0

struct producer_options {
    const char *name;          /* the label of its metrics; NULL = it has none; borrowed */
    enum health_loop loop;     /* as which its thread's turns are told */
    const char *const *topics; /* names, borrowed for the producer's life; may be none */
    size_t topic_count;
    int64_t timeout_ms; /* longest until a report; or one of the above */
    bool starts_cold;   /* does not wait for Kafka */
    bool owner_serves;  /* calls producer_serve when producer_fd is readable */
    producer_done *done;
    void *context;
};

/* Connects and warms up: metadata of the topics and the producer id are there when it returns, but
 * for one that starts cold. */
struct producer *producer_new(const struct kafka_context *kafka,
                              const struct producer_options *options,
                              struct error *error) MUST_CHECK;

/* Takes a copy of the message. False when it cannot be taken now (queue full, being replaced, too
 * large for the broker): `done` is then not called and `error` says why; VERDICT_FATAL = this
 * message will never fit. */
bool producer_send(struct producer *producer, const struct message *message, void *opaque,
                   struct error *error) MUST_CHECK;

/* For an owner that serves: readable when there are reports; -1 for others. The producer's own. */
int producer_fd(const struct producer *producer) MUST_CHECK;

/* Tells all reports that are there. Does not wait: while the producer is being closed or replaced,
 * whoever does that tells them. */
void producer_serve(struct producer *producer);

/* Reports what is under way NOT_KEPT and ends the thread; producer_send then refuses. So whoever
 * still sends is answered, and may be ended before producer_free. NULL is allowed. */
void producer_close(struct producer *producer);
void producer_free(struct producer *producer);

/* Makes librdkafka believe in a fatal error, for the test of the replacement. */
void producer_break(struct producer *producer);

#endif
