/*
 * Opening, trying and closing a librdkafka handle, and its error object turned into ours. Any
 * thread.
 */
#ifndef BRIDGE_KAFKA_HANDLE_H
#define BRIDGE_KAFKA_HANDLE_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"

/* A handle made of settings, which are consumed in any case. NULL with `error`. */
rd_kafka_t *kafka_open(rd_kafka_type_t type, rd_kafka_conf_t *settings,
                       struct error *error) MUST_CHECK;

/* Waits until a broker answers; false with VERDICT_RETRY, and what the last one to refuse has said,
 * when none does. A certificate or a password that is not good may be so for a while only: a broker
 * can get another one. For a handle that nobody else polls. */
bool kafka_ping(rd_kafka_t *handle, int timeout_ms, struct error *error) MUST_CHECK;

/*
 * Destroys the handle with RD_KAFKA_DESTROY_F_ flags; NULL is allowed. Waits 5 s at most:
 * librdkafka 2.0.2 can wait for its broker threads for ever, for example after a topic that it
 * consumed was deleted (its issue 4362). False when that happened (event=kafka_close_timeout): the
 * handle's threads then live until the process ends, and so must what its callbacks use.
 */
bool kafka_close(rd_kafka_t *handle, int flags);

/* Fills `error` from librdkafka's error object and destroys it; returns false. */
bool kafka_error(rd_kafka_error_t *from, struct error *error, const char *doing);

#endif
