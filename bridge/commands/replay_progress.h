/*
 * Which dead letters of one partition were sent back, as a group's committed offset tells it: the
 * watermark is the lowest letter that was not, and the marks beside it (enricher/marks.h) are what
 * was sent above it.
 *
 * Letters are settled in rising order, each as sent or as left. What lies between two letters (a
 * transaction's marker, a letter that retention has deleted) is no letter, so it joins the run of
 * what was sent before it. Where the marks have no room the highest are forgotten: these may be
 * sent once more by a later replay; a letter that was not sent is never told as sent. Pure; one
 * thread.
 */
#ifndef BRIDGE_COMMANDS_REPLAY_PROGRESS_H
#define BRIDGE_COMMANDS_REPLAY_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/enricher/marks.h"
#include "bridge/kafka/committed.h"

/* Where the settling stands; a copy of it is a way back. */
struct replay_point {
    int64_t position;      /* all letters before it are settled */
    int64_t lowest_left;   /* -1 = none was left */
    int64_t highest_left;  /* when one was */
    size_t sent_count;     /* runs */
    struct marks_run last; /* of them */
    size_t told_next;      /* the first run of `told` that may lie at the position or behind it */
};

struct replay_progress {
    struct marks_run *told; /* by the last commit; rising */
    size_t told_count;
    struct marks_run *sent; /* above the lowest that was left; rising */
    size_t sent_capacity;
    struct replay_point point;
};

/* Begins with what was committed, at the log's first offset `low` at least. NULL, or why the
 * commit's metadata is not believed (static). replay_progress_free frees it in any case. */
const char *replay_progress_begin(struct replay_progress *progress,
                                  const struct committed *committed, int64_t low);
void replay_progress_free(struct replay_progress *progress);

/* Before settling it: an earlier replay has sent this letter. */
bool replay_progress_knows(struct replay_progress *progress, int64_t offset) MUST_CHECK;

/* The letter at `offset`, the next one, is sent (also by an earlier replay), or left. */
void replay_progress_settle(struct replay_progress *progress, int64_t offset, bool sent);

/* There are no further letters before `next`. */
void replay_progress_reach(struct replay_progress *progress, int64_t next);

/* Back to an earlier point, of which progress->point was a copy. */
void replay_progress_return(struct replay_progress *progress, const struct replay_point *point);

/* What is to be committed: the watermark and the marks as a text that the caller frees (NULL: no
 * mark is needed). `*forgotten` = offsets whose marks found no room. */
char *replay_progress_text(const struct replay_progress *progress, int64_t *watermark,
                           int64_t *forgotten) MUST_CHECK;

#endif
