#include "bridge/enricher/recency.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/base/table.h"

/* A published copy's end; also in a queue by rising end, for forgetting. */
struct published {
    struct published *next;
    uint64_t end;
    size_t key_length;
    char key[];
};

struct recency {
    uint64_t tick;
    uint64_t *starts; /* of the requests under way, rising; few: max_concurrency */
    size_t start_count;
    size_t start_capacity;
    struct table last; /* record -> its newest struct published */
    struct published *oldest;
    struct published *newest;
};

struct recency *recency_new(void)
{
    return memory_new(1, sizeof(struct recency));
}

void recency_clear(struct recency *recency)
{
    while (recency->oldest != NULL) {
        struct published *next = recency->oldest->next;
        free(recency->oldest);
        recency->oldest = next;
    }
    recency->newest = NULL;
    recency->start_count = 0;
    table_free(&recency->last);
}

void recency_free(struct recency *recency)
{
    if (recency == NULL)
        return;
    recency_clear(recency);
    free(recency->starts);
    free(recency);
}

uint64_t recency_now(const struct recency *recency)
{
    return recency->tick;
}

uint64_t recency_start(struct recency *recency)
{
    if (recency->start_count == recency->start_capacity) {
        recency->start_capacity = recency->start_capacity == 0 ? 16 : recency->start_capacity * 2;
        recency->starts =
            memory_grow(recency->starts, recency->start_capacity, sizeof *recency->starts);
    }
    recency->starts[recency->start_count++] = ++recency->tick;
    return recency->tick;
}

uint64_t recency_end(struct recency *recency)
{
    return ++recency->tick;
}

/* Forgets ends that no request under way can be older than. */
static void forget(struct recency *recency)
{
    uint64_t first = recency->start_count == 0 ? UINT64_MAX : recency->starts[0];
    while (recency->oldest != NULL && recency->oldest->end < first) {
        struct published *old = recency->oldest;
        recency->oldest = old->next;
        if (recency->oldest == NULL)
            recency->newest = NULL;
        if (table_get(&recency->last, old->key, old->key_length) == old)
            (void)table_remove(&recency->last, old->key, old->key_length);
        free(old);
    }
}

void recency_close(struct recency *recency, uint64_t start)
{
    for (size_t i = 0; i < recency->start_count; i++) {
        if (recency->starts[i] != start)
            continue;
        size_t after = recency->start_count - i - 1;
        memmove(&recency->starts[i], &recency->starts[i + 1], after * sizeof *recency->starts);
        recency->start_count--;
        break;
    }
    forget(recency);
}

bool recency_publish(struct recency *recency, const char *key, size_t key_length, uint64_t start,
                     uint64_t end)
{
    const struct published *last = table_get(&recency->last, key, key_length);
    if (last != NULL && start < last->end)
        return false;
    struct published *published = memory_new(1, sizeof *published + key_length);
    published->end = end;
    published->key_length = key_length;
    memcpy(published->key, key, key_length);
    if (recency->newest == NULL)
        recency->oldest = published;
    else
        recency->newest->next = published;
    recency->newest = published;
    (void)table_put(&recency->last, key, key_length, published);
    return true;
}

size_t recency_kept(const struct recency *recency)
{
    return recency->last.count;
}
