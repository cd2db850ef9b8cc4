/*
 * What the subcommands share that set the enrichers to work: they choose models, and send messages
 * to the events topics, so that whichever instance owns the integration works on them. One thread.
 */
#ifndef BRIDGE_COMMANDS_ORDERS_H
#define BRIDGE_COMMANDS_ORDERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/commands/arguments.h"
#include "bridge/config/config.h"
#include "bridge/kafka/producer.h"
#include "bridge/kafka/topics.h"
#include "bridge/propexo/selection.h"

struct orders {
    const struct config *config;
    struct kafka_context kafka;
    struct selection *selection;
    struct topics *topics;
    bool *chosen; /* by place */
    struct producer *producer;
    int64_t sent;
    pthread_mutex_t lock; /* of what delivery reports count: */
    int64_t open;
    char problem[200];
};

/* Reads bridge.models and chooses those that --model names, or all. False with the exit code in
 * `*code` and a sentence on standard error. orders_free in any case. */
bool orders_choose(struct orders *orders, const struct config *config,
                   const struct arguments *arguments, int *code) MUST_CHECK;
void orders_free(struct orders *orders);

/* Demands the topics; with `create` those that are missing are made as at every start of the
 * bridge. VERDICT_CONFIGURATION when the broker is the embedded one of another process. */
bool orders_prepare(struct orders *orders, bool create, struct error *error) MUST_CHECK;

/* Connects the producer, if it is not yet. */
bool orders_connect(struct orders *orders, struct error *error) MUST_CHECK;

/* Makes `message` one of an integration for the events topic of the model at `place`: a JSON text
 * and the headers that all have, behind those that it has already. It borrows all. */
void orders_address(const struct topics *topics, const struct selection *selection, int place,
                    const char *integration_id, const char *trigger, const char *text,
                    struct message *message);

/* Produces a message of an integration to the events topic of the model at `place`: a JSON text and
 * the headers that all have. The caller may have put further headers into `message`. Waits while
 * the producer's queue is full. */
bool orders_send(struct orders *orders, int place, const char *integration_id, const char *trigger,
                 const char *text, struct message *message, struct error *error) MUST_CHECK;

/* Produces a message that is whole. Waits while the producer's queue is full. */
bool orders_put(struct orders *orders, const struct message *message,
                struct error *error) MUST_CHECK;

/* The same as orders_send for an event of a record, put together by propexo/recreate.h; `made_by`
 * is the value of its RECREATE_HEADER. */
bool orders_send_event(struct orders *orders, int place, const char *integration_id,
                       const char *record_id, bool is_new, const char *text, const char *made_by,
                       struct error *error) MUST_CHECK;

/* Returns when Kafka keeps all that was sent; VERDICT_RETRY when it does not within 30 s. */
bool orders_await(struct orders *orders, struct error *error) MUST_CHECK;

#endif
