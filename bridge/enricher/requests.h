/*
 * Requests under way: who asked, since when (in the stale rule's ticks), and under which
 * assignment. What they ask for is answers.c (one record) or walks.c (pages). Loop thread; only
 * this room includes it.
 */
#ifndef BRIDGE_ENRICHER_REQUESTS_H
#define BRIDGE_ENRICHER_REQUESTS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/enricher/engine.h"
#include "bridge/http/client.h"
#include "bridge/propexo/api.h"

struct fetch;

/* The answer came, under the assignment that the request was made under; `start` is its tick. Says
 * what it means for the API's state. */
typedef enum api_outcome request_answered(struct engine *engine, void *target, uint64_t start,
                                          const struct http_answer *http, int64_t now_ms);

/* The request belongs to an assignment that is given up: frees what `target` holds. May be NULL. */
typedef void request_dropped(void *target);

struct request {
    enum metric kind; /* METRIC_KIND_... */
    const char *url;
    const char *integration_id; /* whose it is; NULL: of no single one */
    int place;                  /* of its model; -1: of none */
    const char *traceparent;    /* of an event of the one record it is for; or NULL */
    request_answered *answered;
    request_dropped *dropped; /* or NULL */
    void *target;
};

/* Starts a GET, counts it and spends its share of the budget. The engine notes by the policy's
 * table what comes of it: metric, log line, breakers, budget, health. False when it could not even
 * be started (API_NOT_STARTED); `target` is then the caller's still. */
bool request_start(struct engine *engine, const struct request *request, int64_t now_ms) MUST_CHECK;

/* Whose a request for a page of the model's list is, when it is for this integration. */
const char *request_integration(const struct engine *engine, int place, const char *integration_id);

/* pages.c */

/* Asks for a page that the planner wants. */
void page_begin(struct engine *engine, const struct page_ask *ask, int64_t now_ms);

/* answers.c: what both kinds of answers do with a record */

/* A copy of the record is here, read by a request that started at tick `start` and has ended. Takes
 * `copy` over; `bytes` is about what it takes in memory. */
void record_found(struct engine *engine, struct record *record, uint64_t start, uint64_t end,
                  cJSON *copy, size_t bytes, int64_t now_ms);

/* The record was not in an answer that should have had it, or the request failed. */
void record_missed(struct engine *engine, struct record *record, uint64_t start, uint64_t end,
                   enum api_outcome outcome, const char *detail, long status, int64_t now_ms);

/* The request of this record failed: true when it will be tried again (the record waits), false
 * when that was its last attempt by the policy. Failures of another kind are not counted together.
 */
bool record_tries_again(struct engine *engine, struct record *record, enum api_outcome outcome,
                        int64_t now_ms) MUST_CHECK;

/* Waits for its next request, not before `delay` ms have passed. */
void record_later(struct engine *engine, struct record *record, int64_t now_ms, int64_t delay);

/* The record's events went into an item: the entry ends, or waits again for the events that came
 * since. */
void record_end(struct engine *engine, struct record *record, int64_t now_ms);

/* walks.c */

/* Begins a walk for the record, which the planner gave, and for those that can share it. */
void walk_begin(struct engine *engine, struct record *record, int64_t now_ms);

/* Starts the next page of a walk that waits for one; false when none wants it within `*wait` ms. */
bool walk_continue(struct engine *engine, int64_t now_ms, int64_t *wait);

/* reconcile.c */

/* Starts the next question of a sync's check; false when none wants one within `*wait` ms. */
bool reconcile_continue(struct engine *engine, int64_t now_ms, int64_t *wait);

/* expiry.c */

/* The same for the next page of an expiry. */
bool expiry_continue(struct engine *engine, int64_t now_ms, int64_t *wait);

/* backfills.c */

/* It is a backfill's turn, even when others have work. */
bool backfill_has_turn(struct engine *engine);

/* Asks for the next page of a backfill; false when none wants one within `*wait` ms. */
bool backfill_continue(struct engine *engine, int64_t now_ms, int64_t *wait);

/* assembling.c */

/* The conflict of this record is settled as far as it can be: publishes it. */
void assembled_settled(struct engine *engine, struct record *record, int64_t now_ms);

#endif
