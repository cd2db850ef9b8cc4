#include "tests/simulator/told.h"

#include <stdlib.h>

#define FIRST_CAPACITY 1024

void told_add(struct told_log *log, const struct told_change *change, int64_t queued_at)
{
    if (log->count == TOLD_KEPT_MAX)
        return;
    if (log->count == log->capacity) {
        log->capacity = log->capacity > 0 ? log->capacity * 2 : FIRST_CAPACITY;
        log->items = memory_resize(log->items, log->capacity, sizeof log->items[0]);
    }
    log->items[log->count++] = (struct told){.change = *change, .queued_at = queued_at};
}

void told_end(struct told_log *log, const struct delivery *delivery)
{
    if (delivery->number >= log->count)
        return;
    log->items[delivery->number].ended_at = delivery->ended_at;
    log->items[delivery->number].outcome = delivery->outcome;
}

void told_free(struct told_log *log)
{
    free(log->items);
    *log = (struct told_log){0};
}
