/*
 * The messages of an item: which topic, key, value and headers. Separate from the publisher so that
 * what downstream reads is decided in one place. Publisher's thread.
 */
#ifndef BRIDGE_ENRICHER_ENVELOPE_H
#define BRIDGE_ENRICHER_ENVELOPE_H

#include <librdkafka/rdkafka.h>
#include <stddef.h>

#include "bridge/base/attributes.h"
#include "bridge/base/digest.h"
#include "bridge/base/random.h"
#include "bridge/enricher/batch.h"
#include "bridge/kafka/dead_letter.h"
#include "bridge/kafka/message.h"
#include "bridge/kafka/topics.h"
#include "bridge/propexo/selection.h"

/* Holds what a message borrows. Zeroed before use; envelope_free afterwards. */
struct envelope {
    struct message message;
    char id[RANDOM_ID_SIZE];
    char fetched_at[32];
    char number[3][24];
    char traceparent[TRACE_PARENT_SIZE];
    struct dead_letter_past past;
    struct dead_letter_texts texts;
    struct dead_letter_cut cut;
    char *source;
    char *subject;
    char *changed_fields;
    char *key;
    char *failed;
    char *redacted; /* an event's bytes, as they may be kept */
};

/* A snapshot of `value` (NULL: tombstone). */
void envelope_snapshot(struct envelope *envelope, const struct item *item, const char *topic,
                       const char *model, const void *value, size_t length,
                       const char *content_type, struct random *random);

/* The state of an assembled record, into the partition of its events. */
void envelope_state(struct envelope *envelope, const struct item *item, const char *topic,
                    int partition, const char *model);

/* How far a backfill or a sync has come, into the partition of its events. */
void envelope_progress(struct envelope *envelope, const struct item *item, const char *topic,
                       int partition);

/* What the bridge tells of itself. */
void envelope_milestone(struct envelope *envelope, const struct item *item, const char *topic,
                        struct random *random);

/* An event that a sync's check made good, or the barrier behind such ones. */
void envelope_event(struct envelope *envelope, const struct item *item, const char *topic,
                    int partition, const char *model, struct random *random);

/* The event `original` again, under `integration_id`. Its own headers are kept, but for the
 * integration. Redacted, as what follows: it may be from before events were. */
void envelope_forward(struct envelope *envelope, const struct item *item, const char *topic,
                      const rd_kafka_message_t *original, const struct redaction *redaction);

/* Where an event that fails was read. */
struct event_place {
    const char *topic;
    int partition;
    int64_t offset;
};

/* A dead letter for one event of the item, with its bytes and headers as they came; `original` is
 * NULL when the topic no longer holds it. `model` is the item's. Of an answer that was too large
 * the head, the length and the sha256 go along. With item->bare the first KiB goes, without the
 * event's headers, with the length and the sha256 of the whole in headers. */
void envelope_dead_letter(struct envelope *envelope, const struct item *item, const char *topic,
                          const rd_kafka_message_t *original, const struct event_place *place,
                          const char *model, const struct redaction *redaction);

void envelope_free(struct envelope *envelope);

#endif
