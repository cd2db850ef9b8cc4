/*
 * What a request would be worth: the records it is expected to bring. Pure.
 */
#ifndef BRIDGE_ENRICHER_WORTH_H
#define BRIDGE_ENRICHER_WORTH_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/enricher/planner.h"
#include "bridge/enricher/waiting.h"

/* A page that brings less than this many does not pay. */
#define WORTH_PAGE 2

/* What could be asked for. */
struct option {
    double worth;          /* 0 = nothing can be */
    struct record *record; /* by itself; or, when NULL: */
    struct list *list;
    enum pages_kind kind;
    bool whole; /* over all integrations */
};

/* The best request for the live lane of the group; a page over all integrations may be best for
 * it. */
struct option worth_live(struct group *group, const struct planner_budget *budget, int64_t now_ms);

/* The same for its low lane; only a scan where `scan`. */
struct option worth_low(struct group *group, bool scan, const struct planner_budget *budget,
                        int64_t now_ms);

/* The next page of a series (or the first one) when so many wait in the queue that it is for. */
double worth_of_page(const struct list *list, enum pages_kind kind, uint32_t waiting,
                     int64_t now_ms);

/* A page that is expected to bring less than this is not asked for. */
double worth_least(bool unlimited);

#endif
