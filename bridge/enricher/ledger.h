/*
 * Which changes of an integration webhooks have told of, since the last time that was compared with
 * what the API recorded (/v1/admin/data-diffs/). Kept in the cache, by partition number.
 *
 * A window lies between two such comparisons. The API's side of it is a count, by which clocks and
 * equal stamps do not matter: changes recorded since one old moment, the anchor, less those of
 * earlier windows. Our side is a count for each record. Each event's content is kept for some hours
 * as a hash, so that a webhook that comes late, after its change was found missing, or for the
 * second time, is not taken for another change. When contents cannot be matched (the API may record
 * them in another form) the counts alone decide.
 *
 * What was heard before an assignment and cannot be known makes a window unverified: whatever is
 * not heard in it is made good, but is not called missed.
 */
#ifndef BRIDGE_ENRICHER_LEDGER_H
#define BRIDGE_ENRICHER_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/enricher/cache.h"

/* One integration's page; borrows all. */
struct ledger {
    struct cache *cache;
    int number; /* of the partition */
    const char *integration_id;
    int64_t late_ms; /* webhooks come so late at most: what was heard is remembered for longer */
};

/* Where a window begins, in the API's words. */
struct ledger_start {
    uint32_t number;   /* of the window; 0 = the first */
    int64_t anchor_ms; /* changes are counted from this moment on, without it */
    int64_t counted;   /* of these, how many belong to earlier windows */
    int64_t newest_ms; /* stamp of the newest change of these; the anchor when there are none */
};

struct ledger_window {
    struct ledger_start start;
    struct ledger_start before; /* the last that is committed, while `closing` */
    uint64_t closing;           /* not 0: who began the window, and has not committed that yet */
    uint32_t epoch; /* all since then was heard, if nothing has been missed since (ledger_blind) */
    uint32_t generation;
    int64_t generation_ms; /* wall clock: began */
    uint64_t sequence;     /* of the event heard last */
    uint64_t carried;      /* what was heard behind it before the window began counts in it too */
    int64_t heard;         /* events */
    int64_t records;       /* that they speak of */
    int64_t seen;          /* events that tell of nothing but `last_seen` */
    int64_t doubts;    /* events whose like was heard before, in this window or an earlier one */
    int64_t proves_ms; /* wall clock: before, late webhooks of changes that nobody remembers may
                        * come, so that counts prove nothing */
    bool verified;     /* by the epoch, when it is read: all was heard in it */
};

/* The window; false, and a zeroed one, when nothing was heard of the integration. */
bool ledger_window(const struct ledger *ledger, struct ledger_window *window);

/* The first event of an integration was taken, or its first sync: a window begins at this moment
 * (wall clock), unless there is one. */
void ledger_open(const struct ledger *ledger, int64_t anchor_ms, int64_t wall_ms);

/* An event of the record was taken; `hash` is that of its content, `only_seen` says that it tells
 * of nothing but `last_seen`. False when there is no window: nothing was counted. */
bool ledger_hear(const struct ledger *ledger, const char *model, const char *record_id,
                 uint64_t hash, bool only_seen, int64_t wall_ms);

/* How many events of the record were heard in this window. */
int64_t ledger_count(const struct ledger *ledger, const char *model,
                     const char *record_id) MUST_CHECK;

/* What is known of a change by its content. */
enum ledger_status {
    LEDGER_UNKNOWN,
    LEDGER_BEFORE, /* one of this content was heard in an earlier window */
    LEDGER_GOOD,   /* it was made good */
    LEDGER_HEARD,  /* it was heard in this window */
};
enum ledger_status ledger_status(const struct ledger *ledger, const char *model,
                                 const char *record_id, uint64_t hash) MUST_CHECK;

/* The change is made good, and that is committed: its webhook, should it come, is not another one.
 */
void ledger_owe(const struct ledger *ledger, const char *model, const char *record_id,
                uint64_t hash);

/* The window begins elsewhere by the API's count, with the same changes. */
void ledger_anchor(const struct ledger *ledger, const struct ledger_start *start);

/* A new window begins, with what is heard from now on and what was heard behind `sequence`. `by`
 * (not 0) tells this assignment from others: until ledger_closed says that the beginning is
 * committed, whoever has another one goes back to the last one that is. `unsure`: it is not known
 * which changes were made good. */
void ledger_close(const struct ledger *ledger, const struct ledger_start *start, uint64_t sequence,
                  uint64_t by, bool unsure, int64_t wall_ms);
void ledger_closed(const struct ledger *ledger, const struct ledger_start *start);

/* Where the window begins by what is committed; it becomes unverified when that was not known. */
void ledger_restore(const struct ledger *ledger, const struct ledger_start *start, int64_t wall_ms);

/* A window whose beginning is not committed, by another assignment than `by`, begins again where
 * the last one did that is. */
void ledger_settle(const struct ledger *ledger, uint64_t by);

/* Events of this partition number were taken by somebody else: all its windows are unverified. */
void ledger_blind(struct cache *cache, int number);

#endif
