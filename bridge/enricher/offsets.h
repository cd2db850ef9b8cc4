/*
 * Which events of each partition are done, and so which offset may be committed.
 *
 * The watermark of a partition is the lowest offset whose work is not done, or one past the last
 * event taken when all are. Committing the watermark loses nothing: everything below it is in, or
 * before, the transaction that carries it. Offsets may have gaps (transaction markers); they are
 * taken in rising order. Pure; one thread.
 */
#ifndef BRIDGE_ENRICHER_OFFSETS_H
#define BRIDGE_ENRICHER_OFFSETS_H

#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"

struct offsets;

struct offsets *offsets_new(int slots) MUST_CHECK;
void offsets_free(struct offsets *offsets); /* NULL is allowed */

/* Forgets everything of all partitions. */
void offsets_clear(struct offsets *offsets);

/* An event was taken in: its work is open. It has `parts` parts, at least 1: records that it
 * changes, each of which is done for itself. */
void offsets_take(struct offsets *offsets, int slot, int64_t offset, uint32_t parts);

/* One part of its work is done; with the last one the event is. An offset that was not taken, or is
 * done, is a programming error and ends the process. */
void offsets_done(struct offsets *offsets, int slot, int64_t offset);

/* One past the last event taken; -1 when none of the partition was. */
int64_t offsets_next(const struct offsets *offsets, int slot);

/* The watermark; -1 when no event of the partition was taken. */
int64_t offsets_watermark(const struct offsets *offsets, int slot);

/* Parts of events taken and not done: of one partition, and of all. */
size_t offsets_open(const struct offsets *offsets, int slot);
size_t offsets_open_in_all(const struct offsets *offsets);

#endif
