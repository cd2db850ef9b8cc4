/*
 * What is the next request? A pure decision over the records that wait and the clock: no I/O, no
 * budget kept here (the caller asks only when a request may start).
 *
 * Records that are due form one queue for each integration, first come first served; integrations
 * take turns, so a hundred thousand changes of one do not starve three of another. Records that are
 * not due yet (a retry, a second reading) wait in a heap by due time. One thread.
 */
#ifndef BRIDGE_ENRICHER_PLANNER_H
#define BRIDGE_ENRICHER_PLANNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/enricher/pending.h"

enum plan_kind {
    PLAN_NOTHING, /* nothing is due; `wait_ms` tells for how long */
    PLAN_ID,      /* fetch `record` by its id */
};

struct plan {
    enum plan_kind kind;
    struct record *record;
    int64_t wait_ms; /* INT64_MAX: until something is added */
};

struct planner;

struct planner *planner_new(void) MUST_CHECK;
void planner_free(struct planner *planner); /* NULL is allowed; the records are not the planner's */

/* A record waits, from record->due_ms on. It must not be in the planner already. */
void planner_add(struct planner *planner, struct record *record, int64_t now_ms);

/* The next request; a record that is returned is no longer in the planner. */
struct plan planner_next(struct planner *planner, int64_t now_ms) MUST_CHECK;

/* Takes out the due records of the same integration as `like` that `wanted` wants, the first first,
 * linked by `next`; they are no longer in the planner. NULL when there are none. */
struct record *planner_take(struct planner *planner, const struct record *like,
                            bool (*wanted)(const struct record *record, const struct record *like),
                            int64_t now_ms) MUST_CHECK;

/* How long until planner_next has something; 0 when it has now, INT64_MAX when it will not. */
int64_t planner_wait(struct planner *planner, int64_t now_ms);

/* Forgets all records. */
void planner_clear(struct planner *planner);

#endif
