/*
 * The check of a sync, as its two halves see it: reconcile.c asks what is missing, amends.c makes
 * that good and ends the check. Loop thread; only these two include it.
 */
#ifndef BRIDGE_ENRICHER_RECONCILE_H
#define BRIDGE_ENRICHER_RECONCILE_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/enricher/audit.h"
#include "bridge/enricher/engine.h"
#include "bridge/enricher/ledger.h"
#include "bridge/enricher/sync.h"

enum check_phase {
    CHECK_ASKS,       /* how many changes were recorded */
    CHECK_WAITS,      /* for what may be on its way */
    CHECK_ASKS_AGAIN, /* the same question, and the first page if it comes to that */
    CHECK_READS,      /* the recorded changes */
    CHECK_SWEEPS,     /* the models' lists */
};

struct check {
    uint64_t serial;
    enum check_phase phase;
    bool in_flight;
    int failures;
    int64_t not_before_ms;
    int64_t deadline_ms;
    uint64_t sequence; /* of the ledger, when the question was asked */
    int64_t heard;     /* then; -1: the answer's number proves nothing */
    int64_t total;     /* recorded since the anchor, by the answer; -1 = not told */
    int64_t fresh;     /* of these, in the window; -1 = not known */
    int64_t newest_ms; /* stamp of the newest of them */
    int64_t offset;    /* of the next page */
    int pages;         /* read */
    int passes;        /* begun */
    bool unsure;       /* late webhooks may come of what was made good, and not be known */
    struct audit *audit;
    struct backfill **sweeps; /* by place */
    int64_t *found;           /* records made good, by place */
    const char *verdict;      /* what the sweeps cannot make good; NULL */
    char trouble[64];         /* what stands in the way of an answer */
};

struct ledger check_ledger(const struct engine *engine, const struct sync *sync);
struct ledger_window check_window(const struct engine *engine, const struct sync *sync);

/* amends.c */

/* Writes events for what the audit finds missing. */
void check_make_good(struct engine *engine, struct sync *sync);

/* Lists show all changes of all models. */
bool check_can_sweep(const struct engine *engine) MUST_CHECK;

/* Reads the lists of all models that have one. */
void check_begin_sweeps(struct engine *engine, struct sync *sync);

/* Ends the check when they are read, and what they brought is committed. */
void check_look_at_sweeps(struct engine *engine, struct sync *sync);

/* The check is over, and freed. `reason` (static, or the check's): why the sync cannot be told as
 * reconciled, or NULL. `close`: the next check begins where this one asked; else it asks again. */
void check_end(struct engine *engine, struct sync *sync, const char *reason, bool close);

#endif
