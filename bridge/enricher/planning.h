/*
 * The planner's own state, and how groups come to their turn: what its two files share. planner.c
 * keeps what waits; choice.c says what is next. Pure; nobody else includes it.
 */
#ifndef BRIDGE_ENRICHER_PLANNING_H
#define BRIDGE_ENRICHER_PLANNING_H

#include "bridge/enricher/planner.h"
#include "bridge/enricher/timers.h"
#include "bridge/enricher/waiting.h"

/* Idle budget serves so many idle groups at once, and one more a second. */
#define EAGER_AT_ONCE  4
#define EAGER_EVERY_MS 1000

struct planner {
    struct planner_rules rules;
    struct waiting waiting;
    struct integration *turn; /* those with ripe groups; whose turn is next */
    struct integration *last_turn;
    struct timers later;    /* records before their due_ms */
    struct timers ripening; /* groups that are not ripe yet */
    struct groups_line lines[LINES];
    int eager_credit;
    int64_t eager_since_ms; /* when the credit last grew */
    unsigned plans;
    bool unlimited; /* by the last word, as the next */
    int64_t latency_ms;
};

/* The integration stands last in the turns. */
void turn_last(struct planner *planner, struct integration *integration);

/* The group may be served, at its integration's turn. */
void group_ripen(struct planner *planner, struct group *group);

/* Takes the group that *at points at out of its integration's ripe ones. */
void group_unripen(struct planner *planner, struct group **at);

/* Looks at the group again at that time, or before. */
void group_look_again(struct planner *planner, struct group *group, int64_t at_ms);

/* Sees to it that the group comes to its turn. */
void group_arm(struct planner *planner, struct group *group, int64_t now_ms);

/* What was to be looked at by now is. */
void planner_wake(struct planner *planner, int64_t now_ms);

#endif
