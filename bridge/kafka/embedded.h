/*
 * A Kafka inside the process, for trying the bridge with nothing installed: librdkafka's mock
 * cluster. It listens on 127.0.0.1, so kcat and other clients can read from it.
 *
 * It keeps about 5 MiB a partition, in memory, until the process ends, and transactions are not
 * isolated there: aborted and open data reach every reader. Never a production broker.
 */
#ifndef BRIDGE_KAFKA_EMBEDDED_H
#define BRIDGE_KAFKA_EMBEDDED_H

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"

#define EMBEDDED_NAME "embedded" /* the value of kafka.bootstrap.servers that asks for it */

struct embedded;

struct embedded *embedded_start(struct error *error) MUST_CHECK;

/* Ends the broker; every client must be closed before. NULL is allowed. */
void embedded_stop(struct embedded *embedded);

/* host:port. Lives as long as the broker. */
const char *embedded_bootstrap(const struct embedded *embedded);

/* Makes a topic (the mock knows no admin requests). */
bool embedded_create_topic(struct embedded *embedded, const char *topic, int partitions,
                           struct error *error) MUST_CHECK;

#endif
