/*
 * What a request would be worth: the records it is expected to bring. Pure.
 */
#ifndef BRIDGE_ENRICHER_WORTH_H
#define BRIDGE_ENRICHER_WORTH_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/enricher/planner.h"
#include "bridge/enricher/waiting.h"

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

/* The same for its low lane. */
struct option worth_low(const struct waiting *waiting, struct group *group,
                        const struct planner_budget *budget, int64_t now_ms);

#endif
