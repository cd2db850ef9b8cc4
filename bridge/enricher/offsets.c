#include "bridge/enricher/offsets.h"

#include <stdlib.h>

#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/enricher/marks.h"

/* The events above the watermark, oldest first, in a ring. Done ones are dropped when it is full,
 * so one event that stays open for days does not make it grow: it holds at most twice the open
 * ones. */
struct partition {
    struct mark {
        int64_t offset;
        uint32_t parts; /* that are open; 0 = done */
        uint16_t owner; /* of offsets_tag */
        bool passed;    /* done ones that are dropped lie between the one before it and it */
    } * ring;
    size_t capacity; /* a power of two, or 0 */
    size_t head;
    size_t count;
    size_t open;
    bool passed;       /* the same, between the last of the ring and `next` */
    int64_t next;      /* one past the last event taken; -1 before the first */
    int64_t committed; /* when the partition was assigned; -1 = nothing was */
    bool crowded;

    struct marks_run *told; /* what an earlier commit tells as done; NULL when it tells nothing */
    size_t told_count;
    size_t told_first; /* the first that reaches beyond `next` */
    int64_t told_above;
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
        offsets->partitions[i].next = offsets->partitions[i].committed = -1;
    return offsets;
}

void offsets_clear(struct offsets *offsets)
{
    for (int i = 0; i < offsets->slots; i++) {
        free(offsets->partitions[i].ring);
        free(offsets->partitions[i].told);
        offsets->partitions[i] = (struct partition){.next = -1, .committed = -1};
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

/* Of a done one that is not the first only that it lay there is asked again. */
static void make_room(struct partition *partition)
{
    struct partition old = *partition;
    if (old.capacity == 0 || old.open > old.capacity / 2)
        partition->capacity = old.capacity == 0 ? 16 : old.capacity * 2;
    partition->ring = memory_new(partition->capacity, sizeof *partition->ring);
    partition->head = 0;
    partition->count = 0;
    bool passed = false;
    for (size_t i = 0; i < old.count; i++) {
        struct mark mark = *at(&old, i);
        mark.passed |= passed;
        passed = mark.passed || mark.parts == 0;
        if (mark.parts == 0)
            continue;
        partition->ring[partition->count++] = mark;
        passed = false;
    }
    partition->passed |= passed;
    free(old.ring);
}

static void move_next(struct partition *partition, int64_t offset)
{
    partition->next = offset + 1;
    while (partition->told_first < partition->told_count &&
           partition->told[partition->told_first].to <= partition->next)
        partition->told_first++;
}

void offsets_take(struct offsets *offsets, int slot, int64_t offset, uint32_t parts)
{
    struct partition *partition = &offsets->partitions[slot];
    if (partition->count == partition->capacity)
        make_room(partition);
    *at(partition, partition->count) =
        (struct mark){.offset = offset, .parts = parts, .passed = partition->passed};
    partition->passed = false;
    partition->count++;
    partition->open += parts;
    offsets->open += parts;
    move_next(partition, offset);
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

void offsets_tag(struct offsets *offsets, int slot, int64_t offset, uint16_t owner)
{
    struct partition *partition = &offsets->partitions[slot];
    struct mark *last = partition->count == 0 ? NULL : at(partition, partition->count - 1);
    if (last != NULL && last->offset == offset)
        last->owner = owner;
}

int64_t offsets_open_from(const struct offsets *offsets, int slot, int64_t from, int64_t below,
                          uint16_t owner)
{
    const struct partition *partition = &offsets->partitions[slot];
    size_t low = 0;
    size_t high = partition->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (at(partition, middle)->offset < from)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < partition->count && at(partition, low)->offset < below; low++) {
        const struct mark *mark = at(partition, low);
        if (mark->parts > 0 && mark->owner == owner)
            return mark->offset;
    }
    return -1;
}

int64_t offsets_reached(const struct offsets *offsets, int slot)
{
    const struct partition *partition = &offsets->partitions[slot];
    return partition->next >= 0 ? partition->next : partition->committed;
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
    if (partition->count == 0)
        partition->passed = false;
}

bool offsets_load(struct offsets *offsets, int slot, int64_t watermark, const char *metadata,
                  size_t length, const char **reason)
{
    struct partition *partition = &offsets->partitions[slot];
    size_t count = 0;
    struct marks_run *runs = marks_read(metadata, length, watermark, &count, reason);
    if (runs == NULL)
        return false;
    free(partition->told);
    partition->told = runs;
    partition->told_count = count;
    partition->told_first = 0;
    partition->told_above = watermark;
    return true;
}

static void forget_told(struct partition *partition)
{
    free(partition->told);
    partition->told = NULL;
    partition->told_count = partition->told_first = 0;
}

bool offsets_told(struct offsets *offsets, int slot, int64_t offset)
{
    struct partition *partition = &offsets->partitions[slot];
    size_t i = partition->told_first;
    if (partition->told == NULL)
        return false;
    if (offset < partition->told_above) {
        log_warn("offset_metadata_ignored", LOG_NUMBER("slot", slot), LOG_NUMBER("offset", offset),
                 LOG_TEXT("reason", "the log was cut or made anew"));
        forget_told(partition);
        return false;
    }
    while (i < partition->told_count && partition->told[i].to <= offset)
        i++;
    return i < partition->told_count && partition->told[i].from <= offset;
}

void offsets_skip(struct offsets *offsets, int slot, int64_t offset)
{
    struct partition *partition = &offsets->partitions[slot];
    partition->passed = partition->count > 0;
    move_next(partition, offset);
}

/* The done ones that are told: from the watermark up to `next` those taken in. */
static bool describe_taken(const struct partition *partition, struct marks *marks)
{
    bool passed = false;
    int64_t end = partition->next; /* one past the last open one */
    for (size_t i = 0; i < partition->count; i++) {
        const struct mark *mark = at(partition, i);
        passed |= mark->passed || mark->parts == 0;
        if (mark->parts == 0)
            continue;
        if (i > 0 && passed && !marks_add(marks, end, mark->offset))
            return false;
        passed = false;
        end = mark->offset + 1;
    }
    passed |= partition->passed;
    return !passed || marks_add(marks, end, partition->next);
}

/* Above `next` those that an earlier commit tells. */
static bool describe_told(const struct partition *partition, struct marks *marks, int64_t above)
{
    for (size_t i = partition->told_first; i < partition->told_count; i++) {
        const struct marks_run *run = &partition->told[i];
        int64_t from = run->from > above ? run->from : above;
        if (from < run->to && !marks_add(marks, from, run->to))
            return false;
    }
    return true;
}

char *offsets_describe(struct offsets *offsets, int slot, size_t maximum)
{
    struct partition *partition = &offsets->partitions[slot];
    int64_t watermark = offsets_watermark(offsets, slot);
    struct marks marks;
    if (watermark < 0)
        return NULL;
    marks_begin(&marks, watermark, maximum);
    int64_t above = partition->count > 0 ? partition->next : watermark;
    partition->crowded =
        !describe_taken(partition, &marks) || !describe_told(partition, &marks, above);
    return marks_text(&marks);
}

bool offsets_crowded(const struct offsets *offsets, int slot)
{
    return offsets->partitions[slot].crowded;
}

int64_t offsets_next(const struct offsets *offsets, int slot)
{
    return offsets->partitions[slot].next;
}

void offsets_begin(struct offsets *offsets, int slot, int64_t committed)
{
    offsets->partitions[slot].committed = committed;
}

int64_t offsets_watermark(const struct offsets *offsets, int slot)
{
    const struct partition *partition = &offsets->partitions[slot];
    if (partition->count > 0)
        return at(partition, 0)->offset;
    if (partition->next >= 0 && partition->told_first < partition->told_count &&
        partition->told[partition->told_first].from <= partition->next)
        return partition->told[partition->told_first].to;
    return partition->next >= 0 ? partition->next : partition->committed;
}

size_t offsets_open(const struct offsets *offsets, int slot)
{
    return offsets->partitions[slot].open;
}

size_t offsets_open_in_all(const struct offsets *offsets)
{
    return offsets->open;
}
