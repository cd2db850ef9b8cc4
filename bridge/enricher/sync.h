/*
 * A sync that Propexo has told as complete: which of its models have been told to us, which of
 * these are done, and how that is written down. Pure.
 */
#ifndef BRIDGE_ENRICHER_SYNC_H
#define BRIDGE_ENRICHER_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/propexo/selection.h"

enum sync_state {
    SYNC_OTHER,   /* the sync does not cover the model */
    SYNC_UNTOLD,  /* its barrier has not come yet */
    SYNC_WAITS,   /* what came before the barrier is not done */
    SYNC_COMMITS, /* it is, and not all of it is committed */
    SYNC_DONE,    /* told */
};

struct check;

/* What reconciliation found of one model. */
struct sync_check {
    bool done;
    bool reconciled;
    int64_t missed;     /* records of which a webhook did not arrive; made good */
    int64_t unverified; /* records made good of which that is not known */
};

/* One model of it. */
struct sync_part {
    enum sync_state state;
    int64_t offset; /* of the barrier, the last of them */
    bool again;     /* another barrier is under way, behind what was made good */
    uint64_t token; /* that this barrier bears */
    struct sync_check check;
    int64_t snapshots;    /* SYNC_DONE: as told */
    int64_t dead_letters; /* the same */

    /* Not written down: */
    int64_t open_at;    /* the first event before it that was open when last looked at */
    uint32_t waits_for; /* serial of the last batch that holds what it waits for */
};

struct sync {
    char *integration_id;
    char *id;
    int number;       /* of the partition */
    int64_t began_ms; /* wall clock: the first barrier came */
    size_t count;     /* of `parts`, by place */
    struct sync_part *parts;
    bool is_backsync; /* its changes are told by no webhook */
    char reason[64];  /* why it is not reconciled; empty */

    /* Not written down: */
    struct check *check; /* reconcile.c; NULL while there is none */
    struct sync *next;
};

/* `models` names those that it covers, "leases,units"; those that are not selected are left out. */
struct sync *sync_new(const char *integration_id, const char *id, int number, const char *models,
                      const struct selection *selection, int64_t wall_ms) MUST_CHECK;
void sync_free(struct sync *sync); /* NULL is allowed; `check` must be freed before */

/* As JSON text that the caller frees. */
char *sync_write(const struct sync *sync, const struct selection *selection) MUST_CHECK;

/* NULL when it is not such a text. */
struct sync *sync_read(const char *text, size_t length, const char *integration_id, int number,
                       const struct selection *selection) MUST_CHECK;

/* Models that it covers here, and how many of them are done. */
size_t sync_models(const struct sync *sync, size_t *done);

/* The barriers of all its models have come. */
bool sync_is_told(const struct sync *sync) MUST_CHECK;

/* Some of its models were not checked, and wait for no barrier that brings the result. */
bool sync_wants_check(const struct sync *sync) MUST_CHECK;

/* What the models' milestones add up to; `check.reconciled` when each of them is. */
struct sync_part sync_sum(const struct sync *sync);

#endif
