#include "bridge/enricher/offsets.h"

#include <stdlib.h>

#include "bridge/base/log.h"
#include "bridge/base/memory.h"

/* The events above the watermark, oldest first, in a ring. Done ones are dropped when it is full,
 * so one event that stays open for days does not make it grow: it holds at most twice the open
 * ones. */
struct partition {
    struct mark {
        int64_t offset;
        uint32_t parts; /* that are open; 0 = done */
    } * ring;
    size_t capacity; /* a power of two, or 0 */
    size_t head;
    size_t count;
    size_t open;
    int64_t next; /* one past the last event taken; -1 before the first */
};

struct offsets {
    int slots;
    size_t open;
    struct partition *partitions;
};

struct offsets *offsets_new(int slots)
{
    struct offsets *offsets = memory_new(1, sizeof *offsets);
    offsets->slots = slots;
    offsets->partitions = memory_new((size_t)slots, sizeof *offsets->partitions);
    for (int i = 0; i < slots; i++)
        offsets->partitions[i].next = -1;
    return offsets;
}

void offsets_clear(struct offsets *offsets)
{
    for (int i = 0; i < offsets->slots; i++) {
        free(offsets->partitions[i].ring);
        offsets->partitions[i] = (struct partition){.next = -1};
    }
    offsets->open = 0;
}

void offsets_free(struct offsets *offsets)
{
    if (offsets == NULL)
        return;
    offsets_clear(offsets);
    free(offsets->partitions);
    free(offsets);
}

static struct mark *at(const struct partition *partition, size_t i)
{
    return &partition->ring[(partition->head + i) & (partition->capacity - 1)];
}

/* A done one that is not the first is never asked about again. */
static void make_room(struct partition *partition)
{
    struct partition old = *partition;
    if (old.capacity == 0 || old.open > old.capacity / 2)
        partition->capacity = old.capacity == 0 ? 16 : old.capacity * 2;
    partition->ring = memory_new(partition->capacity, sizeof *partition->ring);
    partition->head = 0;
    partition->count = 0;
    for (size_t i = 0; i < old.count; i++) {
        if (at(&old, i)->parts > 0)
            partition->ring[partition->count++] = *at(&old, i);
    }
    free(old.ring);
}

void offsets_take(struct offsets *offsets, int slot, int64_t offset, uint32_t parts)
{
    struct partition *partition = &offsets->partitions[slot];
    if (partition->count == partition->capacity)
        make_room(partition);
    *at(partition, partition->count) = (struct mark){offset, parts};
    partition->count++;
    partition->open += parts;
    offsets->open += parts;
    partition->next = offset + 1;
}

static struct mark *find(const struct partition *partition, int64_t offset)
{
    size_t low = 0;
    size_t high = partition->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct mark *mark = at(partition, middle);
        if (mark->offset == offset)
            return mark;
        if (mark->offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

void offsets_done(struct offsets *offsets, int slot, int64_t offset)
{
    struct partition *partition = &offsets->partitions[slot];
    struct mark *mark = find(partition, offset);
    if (mark == NULL || mark->parts == 0) {
        log_error("offset_done_twice", LOG_NUMBER("slot", slot), LOG_NUMBER("offset", offset));
        abort();
    }
    mark->parts--;
    partition->open--;
    offsets->open--;
    while (partition->count > 0 && at(partition, 0)->parts == 0) {
        partition->head = (partition->head + 1) & (partition->capacity - 1);
        partition->count--;
    }
}

int64_t offsets_next(const struct offsets *offsets, int slot)
{
    return offsets->partitions[slot].next;
}

int64_t offsets_watermark(const struct offsets *offsets, int slot)
{
    const struct partition *partition = &offsets->partitions[slot];
    return partition->count > 0 ? at(partition, 0)->offset : partition->next;
}

size_t offsets_open(const struct offsets *offsets, int slot)
{
    return offsets->partitions[slot].open;
}

size_t offsets_open_in_all(const struct offsets *offsets)
{
    return offsets->open;
}
