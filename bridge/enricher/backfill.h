/*
 * A backfill: every record of one list, page after page, so that what webhooks never told of is on
 * the topics too. How far it has come, and how that is written down. Pure.
 *
 * Why no record is missed while others change: the list is read newest change first. A record that
 * changes goes to the top. If it was still to come, all rows above its place move down by one, so a
 * row is read twice, never none; the record itself has an event. If it was read already, nothing
 * below moves. Only a deletion moves rows up: so each page begins with the last rows of the one
 * before, and goes back when none of them is there.
 *
 * A server may give rows of equal stamps in another order each time: it is seen from those last
 * rows. Until enough of them came in the same order to believe that it does not, and always when it
 * does, pages begin where the last stamp of the one before does, so that all rows of it are on one
 * page.
 *
 * New records, and orders that come while it runs, make it look at the top once more at the end, as
 * far down as changed since it began. Then the records met are counted against the list's length
 * when that look began. When some are missing they may have gone to the top during the look, which
 * one more tells; else rows of one stamp are more than a page, or the order was believed too early:
 * the list is read once more, by another key.
 *
 * Of the rows that a look at the top shows, those are published again that may have changed since
 * they were read: whose stamp is not older than where the look ends, or is missing. A row with an
 * older stamp was last changed before the backfill began (or before the look that the last one
 * follows), and what was published of it was read later. Stamps that can be seen only some seconds
 * later than they say are allowed for.
 */
#ifndef BRIDGE_ENRICHER_BACKFILL_H
#define BRIDGE_ENRICHER_BACKFILL_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/table.h"

/* Rows of a page that are those of the page before. */
#define BACKFILL_OVERLAP  2
#define BACKFILL_NO_STAMP (-1)

enum backfill_phase {
    BACKFILL_NEWEST, /* by updated_at, falling */
    BACKFILL_OLDEST, /* by created_at, rising */
    BACKFILL_TOP,    /* by updated_at, falling, down to what it began with */
    BACKFILL_READ,   /* all is read; the completion is to be told */
    BACKFILL_DONE,
};

struct backfill {
    char *integration_id;
    int place;   /* of the model */
    int slot;    /* of the events that belong to it */
    char *order; /* id of the order that began it */
    enum backfill_phase phase;
    int passes;         /* over the whole list, the present one included */
    int64_t offset;     /* of the next page */
    int64_t met;        /* records, in all passes */
    int64_t total;      /* the list's length by its last answer; -1 = not known */
    int64_t pages;      /* asked for in all */
    int64_t snapshots;  /* published */
    int64_t missing;    /* rows that no pass found */
    int64_t started_ms; /* wall clock */
    int64_t ended_ms;
    int64_t tail;      /* rows at the end of the last page that share its last stamp */
    int64_t stamp;     /* of the last row read, milliseconds; BACKFILL_NO_STAMP */
    int64_t newest;    /* `updated_at` of the newest row when it began, the same */
    int64_t until;     /* the same: the look at the top goes down to there */
    int64_t top;       /* the same: of the newest row when that look began; of a sweep: so far */
    int64_t top_total; /* the list's length then; -1 = not known */
    int64_t proof;     /* that rows of equal stamps keep their order: the logarithm of the odds */
    bool doubt;        /* rows may have been missed in this pass */
    bool last_look;    /* the look at the top is the second one */
    bool shuffles;     /* rows of equal stamps come in another order each time */
    bool back;         /* the present page need not begin with the last rows of the one before */
    bool failed;       /* the API does not give the list */
    bool again;        /* another order came since it began */
    char *last[BACKFILL_OVERLAP]; /* ids of the last rows */

    /* Not written down: */
    bool sweep;           /* no backfill, but only its last phase, for a sync's check */
    bool abandoned;       /* a sweep that nobody waits for; ends with its answer */
    int64_t since;        /* a sweep's: stamp of the newest change of what was checked before */
    struct table unheard; /* a sweep's records that changed since then, of which no webhook told */
    bool unsure;          /* a sweep may have passed over rows */
    bool in_flight;
    int failures;
    int64_t not_before_ms;
    uint32_t waits_for[2]; /* serials of the batches that hold the last page, and the one before */
    struct table fresh[2]; /* ids that these pages met first: the cache gets them when committed */
    struct backfill *next;
};

struct backfill *backfill_new(const char *integration_id, int place, int slot, const char *order,
                              int64_t wall_ms) MUST_CHECK;
void backfill_free(struct backfill *backfill); /* NULL is allowed */

/* As JSON text that the caller frees. */
char *backfill_write(const struct backfill *backfill) MUST_CHECK;

/* NULL when it is not such a text. */
struct backfill *backfill_read(const char *text, size_t length, const char *integration_id,
                               int place, int slot) MUST_CHECK;

/* A page was read, of which `met` records were not met before: goes on behind it. */
void backfill_page(struct backfill *backfill, const cJSON *rows, bool more, int64_t total,
                   int64_t met);

/* Is the row one of those that end the page before? */
bool backfill_overlaps(const struct backfill *backfill, const char *id);

/* In a look at the top: may the row have changed since it was read? To be asked before
 * backfill_page. */
bool backfill_is_news(const struct backfill *backfill, const cJSON *row);

/* The list is read: looks at its top, for what changed since it began. */
void backfill_look(struct backfill *backfill);

/* Pages are to be asked for. */
bool backfill_reads(const struct backfill *backfill);

#endif
