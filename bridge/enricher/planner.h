/*
 * What is the next request? A pure decision over the records that wait, what is known of the API's
 * lists, and the clock: no I/O, and no budget kept here (the caller asks only when a request may
 * start).
 *
 * A request is worth the records it is expected to bring. Candidates, for the group (model and
 * integration) whose turn it is: one record by its id; a page of the newest of its list; a page of
 * the newest of the model's list over all integrations; a page of a scan of either. What pages of
 * the newest bring is learnt: of the records looked for, the part that was found (newest.h). Those
 * that such pages should have had and did not are asked for by themselves, or by a scan when they
 * are more than its pages.
 *
 * Two lanes: live changes; and records of which nothing but `last_seen` changed, which have time:
 * they ride along on every page, and are asked for by themselves only when budget is idle, when
 * they have waited long, or when they are so many that a scan is cheap.
 *
 * A group is served when a page of it is full, or when its oldest has waited `max_delay_ms`, or at
 * once when it was idle and so is the budget. Integrations take turns, so a hundred thousand
 * changes of one do not starve three of another; within one the most worthwhile group is first,
 * unless one has waited long.
 *
 * Who may not be asked for (breakers.h) leaves the turns, and is not looked at again before
 * planner_release: its records wait here, may be on pages over all integrations, and do not count
 * as a backlog.
 *
 * Nothing is lost here: a record is in exactly one queue from planner_add on, until it is given out
 * by planner_next or taken out by planner_remove. Pages are not bound to records: who is on a page
 * is seen when it comes. One thread.
 */
#ifndef BRIDGE_ENRICHER_PLANNER_H
#define BRIDGE_ENRICHER_PLANNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/enricher/pending.h"
#include "bridge/enricher/waiting.h"

/* May the integration be asked for now (`place` -1)? And, if it may, its records of that model? */
typedef bool planner_may(void *context, const char *integration_id, int place, int64_t now_ms);

struct planner_rules {
    int64_t max_delay_ms;     /* of the live lane, for the sake of fuller pages */
    int64_t low_max_delay_ms; /* of the low lane */
    planner_may *may;         /* NULL: all may always be */
    void *context;
};

/* What the planner is told of the budget. */
struct planner_budget {
    bool unlimited;     /* no limit is known: requests cost nothing but work */
    bool idle;          /* a request now takes nothing from later ones */
    int64_t latency_ms; /* of the API's answers, lately */
};

/* A page to be asked for. */
struct page_ask {
    enum pages_kind kind;
    int place;                  /* of the model */
    const char *integration_id; /* NULL = all; of pending_integration */
    int64_t offset;
    int limit;
    int64_t since_ms; /* when the oldest event looked for came, by Kafka's clock; 0 = not told */
    uint32_t serial;  /* of a scan */
    bool full; /* all its rows are of use: the list's length is not known, or low ones ride along */

    /* A page of the newest; newest.h. */
    uint64_t start;    /* tick: records whose last event came later are not looked for */
    uint32_t ranking;  /* of the model, when it was asked for */
    uint32_t top;      /* of the list, then */
    float rate;        /* and what it grew by, a millisecond */
    uint32_t from;     /* rank of the oldest looked for; */
    uint32_t rows;     /* so many ranks are */
    uint32_t wanted;   /* records looked for, */
    uint32_t promised; /* and as many were thought to be */
};

enum plan_kind {
    PLAN_NOTHING, /* nothing is to be asked now; `wait_ms` tells for how long */
    PLAN_ID,      /* fetch `record` by itself */
    PLAN_PAGE,    /* ask for `page` */
};

struct plan {
    enum plan_kind kind;
    struct record *record;
    struct page_ask page;
    int64_t wait_ms; /* INT64_MAX: until something is added */
};

struct planner;

struct planner *planner_new(int models, const struct planner_rules *rules) MUST_CHECK;
void planner_free(struct planner *planner); /* NULL is allowed; the records are not the planner's */

