/*
 * How deep in a list, newest first, a row lies, without asking. Pure.
 *
 * As many rows lie above a record as records of the list changed after it. What was taken in is
 * counted: a record's rank is the count at its last event, and what came since tells its depth.
 * What lies in Kafka and was not taken in yet is newer than all that was, so its rows lie on top of
 * these: a backlog is read from far below the top, and while it is taken in no row moves. How many
 * of a partition's events are of the list is told at first by how many of them lay between those
 * that were, on average. That is as rough as the few that were taken in, so once a page has shown
 * where the list's records lie, or by its rows' times how far it lies off, only that counts, and
 * what is new in Kafka since.
 *
 * That is too little by the changes whose events are not in Kafka yet when a page is read, and too
 * much by records that changed twice. Both are measured on every page that shows somebody who
 * waited: a delay, which counts while many rows move, and a ratio, which counts for rows that lie
 * deep; and how far single rows scatter about that.
 */
#ifndef BRIDGE_ENRICHER_DEPTH_H
#define BRIDGE_ENRICHER_DEPTH_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"

/* Where the events of a list come from: a partition, or all of a model's. */
struct behind {
    uint32_t taken;  /* events, since the process began; */
    uint32_t unseen; /* and those in Kafka that were not */
};

/* Of one list. Zeroed, but `ratio` = 1: nothing is known. */
struct depth {
    uint32_t came; /* rows that went to the top, as far as events told, since it is known here */
    uint32_t counted;
    float counted_above;
    uint32_t taken;  /* of `behind`, when the last row was told */
    uint32_t gaps;   /* that `gap` is of, up to a bound */
    float gap;       /* events of `behind` from one row told to the next, on average; 0: unknown */
    float above;     /* once `measured`: rows of what was not taken in */
    uint32_t end;    /* when there were so many events, taken in or not */
    int64_t came_ms; /* when the last came */
    int64_t counted_ms;
    const struct behind *behind; /* borrowed; NULL: nothing is known of Kafka */
    float rate;                  /* rows that went to the top, a millisecond, when last counted */
    float ratio;       /* of what changed since a record's last event, the rows above it; */
    float delay_ms;    /* and those that come in this time; */
    float spread;      /* and how far that scatters: the standard deviation */
    bool measured;     /* these were */
    uint8_t misplaced; /* the last pages, so many, lay elsewhere than what they looked for */
};

/* What a page showed of it; zeroed = nothing. */
struct depth_seen {
    uint32_t count;       /* rows of records that waited, */
    float told;           /* added up: how deep they were told to lie, */
    float deeper;         /* how much deeper they lie, */
    float deeper_squared; /* and the squares of that */
};

/* The list's events come from there. */
void depth_follow(struct depth *depth, const struct behind *behind);

/* A row went to the top. */
void depth_moved(struct depth *depth, int64_t now_ms);

/* The rank of the newest row, what lies in Kafka included. */
uint32_t depth_top(const struct depth *depth);

/* Rows that went to the top after a record of that rank, as far as is told or lies in Kafka. */
uint32_t depth_told(const struct depth *depth, uint32_t rank);

/* Rows that go to the top, a millisecond, lately. While nothing is measured not so many that half a
 * page would, in the time that an event takes: a backlog of events tells of old changes. */
float depth_rate(const struct depth *depth, int limit, int64_t now_ms);

/* Rows that most records lie deeper or less deep than expected, of a page of so many. */
uint32_t depth_margin(const struct depth *depth, int limit);

/* Rows expected above a record when the page is read that is asked for now. */
int64_t depth_expected(struct depth *depth, uint32_t rank, float rate, int64_t latency_ms);

/* A row of the page, the `row`th of the list, shows a record of that rank; `top` is of when the
 * page was asked for. */
void depth_found(struct depth_seen *seen, uint32_t top, uint32_t rank, int64_t row);

/* How far what was seen scatters: the standard deviation, in rows. */
float depth_scatter(const struct depth_seen *seen);

/* How much deeper they lie than told, on average. */
float depth_mean(const struct depth_seen *seen);

/* What was seen puts right what is expected; `top` and `rate` are of when the page was asked for.
 */
void depth_learn(struct depth *depth, const struct depth_seen *seen, uint32_t top, float rate,
                 int limit);

/* A page showed nobody, because it lies below (or above) all that it looked for. */
void depth_misplaced(struct depth *depth, bool below);

/* The same, and it shows in which row a record of that rank lies. False when little of what lies
 * above is in Kafka: then that is no explanation. */
bool depth_lies(struct depth *depth, uint32_t rank, int64_t row, int limit) MUST_CHECK;

/* That often, by now, that those who were looked for count as missed. */
bool depth_is_lost(const struct depth *depth);

#endif
