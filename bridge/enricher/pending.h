/*
 * The records that wait to be fetched: one entry per (model, record), so that many events about a
 * record cost one request.
 *
 * The dirty rule: events that arrive while a record waits join `now`; those that arrive while its
 * request is under way join `later`. An answer satisfies `now` only, because its request started
 * before the later events were taken in; `later` then becomes `now` and the record is fetched
 * again. A page of a list is asked for without saying whom it is for: a waiting record that it has
 * is satisfied only when the page's request started after the record's last event was taken in,
 * which the ticks of the stale rule tell (`joined`, recency.h). So every event's offset is done
 * only by an answer whose request started after the event was taken in.
 *
 * An event without an integration has an entry of its own (an orphan): its record is fetched only
 * to learn the integration, and the event is forwarded under the right key. Pure; one thread.
 */
#ifndef BRIDGE_ENRICHER_PENDING_H
#define BRIDGE_ENRICHER_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/digest.h"
#include "bridge/base/table.h"
#include "bridge/enricher/assembly.h"
#include "bridge/enricher/changes.h"

struct event_ref {
    int slot;
    int64_t offset;
};

struct group; /* planner.h */

/* An answer that was too large to be read: what can be told of it. */
struct large_answer {
    size_t length; /* of all of it; 0 = it was not read to its end */
    char sha256[DIGEST_TEXT_SIZE];
    size_t head_length;
    char head[]; /* its beginning */
};

/* Events that one answer will satisfy together. */
struct claim {
    union {
        struct event_ref one;   /* while capacity is 0: most records wait for one event */
        struct event_ref *many; /* owned */
    } events;
    uint32_t count;
    uint32_t capacity : 29;
    bool is_new : 1;     /* the newest of them is a DATA_NEW */
    bool forwarded : 1;  /* one of them was forwarded here already */
    bool tells_more : 1; /* one of them tells of more than `last_seen` */
    struct changes changes;
    int64_t first_ms;   /* when the oldest of them was taken in */
    int64_t arrived_ms; /* when the oldest that tells came, by Kafka's clock; 0 = none does */
    char *traceparent;  /* of the newest that has one, or NULL */
    struct large_answer *large; /* the last answer, when it was one; or NULL */
};

enum record_state {
    RECORD_WAITING,  /* in the planner, or for its turn to have a conflict settled */
    RECORD_FETCHING, /* a request for it alone, or a walk, is under way */
};

/* Where the planner keeps a record. */
enum record_queue {
    QUEUE_NONE,   /* it does not */
    QUEUE_LIVE,   /* for a page of its model's list, or its turn by id */
    QUEUE_SINGLE, /* for a request of its own: pages did not have it, or are not for it */
    QUEUE_LOW,    /* nothing but `last_seen` changed: it has time */
    QUEUE_LATER,  /* not before due_ms */
};

/* Hundreds of thousands of these may wait: what most of them do not have is behind a pointer. */
struct record {
    int16_t place; /* of the model in the selection */
    uint16_t key_length;
    uint8_t state;   /* enum record_state */
    uint8_t queue;   /* enum record_queue; the planner's */
    uint8_t outcome; /* the enum api_outcome the failures counted in `attempts` had */
    uint8_t news;    /* events that gave the record another reading */
    uint8_t passed;  /* pages that had it too early, or not */
    bool orphan : 1;
    bool alone : 1;    /* pages of its list do not help: it is asked for by itself */
    bool urged : 1;    /* it goes before all others */
    bool covered : 1;  /* a page under way looks for it; the planner's */
    bool reread : 1;   /* the consistency rule has asked for its second reading already */
    bool erased : 1;   /* `work`: it was erased since, and ends in nothing, whatever comes */
    bool dirty : 1;    /* `work`: events were taken since the conflict's question was asked */
    uint16_t attempts; /* failures of the current kind in a row */
    uint32_t failed_s; /* wall clock, in seconds: the first failure that counts, of any kind; 0 =
                          there was none. In seconds, which takes no memory here */
    const char *id;    /* inside `key` */
    const char *integration_id; /* of pending_integration; NULL for an orphan */
    struct claim now;
    struct claim *later; /* NULL while there is none */
    int64_t due_ms;      /* not fetched before */
    uint32_t
        rank[2]; /* the planner's: `came` of its group's and its model's list at its last event */
    uint64_t joined;         /* tick of the stale rule when its last event was taken in */
    struct record *next;     /* in the planner's queue, or in its walk's list */
    struct record *previous; /* in the planner's queue */
    struct group *group;     /* in the planner */
    const void *walk;        /* the walk over a list that looks for it, or NULL */

    /* An assembled record with a conflict: its state, with all its events so far taken (they are in
     * `now`). Owned. NULL for records that are fetched. */
    struct assembly *work;
    char key[]; /* place, orphan and id in one text: the key of the table and of the stale rule */
};

struct pending {
    struct table records;      /* borrows the records' keys */
    struct table integrations; /* the one copy of each id */
};

/* `struct pending p = PENDING_EMPTY;` */
#define PENDING_EMPTY           \
    {                           \
        .records.borrows = true \
    }

/* The key of a record's entry, as a text that the caller frees. */
char *pending_key(int place, bool orphan, const char *id) MUST_CHECK;

/* The entry of this record, made when there is none; `*created` says which. */
struct record *pending_record(struct pending *pending, int place, bool orphan, const char *id,
                              bool *created) MUST_CHECK;

/* The one copy of an integration's id, which lives until pending_clear; NULL for NULL. */
const char *pending_integration(struct pending *pending, const char *id) MUST_CHECK;

/* Its `count` events, in the order in which they were taken in; until it changes or is copied. */
const struct event_ref *claim_events(const struct claim *claim) MUST_CHECK;

/* Adds an event to a claim. */
void claim_add(struct claim *claim, struct event_ref ref, int64_t now_ms);

/* One of its events came at this time, by Kafka's clock; 0 = that is not known. */
void claim_arrived(struct claim *claim, int64_t kafka_ms);
void claim_free(struct claim *claim);

/* Keeps what can be told of an answer that was too large; `sha256` is NULL when it was not read to
 * its end. */
void claim_keep_large(struct claim *claim, const char *head, size_t head_length, size_t length,
                      const char *sha256);

/* Takes the first `count` events out into a claim of their own; `count` < claim->count. */
struct claim claim_split(struct claim *claim, uint32_t count) MUST_CHECK;

/* A record that keeps changing is published all the same: so many readings anew, then none. */
#define PENDING_NEWS 3

/* The claim that an event arriving now belongs to. An event is news: a record that was not there,
 * or still showed the value before, gets its second reading anew, PENDING_NEWS times at most. */
struct claim *record_claim(struct record *record);

/* The request failed and will be made again: the record waits, and since the next request starts
 * later, `later` joins `now`. Does not touch the planner. */
void record_wait(struct record *record, int64_t due_ms);

/* `now` is done with (its content was taken or freed): if events came meanwhile they become `now`
 * and the record waits again (true); else the entry is freed (false). */
bool pending_settle(struct pending *pending, struct record *record) MUST_CHECK;

/* The entry of this record, or NULL. */
struct record *pending_find(const struct pending *pending, int place, const char *id);

/* Frees all entries. */
void pending_clear(struct pending *pending);

#endif
