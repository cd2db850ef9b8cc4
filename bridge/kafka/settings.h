/*
 * librdkafka's settings for each role the bridge plays, and the wire between its log and ours.
 *
 * Three layers: our defaults, what `[kafka]` says, and what correctness rests on (which the
 * configuration refuses to change). Any thread.
 */
#ifndef BRIDGE_KAFKA_SETTINGS_H
#define BRIDGE_KAFKA_SETTINGS_H

#include <librdkafka/rdkafka.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/config/config.h"

enum kafka_role {
    KAFKA_PRODUCER,      /* the receiver's: idempotent, acks=all */
    KAFKA_TRANSACTIONAL, /* the publisher's */
    KAFKA_REPLAYER,      /* transactional as well; all replays of a group are one to Kafka */
    KAFKA_CONSUMER,      /* the enricher's: a static member, committed by hand */
    KAFKA_READER,        /* reads partitions from given offsets, as no member of the group */
    KAFKA_ADMIN,         /* topics */
};

/* The broker's list to use: `embedded` in the configuration is replaced by what the embedded broker
 * says. */
struct kafka_context {
    const struct config *config;
    const char *bootstrap;
};

/* Room for headers and key beside the value in one message, in bytes. */
#define KAFKA_MESSAGE_OVERHEAD (64 << 10)

/* A transaction left open by a process that stopped holds read_committed readers this long. */
#define KAFKA_TRANSACTION_TIMEOUT_MS 15000

/* Settings that the caller gives to rd_kafka_new (which then owns them) or destroys. NULL with
 * VERDICT_CONFIGURATION naming the property and where it was set. */
rd_kafka_conf_t *kafka_settings(const struct kafka_context *kafka, enum kafka_role role,
                                struct error *error) MUST_CHECK;

/* An error that librdkafka tells, as event=kafka_error, at most once a second: what the handles'
 * callbacks do, for one whose errors come as events. */
void kafka_note_error(rd_kafka_resp_err_t code, const char *reason);

/* How long a producer tries to deliver one message; 0 = for ever. No more than what is configured,
 * where that is shorter. */
bool kafka_settings_timeout(rd_kafka_conf_t *settings, int64_t timeout_ms,
                            struct error *error) MUST_CHECK;

#endif
