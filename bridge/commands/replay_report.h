/*
 * What a replay did: counts by code, model and outcome, and where the letters are that cannot be
 * sent back. Bounded: REPLAY_ROWS_MOST rows (further ones count as "other"), REPLAY_SHOWN_MOST
 * places. One thread.
 */
#ifndef BRIDGE_COMMANDS_REPLAY_REPORT_H
#define BRIDGE_COMMANDS_REPLAY_REPORT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/table.h"
#include "bridge/commands/replay_letter.h"

#define REPLAY_ROWS_MOST  1000
#define REPLAY_SHOWN_MOST 100

struct replay_report {
    struct table rows; /* of struct replay_row */
    cJSON *places;     /* an array; NULL while there is none */
    int64_t read;      /* letters */
    int64_t sent;      /* letters that went back, or whose records were ordered again */
    int64_t before;    /* letters that an earlier replay has sent */
    int64_t passed;    /* letters that were not chosen */
    int64_t left;      /* letters that were chosen and cannot be sent */
    int64_t unplaced;  /* of these, those that cannot ever be, beyond REPLAY_SHOWN_MOST */
};

/* Counts a letter that was chosen, with what became of it. `seen` tells where it lies. */
void replay_report_add(struct replay_report *report, const struct message *seen, int64_t offset,
                       const struct replay_letter *letter);

/* Moves all of `from`, which is then empty, into `into`. */
void replay_report_join(struct replay_report *into, struct replay_report *from);

/* Empties it. */
void replay_report_free(struct replay_report *report);

/* What standard output gets. `interrupted`: there may be more to do. */
void replay_report_print(const struct replay_report *report, bool dry_run, bool interrupted);

/* The same as JSON; the caller deletes it. */
cJSON *replay_report_json(const struct replay_report *report, bool dry_run,
                          bool interrupted) MUST_CHECK;

#endif
