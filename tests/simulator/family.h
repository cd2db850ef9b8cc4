#ifndef SIMULATOR_FAMILY_H
#define SIMULATOR_FAMILY_H

#include <stdint.h>

#include "tests/simulator/store.h"

/*
 * The records of some models are shown by those of others: a resident shows its pets, its vehicles
 * and what it is in which lease. Where both models are simulated, such a list is assembled from the
 * child records that name the parent, in the order in which they were made, and follows each change
 * of them in the same step. Where the child is not, the list is the parent's own. On the store's
 * thread.
 */
struct family;

/* Marks the assembled lists of the store's collections, whose records are not made yet. */
struct family *family_create(struct store *store, const struct options *options);
void family_destroy(struct family *family);

/* Fills the lists, once, when the records were made. */
void family_fill(struct family *family);

/* The record was made, changed or deleted: the lists of its parents follow. */
void family_follow(struct family *family, struct store *store, struct collection *collection,
                   uint32_t number);

#endif
