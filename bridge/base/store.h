/*
 * A local key-value store on LMDB: a cache of what Kafka keeps. It may be deleted at any time the
 * program does not run; what it held is then read from Kafka again.
 *
 * Writes gather in one transaction until store_flush, and reads see them. Nothing is synced to the
 * disk: after a crash of the process the pages are still the kernel's, so the last flush is whole;
 * after a crash of the machine nothing is certain, so the store remembers which boot it was written
 * under and begins empty under another one. After a full disk or a broken file the store holds
 * nothing and says so (store_works): its user must end, since what is not there may only be lost
 * here.
 *
 * Keys have 1 to STORE_KEY_MAXIMUM bytes. One thread: LMDB's write transaction belongs to it.
 */
#ifndef BRIDGE_BASE_STORE_H
#define BRIDGE_BASE_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"

/* Of the address space that the file is mapped into; the file is as large as its content. The map
 * doubles when half of it is used, at a flush: between two flushes less than a quarter of it may be
 * written. */
#define STORE_FIRST_SIZE ((size_t)4 << 30)

/* LMDB's compiled-in limit. */
#define STORE_KEY_MAXIMUM 511

struct store;

/*
 * Opens the store in the folder `directory`, which must exist ("" = a folder of its own that is
 * deleted at once and lives as long as the process). `identity` names what it is a cache of: a
 * store of another identity, or of an earlier boot, begins empty. VERDICT_CONFIGURATION when the
 * folder cannot be written or another process uses the store.
 */
struct store *store_open(const char *directory, const char *identity, size_t first_size,
                         struct error *error) MUST_CHECK;
void store_close(struct store *store); /* flushes; NULL is allowed */

/* The value, alive until the next call; false when there is none. */
bool store_get(struct store *store, const void *key, size_t key_length, const void **value,
               size_t *length) MUST_CHECK;

/* The first key that lies behind `key` and has the same first `prefix_length` bytes, with its
 * value; to begin with, `key` is the prefix itself. Both live until the next call; false when there
 * is none. */
bool store_next(struct store *store, const void *key, size_t key_length, size_t prefix_length,
                const void **next, size_t *next_length, const void **value,
                size_t *length) MUST_CHECK;

/* Puts or replaces; a NULL value deletes. */
void store_put(struct store *store, const void *key, size_t key_length, const void *value,
               size_t length);

/* Deletes all keys that begin so. */
void store_drop(struct store *store, const void *prefix, size_t prefix_length);

/* Makes what was put last beyond a crash of the process. Cheap when nothing was. */
void store_flush(struct store *store);

/* False once it has failed (event=cache_failed says why). */
bool store_works(const struct store *store);

#endif