/* The model's records can be asked for both by id and by pages of a list, which knows the filter by
 * integration or not. Models that this is not said of have each record asked for by itself. */
void planner_allow_pages(struct planner *planner, int place, bool by_integration);

/* A record waits, from record->due_ms on. It must not be in the planner already. */
void planner_add(struct planner *planner, struct record *record, int64_t now_ms);

/* Another event joined a record that waits: it may have become a live change. */
void planner_joined(struct planner *planner, struct record *record, int64_t now_ms);

/* A record of the list changed that does not wait: an event that is done already tells of it. */
void planner_moved(struct planner *planner, int place, const char *integration_id, bool low,
                   int64_t now_ms);

/* An event of the record was taken in from there: its partition, and all of its model's. Borrowed
 * for the planner's life. */
void planner_behind(struct record *record, const struct behind *own, const struct behind *all);

/* What the group's low lane holds now is wanted soon. */
void planner_hurry(struct planner *planner, int place, const char *integration_id);

/* The record goes before all others, by itself, unless a page or a scan that is under way is to
 * bring it. */
void planner_urge(struct planner *planner, struct record *record, int64_t now_ms);

/* A page had it, but the page's request is older than its last event. After a few of these it is
 * asked for by itself, so that a record that changes all the time comes to its turn too. */
void planner_passed_over(struct planner *planner, struct record *record);

/* True when a page may satisfy it: it waits in a queue. */
bool planner_has(const struct record *record);

/* Takes a record out that planner_has. */
void planner_remove(struct planner *planner, struct record *record);

/* The next request; a record that is returned is no longer in the planner, and a page counts as
 * under way until planner_page_done or _failed. `tick` is the stale rule's present tick. */
struct plan planner_next(struct planner *planner, const struct planner_budget *budget,
                         uint64_t tick, int64_t now_ms) MUST_CHECK;

/* What came of a page. */
struct page_seen {
    uint32_t rows;
    uint32_t live_hits; /* records it satisfied, by lane */
    uint32_t low_hits;
    uint32_t early; /* records that it showed as they were before their last event, perhaps */
    int64_t total;  /* -1 = not told */
    bool more;      /* the list goes on */
    bool past;      /* its last row last changed before any record looked for did, */
    bool below;     /* and so did its first */
    bool placed;    /* it shows nobody, but where, by its rows' times: */
    int64_t row;    /* the oldest looked for lies there */
    struct depth_seen depth;
};

/* A row of the page, by its number, shows a record that planner_has: call it before that is
 * removed. */
void planner_found(const struct page_ask *ask, const struct record *record, uint32_t row,
                   struct page_seen *seen);

/* Call it after the records that the page satisfied were removed. */
void planner_page_done(struct planner *planner, const struct page_ask *ask,
                       const struct page_seen *seen, int64_t now_ms);

/* The page was not had; none of its list is asked for within `delay_ms` (list_hold). */
void planner_page_failed(struct planner *planner, const struct page_ask *ask,
                         enum page_failure failure, int64_t delay_ms, int64_t now_ms);

/* The integration may be asked for again, or, when `place` is not -1, its records of that model. */
void planner_release(struct planner *planner, const char *integration_id, int place,
                     int64_t now_ms);

/* Takes out the records of the same integration as `like` that are to be asked for by themselves
 * and that `wanted` wants, the first first, linked by `next`. NULL when there are none. */
struct record *planner_take(struct planner *planner, const struct record *like,
                            bool (*wanted)(const struct record *record, const struct record *like),
                            int64_t now_ms) MUST_CHECK;

/* How long planner_next may be left unasked when the budget would allow a request: 0 when it has
 * something now, INT64_MAX when nothing waits. */
int64_t planner_wait(struct planner *planner, int64_t now_ms);

/* About how many requests the live lane is waiting for, those that may not be asked aside. */
size_t planner_backlog(const struct planner *planner);

/* Forgets all records. */
void planner_clear(struct planner *planner);

#endif
