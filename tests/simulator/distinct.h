#ifndef SIMULATOR_DISTINCT_H
#define SIMULATOR_DISTINCT_H

#include <stdint.h>

#include "tests/simulator/store.h"

/*
 * The records of the start in a seeded order, each once: so many changes hit so many records. After
 * the last one it begins anew. On the store's thread.
 */
struct distinct;

/* The store must outlive it. Takes 8 bytes a record. */
struct distinct *distinct_create(struct store *store, uint64_t seed);
void distinct_destroy(struct distinct *distinct);

/* The next record that is not deleted, and its collection; STORE_NONE when there is none. */
uint32_t distinct_next(struct distinct *distinct, struct collection **collection);

#endif
