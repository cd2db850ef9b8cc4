/*
 * What librdkafka tells of itself every few seconds, as metrics with the client's name as a label.
 * Only for handles that are polled all the time: what it tells would pile up in others.
 */
#ifndef BRIDGE_KAFKA_STATS_H
#define BRIDGE_KAFKA_STATS_H

#include <librdkafka/rdkafka.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"

/* Of one handle; zeroed, but for the name, when the handle is opened. */
struct kafka_stats {
    const char *client; /* for the label; borrowed */
    int64_t sent;       /* bytes since the handle was opened, as told last */
    int64_t received;
    int64_t errors;
};

/* The handle will tell, unless `[kafka]` says how often already; its callback is the caller's. */
bool kafka_stats_ask(rd_kafka_conf_t *settings, struct error *error) MUST_CHECK;

/* In that callback. What is no such JSON changes nothing. */
void kafka_stats_take(struct kafka_stats *stats, const char *json, size_t length);

#endif
