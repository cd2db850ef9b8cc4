/*
 * The records that wait to be fetched: one entry per (model, record), so that many events about a
 * record cost one request.
 *
 * The dirty rule: events that arrive while a record waits join `now`; those that arrive while its
 * request is under way join `later`. An answer satisfies `now` only, because its request started
 * before the later events were taken in; `later` then becomes `now` and the record is fetched
 * again. So every event's offset is done only by an answer whose request started after the event
 * was taken in.
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

/* An answer that was too large to be read: what can be told of it. */
struct large_answer {
    size_t length; /* of all of it; 0 = it was not read to its end */
    char sha256[DIGEST_TEXT_SIZE];
    size_t head_length;
    char head[]; /* its beginning */
};

/* Events that one answer will satisfy together. */
struct claim {
    struct event_ref *refs;
    size_t count;
    size_t capacity;
    struct changes changes;
    int64_t first_ms;           /* when the oldest of them was taken in */
    bool is_new;                /* the newest of them is a DATA_NEW */
    bool forwarded;             /* one of them was forwarded here already */
    char *traceparent;          /* of the newest that has one, or NULL */
    struct large_answer *large; /* the last answer, when it was one; or NULL */
};

enum record_state {
    RECORD_WAITING,  /* in the planner */
    RECORD_FETCHING, /* its request is under way */
};

struct record {
    enum record_state state;
    int place; /* of the model in the selection */
    bool orphan;
    char *key; /* place, orphan and id in one text: the key of the table and of the stale rule */
    size_t key_length;
    const char *id;       /* inside `key` */
    char *integration_id; /* NULL for an orphan */
    struct claim now;
    struct claim later;
    int attempts;        /* failures of the current kind in a row */
    int outcome;         /* the enum api_outcome these failures had */
    bool reread;         /* the consistency rule has asked for its second reading already */
    int news;            /* events that gave the record another reading */
    int64_t due_ms;      /* not fetched before */
    struct record *next; /* in the planner's list, or in its walk's */
    const void *walk;    /* the walk over a list that looks for it, or NULL */

    /* An assembled record with a conflict: its state, with all its events so far taken (they are in
     * `now`). Owned. NULL for records that are fetched. */
    struct assembly *work;
    bool dirty; /* events were taken since the conflict's question was asked */
};

struct pending {
    struct table records;
};

/* The key of a record's entry, as a text that the caller frees. */
char *pending_key(int place, bool orphan, const char *id) MUST_CHECK;

/* The entry of this record, made when there is none; `*created` says which. */
struct record *pending_record(struct pending *pending, int place, bool orphan, const char *id,
                              bool *created) MUST_CHECK;

/* Adds an event to a claim. */
void claim_add(struct claim *claim, struct event_ref ref, int64_t now_ms);
void claim_free(struct claim *claim);

/* Keeps what can be told of an answer that was too large; `sha256` is NULL when it was not read to
 * its end. */
void claim_keep_large(struct claim *claim, const char *head, size_t head_length, size_t length,
                      const char *sha256);

/* Takes the first `count` events out into a claim of their own; `count` < claim->count. */
struct claim claim_split(struct claim *claim, size_t count) MUST_CHECK;

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
