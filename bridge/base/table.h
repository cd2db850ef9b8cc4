/*
 * A hash table from byte strings to pointers: open addressing, grows by doubling, keeps its own
 * copy of each key, unless it `borrows` them. Keys may hold any bytes. Deleting shifts followers
 * back, so no tombstones pile up. The hash is seeded per process (SipHash would be overkill: keys
 * come signed), so that an outsider who can choose record ids cannot choose collisions. One owner,
 * one thread at a time.
 */
#ifndef BRIDGE_BASE_TABLE_H
#define BRIDGE_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_slot {
    char *key; /* owned unless borrowed; NULL = free slot */
    uint32_t length;
    uint32_t hash;
    void *value;
};

struct table {
    struct table_slot *slots;
    size_t capacity; /* a power of two, or 0 while empty */
    size_t count;
    bool borrows; /* keys are the caller's, and stay where they are while they are in the table */
};

/* `struct table t = {0};` is an empty table, {.borrows = true} one that does not copy keys. */

void table_free(struct table *table); /* frees keys and slots, not the values */

/* The value, or NULL. */
void *table_get(const struct table *table, const void *key, size_t length);

/* Puts or replaces; returns the value that was there, or NULL. `value` must not be NULL. */
void *table_put(struct table *table, const void *key, size_t length, void *value);

/* Removes; returns the value that was there, or NULL. */
void *table_remove(struct table *table, const void *key, size_t length);

/* Visits all: start with `*cursor` = 0, ends with NULL. The table must not change meanwhile. */
struct table_slot *table_next(const struct table *table, size_t *cursor);

/* The seeded hash the table uses. */
uint32_t table_hash(const void *key, size_t length);

#endif
