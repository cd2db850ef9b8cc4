/*
 * A batch: what becomes visible in one transaction. The enricher's loop fills it and hands it to
 * the publisher, which owns it from then on, until it hands it back as finished.
 */
#ifndef BRIDGE_ENRICHER_BATCH_H
#define BRIDGE_ENRICHER_BATCH_H

#include <cjson/cJSON.h>
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/trace.h"
#include "bridge/enricher/pending.h"
#include "bridge/kafka/membership.h"

enum item_kind {
    ITEM_SNAPSHOT,    /* `record`, whole */
    ITEM_ASSEMBLED,   /* `record`, put together from webhooks, and its `state` */
    ITEM_TOMBSTONE,   /* the record is gone */
    ITEM_FORWARD,     /* the claim's events go to `integration_id`'s partition */
    ITEM_DEAD_LETTER, /* the claim's events, with `code` and `message` */
    ITEM_NOTHING,     /* the claim's events change nothing; only their offsets go along */
    ITEM_SKIPPED,     /* the same: an earlier commit tells them as done */
    ITEM_PROGRESS,    /* `text`, of a backfill or a sync, for the state topic */
    ITEM_MILESTONE,   /* `text`, for whoever follows the activity topic */
    ITEM_EVENT,       /* `text`, an event for the partition `slot`: made good by a sync's check */
};

struct item {
    enum item_kind kind;
    int place; /* of the model in the selection */
    int slot;  /* of the partition whose work it is, when it has no event; -1 */
    char *record_id;
    char *integration_id; /* NULL only for a dead letter, or an erased record's tombstone */
    cJSON *record;        /* ITEM_SNAPSHOT, ITEM_ASSEMBLED */
    char *state;          /* ITEM_ASSEMBLED: what its next event builds on */
    char *text;       /* ITEM_PROGRESS (NULL: a tombstone), _MILESTONE, _EVENT: what is published */
    char *sync_id;    /* ITEM_EVENT: of the sync */
    uint64_t *hashes; /* ITEM_EVENT: of what its record lacked (ledger_owe); with its first event */
    size_t hash_count;
    char *sync_checked;  /* ITEM_EVENT: a barrier, and what the check found; NULL: no barrier */
    const char *trigger; /* why, when it was no event; static. NULL = the claim tells */
    size_t record_bytes; /* about what `record` takes in memory */
    int64_t asked_ms;    /* wall clock, when its request was started; 0 = it had none */
    int64_t fetched_ms;  /* wall clock */
    struct trace asked;  /* the span of that request, where it was for this record alone */
    struct trace trace;  /* the snapshot's span, below that of an event; zeroed = it has none */
    bool unconfirmed;
    bool conflicted;
    const char *code; /* ITEM_DEAD_LETTER; static */
    char message[160];
    int attempts;
    int64_t failed_ms;  /* ITEM_DEAD_LETTER: wall clock, when the record failed first; 0 = now */
    bool bare;          /* a dead letter that goes without its events' bytes */
    struct claim claim; /* the events this item does */
    rd_kafka_message_t **originals; /* their bytes, once read again; NULL before */
};

struct batch_offset {
    int slot;
    int64_t watermark;
    char *metadata; /* which offsets above it are done in this batch or before it; or NULL */
};

struct batch {
    struct batch *next;
    uint32_t serial; /* counts batches, once it is full */
    struct item *items;
    size_t count;
    size_t capacity;
    size_t events;     /* of forwards and dead letters: each is produced again */
    size_t bytes;      /* sum of record_bytes */
    int64_t opened_ms; /* when the first item came */
    size_t doubt_from; /* Kafka refused some of the items from here to, but without, `doubt_to`: */
    size_t doubt_to;   /* they are awaited `doubt_step` at a time, to see which. 0 = no doubt */
    size_t doubt_step;
    struct batch_offset
        *offsets; /* of every partition whose work is in here; filled when handed over */
    size_t offset_count;
    struct membership *membership; /* of the assignment it was made under */
};

struct batch *batch_new(void) MUST_CHECK;
void batch_free(struct batch *batch); /* NULL is allowed */

/* True for items that produce their events again, one message each, instead of one for the record.
 */
bool item_is_by_event(const struct item *item);

/* A new zeroed item at the end; the pointer lives until the next call. */
struct item *batch_add(struct batch *batch) MUST_CHECK;

#endif
