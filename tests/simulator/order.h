#ifndef SIMULATOR_ORDER_H
#define SIMULATOR_ORDER_H

#include <stddef.h>
#include <stdint.h>

/*
 * Records in ascending order of one of their stamps, ties by their number. An insertion or removal
 * moves a block of 4-byte numbers: some tens of microseconds at 200,000 records. An all-zero struct
 * is empty.
 */

enum stamp { STAMP_CREATED_AT, STAMP_UPDATED_AT, STAMP_LAST_SEEN, STAMPS };

/* A stamp of null sorts before all others. */
#define STAMP_NULL INT64_MIN

struct record;

struct order {
    uint32_t *items;
    size_t count;
    size_t capacity;
};

/* Puts it at the end; order_sort() must follow before anything else is done. */
void order_append(struct order *order, uint32_t item);
void order_sort(struct order *order, const struct record *records, enum stamp stamp);

/* The record's stamp must be what it is to be found by: remove, change the stamp, insert. */
void order_insert(struct order *order, const struct record *records, enum stamp stamp,
                  uint32_t item);
void order_remove(struct order *order, const struct record *records, enum stamp stamp,
                  uint32_t item);

void order_free(struct order *order);

#endif
