/*
 * The records that wait, as the planner sees them: by group (a model and an integration), by queue
 * within it (enum record_queue), and with what is known of the lists of the API that show them.
 * Data only; what to do about it is planner.c. Pure; one thread; only this room's planner includes
 * it.
 */
#ifndef BRIDGE_ENRICHER_WAITING_H
#define BRIDGE_ENRICHER_WAITING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/table.h"
#include "bridge/enricher/depth.h"
#include "bridge/enricher/pending.h"

enum pages_kind {
    PAGES_LIVE, /* the newest first, for the live lane */
    PAGES_LOW,  /* the newest first, for the low lane */
    PAGES_SCAN, /* the whole list, the oldest first */
    PAGES_KINDS
};

enum page_failure {
    PAGE_AGAIN,      /* says nothing about the page: to be asked again */
    PAGE_UNREADABLE, /* something on it cannot be read, or it is too large: smaller ones may be */
    PAGE_REFUSED,    /* the API does not give this list */
};

/* A scan of a list. */
struct scan {
    int64_t offset; /* of the next page */
    uint64_t start; /* tick: records whose last event came later were not looked for; 0 = none has
                       begun */
    uint32_t serial;
    uint32_t wanted; /* records looked for when it began */
    uint32_t hits;   /* found by it so far */
    int in_flight;
    bool ended; /* no further page is asked for */
};

/* What is known of a list: a model's, of one integration or of all. */
struct list {
    int64_t total;            /* rows, by its last answer; -1 = not known */
    int64_t held_ms;          /* no page before: it could not be read */
    int16_t failures;         /* PAGE_AGAIN, in a row */
    int16_t limit;            /* rows a page */
    float found[PAGES_KINDS]; /* the part of the records looked for that pages had, lately */
    struct depth depth;
    struct scan *scan; /* made with its first page */
};

struct queue {
    struct record *first;
    struct record *last;
    uint32_t count;
    uint32_t covered; /* of them */
};

/* Where groups stand in line, first come first served. */
enum line {
    LINE_EAGER, /* idle budget serves them at once */
    LINE_LOW,   /* they have a low lane */
    LINES
};

struct groups_line { /* zeroed = empty */
    struct group *first;
    struct group *last;
};

struct integration;
struct model_lists;

struct group {
    struct integration *integration;
    struct model_lists *model;
    struct list list;
    struct queue live;
    struct queue single;
    struct queue low;
    int asked;           /* pages of the newest of its list that are under way */
    int64_t served_ms;   /* when something was last asked for it; 0 = not yet */
    int64_t low_last_ms; /* when its low lane last grew */
    bool ripe;           /* in its integration's list of ripe groups */
    bool timed;          /* in the heap */
    bool hurries;        /* its low lane does not wait for idle budget */
    bool in_line[LINES];
    struct group *next_ripe;
    struct group *next_in_line[LINES];
    struct group *next_of_integration;
    struct group *previous_of_integration;
    struct group *next_of_model;
    struct group *previous_of_model;
};

struct integration {
    const char *id; /* "" for orphans */
    struct group *groups;
    struct group *ripe;
    uint32_t waiting; /* records in its groups' queues, the low lane's aside */
    bool in_turns;
    bool held; /* it may not be asked for */
    struct integration *next_turn;
};

/* All groups of a model. */
struct model_lists {
    int place;
    bool pages;          /* its list can be asked for by pages, and its records by id */
    bool by_integration; /* its list knows that filter */
    struct list list;    /* over all integrations */
    uint32_t live;       /* records in all groups' queues */
    uint32_t single;
    uint32_t low;
    uint32_t covered[2]; /* of the live and the low ones */
    struct deepest {
        uint32_t rank; /* of the deepest in the list over all integrations, lately */
        int64_t found_ms;
    } deepest[2];
    struct group *groups;
};

struct waiting {
    bool low_moves;    /* a change of nothing but `last_seen` moves a row to the top of its list */
    uint32_t low_came; /* such ones, since that was last believed otherwise */
    uint32_t ranking;  /* counts how often records were ranked anew */
    struct table integrations; /* id -> struct integration, borrowing the id */
    struct model_lists *models;
    int model_count;
    size_t group_count;
    size_t live; /* records in all queues of the kind, those of held integrations aside; */
    size_t single;
    size_t low; /* these included */
};

void waiting_init(struct waiting *waiting, int models);
void waiting_free(struct waiting *waiting);

/* Forgets all records and groups; what is known of the models' lists over all integrations stays.
 */
void waiting_clear(struct waiting *waiting);

/* The group of a record, made when there is none. */
struct group *waiting_group(struct waiting *waiting, const struct record *record) MUST_CHECK;

/* The integration, or NULL when it has no group. */
struct integration *waiting_integration(const struct waiting *waiting, const char *integration_id);

/* The group of these, or NULL. */
struct group *waiting_find(const struct waiting *waiting, int place, const char *integration_id);

/* Appends a record to a queue of its group (QUEUE_LIVE, _SINGLE or _LOW), or, when `first`, puts it
 * before the others. */
void waiting_put(struct waiting *waiting, struct group *group, struct record *record,
                 enum record_queue queue, bool first);

/* Takes a record out of its queue. */
void waiting_take(struct waiting *waiting, struct record *record);

/* Its records in queues for live work count for all no longer, or again. */
void waiting_hold(struct waiting *waiting, struct integration *integration, bool held);

/* Its scan, which is there from now on. */
struct scan *list_scan(struct list *list);

/* A scan has begun and is gone on with. */
bool list_is_scanned(const struct list *list);

/* A page of the list was not had: it is not asked for within `delay_ms`, up to eight times that
 * when it fails again and again, and not more, since meanwhile its records are asked for one by
 * one. If it cannot be read at all, not for ten minutes; if smaller pages may be read, these are
 * asked for. */
void list_hold(struct model_lists *model, struct list *list, enum page_failure failure,
               int64_t delay_ms, int64_t now_ms);

/* A record was asked for by itself: pages and scans get another chance in time. */
void list_unlearn(struct list *list);

/* This record, or the first behind it, that no page under way looks for; NULL when there is none.
 */
struct record *record_open(struct record *record) MUST_CHECK;
struct record *queue_open(const struct queue *queue) MUST_CHECK;

/* Pages of its scan are under way. */
bool list_scan_comes(const struct list *list);

/* A page under way looks for the record, which waits in a queue for pages; or no longer. */
void waiting_cover(struct group *group, struct record *record);
void waiting_uncover(struct group *group, struct record *record);

/* Frees the group when it holds nothing, nothing refers to it, and there are many. */
void waiting_let_go(struct waiting *waiting, struct group *group);

/* The group stands last in the line, if it does not stand in it. */
void line_join(struct groups_line *lines, enum line line, struct group *group);

/* The first leaves the line; NULL when there is none. */
struct group *line_leave(struct groups_line *lines, enum line line) MUST_CHECK;

/* Waits for live work. */
bool group_has_work(const struct group *group);

/* When the oldest of that was taken in; INT64_MAX when there is none. */
int64_t group_oldest(const struct group *group);

#endif
