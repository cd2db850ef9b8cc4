/*
 * A walk: page after page of one list of the API, for the records that are looked for there. What a
 * page means is lists.c (a model that has no by-id path) or settling.c (the recorded changes of an
 * integration, which settle conflicts). Loop thread; only this room includes it.
 */
#ifndef BRIDGE_ENRICHER_WALKS_H
#define BRIDGE_ENRICHER_WALKS_H

#include "bridge/enricher/requests.h"

enum walk_kind {
    WALK_NEWEST, /* the newest page of a list: mostly the changed records are there */
    WALK_SCAN,   /* the whole list, the oldest first, so that what comes meanwhile is at the end */
    WALK_DIFFS,  /* the recorded changes of an integration, the newest first */
};

/* Page after page of one list, for the records that are looked for there. They count as fetching
 * meanwhile: events that come now wait for the next request (pending.h), or make an assembled one
 * dirty. */
struct walk {
    enum walk_kind kind;
    int place; /* of the list's model; WALK_DIFFS: unused */
    char *integration_id;
    struct record *records; /* linked by `next` */
    int64_t offset;
    int limit;         /* rows a page */
    uint64_t start;    /* tick: the whole walk counts as one request when a record is missing */
    struct table seen; /* ids met so far, in all passes */
    int passes;
    int again; /* pages asked for once more in a row */
    int64_t not_before_ms;
    int shrunk;        /* pages that could not be read */
    struct walk *next; /* in the engine's queue */
};

/* walks.c */

/* Waits for its next page. */
void walk_enqueue(struct engine *engine, struct walk *walk);

/* The same page again after a while, when the answer says nothing about it (an outage, the rate
 * limit), so that a long walk does not begin anew. False when it has been asked for too often, or
 * the outcome is another one. */
bool walk_again(struct engine *engine, struct walk *walk, enum api_outcome outcome,
                int64_t now_ms) MUST_CHECK;

/* Takes a record out of the walk; NULL when none is left. */
struct record *walk_pop(struct walk *walk);

/* Ends and frees it; its records were taken out. */
void walk_end(struct engine *engine, struct walk *walk, int64_t now_ms);

/* lists.c, settling.c */

/* Handle a page's answer, as request_answered says; `target` is the walk. */
enum api_outcome list_answered(struct engine *engine, void *target, uint64_t start,
                               const struct http_answer *http, int64_t now_ms);
enum api_outcome diffs_answered(struct engine *engine, void *target, uint64_t start,
                                const struct http_answer *http, int64_t now_ms);

/* The page could not be asked for or failed as a whole: every record is told. */
void list_failed(struct engine *engine, struct walk *walk, enum api_outcome outcome,
                 const char *detail, long status, int64_t now_ms);
void diffs_failed(struct engine *engine, struct walk *walk, enum api_outcome outcome,
                  int64_t now_ms);

/* settling.c: conflicts of one integration share their questions */

/* May a walk for this conflict begin now? It must then. If not, the record waits for its turn. */
bool settling_begin(struct engine *engine, struct record *record, int64_t now_ms) MUST_CHECK;

/* The walk has ended: those that waited for it have their turn. */
void settling_end(struct engine *engine, const struct walk *walk, int64_t now_ms);

void settling_forget(struct engine *engine);

#endif
