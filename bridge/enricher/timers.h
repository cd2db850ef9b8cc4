/* Things by time, the earliest first: a binary heap. The things are the caller's. */
#ifndef BRIDGE_ENRICHER_TIMERS_H
#define BRIDGE_ENRICHER_TIMERS_H

#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"

struct timers { /* zeroed = empty */
    struct timer {
        int64_t at_ms;
        void *thing;
    } * heap;
    size_t count;
    size_t capacity;
};

void timers_add(struct timers *timers, int64_t at_ms, void *thing);

/* The first whose time has come, taken out; NULL when there is none. */
void *timers_due(struct timers *timers, int64_t now_ms) MUST_CHECK;

/* When the first is due; INT64_MAX when there is none. */
int64_t timers_next(const struct timers *timers);

void timers_free(struct timers *timers);

#endif
