#include "bridge/enricher/planner.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/base/table.h"

/* The due records of one integration; in the ring of turns while it has any. */
struct queue {
    struct record *first;
    struct record *last;
    struct queue *next_turn;
};

struct planner {
    struct table queues; /* integration id -> struct queue; "" for orphans */
    struct queue *turn;  /* whose turn is next */
    struct queue *last_turn;
    struct record **heap; /* not due yet, the earliest first */
    size_t heap_count;
    size_t heap_capacity;
};

struct planner *planner_new(void)
{
    return memory_new(1, sizeof(struct planner));
}

void planner_clear(struct planner *planner)
{
    size_t cursor = 0;
    struct table_slot *slot;
    while ((slot = table_next(&planner->queues, &cursor)) != NULL)
        free(slot->value);
    table_free(&planner->queues);
    planner->turn = planner->last_turn = NULL;
    planner->heap_count = 0;
}

void planner_free(struct planner *planner)
{
    if (planner == NULL)
        return;
    planner_clear(planner);
    free(planner->heap);
    free(planner);
}

static void swap(struct planner *planner, size_t a, size_t b)
{
    struct record *record = planner->heap[a];
    planner->heap[a] = planner->heap[b];
    planner->heap[b] = record;
}

static void heap_push(struct planner *planner, struct record *record)
{
    if (planner->heap_count == planner->heap_capacity) {
        planner->heap_capacity = planner->heap_capacity == 0 ? 64 : planner->heap_capacity * 2;
        planner->heap = memory_grow(planner->heap, planner->heap_capacity, sizeof *planner->heap);
    }
    size_t i = planner->heap_count++;
    planner->heap[i] = record;
    while (i > 0 && planner->heap[(i - 1) / 2]->due_ms > planner->heap[i]->due_ms) {
        swap(planner, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

static struct record *heap_pop(struct planner *planner)
{
    struct record *first = planner->heap[0];
    planner->heap[0] = planner->heap[--planner->heap_count];
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < planner->heap_count; child++) {
            if (planner->heap[child]->due_ms < planner->heap[least]->due_ms)
                least = child;
        }
        if (least == i)
            return first;
        swap(planner, i, least);
        i = least;
    }
}

static struct queue *queue_of(struct planner *planner, const struct record *record)
{
    const char *integration = record->integration_id == NULL ? "" : record->integration_id;
    size_t length = strlen(integration);
    struct queue *queue = table_get(&planner->queues, integration, length);
    if (queue == NULL) {
        queue = memory_new(1, sizeof *queue);
        (void)table_put(&planner->queues, integration, length, queue);
    }
    return queue;
}

static void take_turn_last(struct planner *planner, struct queue *queue)
{
    queue->next_turn = NULL;
    if (planner->turn == NULL)
        planner->turn = queue;
    else
        planner->last_turn->next_turn = queue;
    planner->last_turn = queue;
}

static void enqueue(struct planner *planner, struct record *record)
{
    struct queue *queue = queue_of(planner, record);
    record->next = NULL;
    if (queue->first == NULL) {
        queue->first = record;
        take_turn_last(planner, queue);
    } else {
        queue->last->next = record;
    }
    queue->last = record;
}

void planner_add(struct planner *planner, struct record *record, int64_t now_ms)
{
    if (record->due_ms > now_ms)
        heap_push(planner, record);
    else
        enqueue(planner, record);
}

static void wake_due(struct planner *planner, int64_t now_ms)
{
    while (planner->heap_count > 0 && planner->heap[0]->due_ms <= now_ms)
        enqueue(planner, heap_pop(planner));
}

/* An integration without due records is forgotten, so their number stays that of the waiting ones.
 */
static void forget(struct planner *planner, const struct record *record)
{
    const char *integration = record->integration_id == NULL ? "" : record->integration_id;
    free(table_remove(&planner->queues, integration, strlen(integration)));
}

struct plan planner_next(struct planner *planner, int64_t now_ms)
{
    wake_due(planner, now_ms);
    struct queue *queue = planner->turn;
    if (queue == NULL)
        return (struct plan){PLAN_NOTHING, NULL, planner_wait(planner, now_ms)};
    struct record *record = queue->first;
    planner->turn = queue->next_turn;
    if (planner->turn == NULL)
        planner->last_turn = NULL;
    queue->first = record->next;
    if (queue->first != NULL)
        take_turn_last(planner, queue);
    else
        forget(planner, record);
    return (struct plan){PLAN_ID, record, 0};
}

/* The queue has run empty outside of its turn. */
static void leave_turns(struct planner *planner, const struct queue *queue)
{
    struct queue *before = NULL;
    for (struct queue *at = planner->turn; at != NULL && at != queue; at = at->next_turn)
        before = at;
    if (before == NULL)
        planner->turn = queue->next_turn;
    else
        before->next_turn = queue->next_turn;
    if (planner->last_turn == queue)
        planner->last_turn = before;
}

struct record *planner_take(struct planner *planner, const struct record *like,
                            bool (*wanted)(const struct record *record, const struct record *like),
                            int64_t now_ms)
{
    const char *integration = like->integration_id == NULL ? "" : like->integration_id;
    struct record *taken = NULL;
    struct record **end = &taken;
    struct record *kept = NULL;
    wake_due(planner, now_ms);
    struct queue *queue = table_get(&planner->queues, integration, strlen(integration));
    if (queue == NULL)
        return NULL;
    for (struct record *record = queue->first, *next; record != NULL; record = next) {
        next = record->next;
        if (wanted(record, like)) {
            *end = record;
            end = &record->next;
        } else {
            if (kept == NULL)
                queue->first = record;
            else
                kept->next = record;
            kept = record;
        }
    }
    *end = NULL;
    if (kept == NULL) {
        leave_turns(planner, queue);
        forget(planner, like);
        return taken;
    }
    kept->next = NULL;
    queue->last = kept;
    return taken;
}

int64_t planner_wait(struct planner *planner, int64_t now_ms)
{
    if (planner->turn != NULL)
        return 0;
    if (planner->heap_count == 0)
        return INT64_MAX;
    int64_t due = planner->heap[0]->due_ms;
    return due <= now_ms ? 0 : due - now_ms;
}
