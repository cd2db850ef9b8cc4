#include "tests/simulator/distinct.h"

#include <stdlib.h>

#include "tests/simulator/random.h"

#define STREAM_DISTINCT UINT64_C(0xd1571c7)

struct place {
    uint32_t collection;
    uint32_t number;
};

struct distinct {
    struct store *store;
    struct place *places;
    uint64_t count;
    uint64_t next;
};

static void shuffle(struct distinct *distinct, uint64_t seed)
{
    struct random random = random_make(seed, STREAM_DISTINCT);
    for (uint64_t left = distinct->count; left > 1; left--) {
        uint64_t other = random_below(&random, left);
        struct place swapped = distinct->places[left - 1];
        distinct->places[left - 1] = distinct->places[other];
        distinct->places[other] = swapped;
    }
}

struct distinct *distinct_create(struct store *store, uint64_t seed)
{
    struct distinct *distinct = memory_get_zeroed(1, sizeof *distinct);
    uint64_t total = 0;
    for (unsigned i = 0; i < store->count; i++)
        total += store->collections[i].count;
    distinct->store = store;
    distinct->places = memory_get_zeroed(total, sizeof distinct->places[0]);
    for (unsigned i = 0; i < store->count; i++) {
        for (uint32_t number = 0; number < store->collections[i].count; number++)
            distinct->places[distinct->count++] = (struct place){i, number};
    }
    shuffle(distinct, seed);
    return distinct;
}

void distinct_destroy(struct distinct *distinct)
{
    if (distinct == NULL)
        return;
    free(distinct->places);
    free(distinct);
}

uint32_t distinct_next(struct distinct *distinct, struct collection **collection)
{
    for (uint64_t tried = 0; tried < distinct->count; tried++) {
        struct place place = distinct->places[distinct->next++ % distinct->count];
        *collection = &distinct->store->collections[place.collection];
        if ((*collection)->records[place.number].state != NULL)
            return place.number;
    }
    return STORE_NONE;
}
