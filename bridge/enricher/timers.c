#include "bridge/enricher/timers.h"

#include <stdlib.h>

#include "bridge/base/memory.h"

void timers_add(struct timers *timers, int64_t at_ms, void *thing)
{
    if (timers->count == timers->capacity) {
        timers->capacity = timers->capacity == 0 ? 64 : timers->capacity * 2;
        timers->heap = memory_grow(timers->heap, timers->capacity, sizeof *timers->heap);
    }
    size_t i = timers->count++;
    for (; i > 0 && timers->heap[(i - 1) / 2].at_ms > at_ms; i = (i - 1) / 2)
        timers->heap[i] = timers->heap[(i - 1) / 2];
    timers->heap[i] = (struct timer){at_ms, thing};
}

void *timers_due(struct timers *timers, int64_t now_ms)
{
    if (timers->count == 0 || timers->heap[0].at_ms > now_ms)
        return NULL;
    void *thing = timers->heap[0].thing;
    struct timer last = timers->heap[--timers->count];
    size_t i = 0;
    for (size_t child = 1; child < timers->count; child = 2 * i + 1) {
        if (child + 1 < timers->count && timers->heap[child + 1].at_ms < timers->heap[child].at_ms)
            child++;
        if (timers->heap[child].at_ms >= last.at_ms)
            break;
        timers->heap[i] = timers->heap[child];
        i = child;
    }
    timers->heap[i] = last;
    return thing;
}

int64_t timers_next(const struct timers *timers)
{
    return timers->count == 0 ? INT64_MAX : timers->heap[0].at_ms;
}

void timers_free(struct timers *timers)
{
    free(timers->heap);
    *timers = (struct timers){0};
}
