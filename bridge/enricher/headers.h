/* What an event's headers add to its body. Loop thread; only this room includes it. */
#ifndef BRIDGE_ENRICHER_HEADERS_H
#define BRIDGE_ENRICHER_HEADERS_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

/* An order about a record (erasing.c). */
enum erasure_kind { ERASURE_NONE, ERASURE_SET, ERASURE_LIFT, ERASURE_ASK };

/* Owned copies; NULL when absent. */
struct event_headers {
    char *integration_id;
    char *traceparent;
    int64_t arrived_ms; /* when Kafka got it, by its clock; 0 = not told */
    char *sync_id;
    char *sync_models;
    char *sync_checked; /* the barrier behind what reconciliation made good (syncs.c) */
    bool forwarded;
    bool forced; /* an order that somebody gave by hand */
    enum erasure_kind erasure;
    bool recovered; /* no webhook: put together from what the API recorded (recreate.h) */
};

/* The caller frees what is in it. */
struct event_headers event_headers_read(const rd_kafka_message_t *message);
void event_headers_free(struct event_headers *headers);

#endif
