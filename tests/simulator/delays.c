#include "tests/simulator/delays.h"

#include <stdbool.h>
#include <stdlib.h>

#include "tests/simulator/text.h"

void delays_add(struct delays *delays, int64_t due, void *item)
{
    if (delays->count == delays->capacity) {
        delays->capacity = delays->capacity > 0 ? delays->capacity * 2 : 64;
        delays->heap = memory_resize(delays->heap, delays->capacity, sizeof delays->heap[0]);
    }
    size_t at = delays->count++;
    while (at > 0 && delays->heap[(at - 1) / 2].due > due) {
        delays->heap[at] = delays->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    delays->heap[at] = (struct delay){due, item};
}

int64_t delays_next(const struct delays *delays)
{
    return delays->count > 0 ? delays->heap[0].due : DELAYS_NEVER;
}

void *delays_take(struct delays *delays, int64_t now)
{
    if (delays->count == 0 || delays->heap[0].due > now)
        return NULL;
    void *item = delays->heap[0].item;
    struct delay last = delays->heap[--delays->count];
    size_t at = 0;
    while (true) {
        size_t child = at * 2 + 1;
        if (child + 1 < delays->count && delays->heap[child + 1].due < delays->heap[child].due)
            child++;
        if (child >= delays->count || delays->heap[child].due >= last.due)
            break;
        delays->heap[at] = delays->heap[child];
        at = child;
    }
    if (delays->count > 0)
        delays->heap[at] = last;
    return item;
}

void delays_free(struct delays *delays)
{
    free(delays->heap);
    *delays = (struct delays){0};
}
