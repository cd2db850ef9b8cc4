/*
 * Which events of each partition are done, and so which offset may be committed.
 *
 * The watermark of a partition is the lowest offset whose work is not done, or one past the last
 * event taken when all are. Committing the watermark loses nothing: everything below it is in, or
 * before, the transaction that carries it. Offsets may have gaps (transaction markers); they are
 * taken in rising order.
 *
 * What is done above the watermark is told in the metadata of its commit (marks.h), so that whoever
 * takes the events in again does not pay for them again. That loses nothing either: at the moment a
 * batch is closed, an offset is done here exactly when its last part is in this batch or an earlier
 * one (engine.h), and batches are committed in order or not at all. Pure; one thread.
 */
#ifndef BRIDGE_ENRICHER_OFFSETS_H
#define BRIDGE_ENRICHER_OFFSETS_H

#include <stdbool.h>
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

/* What the metadata of the committed `watermark` tells as done, before any event of the partition
 * was taken. False with `*reason` (static) when it is not ours, is damaged or belongs to another
 * watermark: then nothing is told. */
bool offsets_load(struct offsets *offsets, int slot, int64_t watermark, const char *metadata,
                  size_t length, const char **reason) MUST_CHECK;

/* True when the event that comes next was told as done. One below the watermark that the metadata
 * belongs to shows that the log was cut or made anew: then nothing is told any more. */
bool offsets_told(struct offsets *offsets, int slot, int64_t offset) MUST_CHECK;

/* An event that was told as done was taken in: it is done. */
void offsets_skip(struct offsets *offsets, int slot, int64_t offset);

/* The done ones above the watermark, those that were told included, as metadata of at most
 * `maximum` characters, which the caller frees; NULL when there are none. Offsets that never were
 * an event count as whatever makes it short. What does not fit is left out from the end on, and
 * offsets_crowded says so: it is worked on again after a restart. */
char *offsets_describe(struct offsets *offsets, int slot, size_t maximum) MUST_CHECK;

/* True when the last description left something out: what holds the watermark should go first. */
bool offsets_crowded(const struct offsets *offsets, int slot);

/* One past the last event taken; -1 when none of the partition was. */
int64_t offsets_next(const struct offsets *offsets, int slot);

/* The event just taken belongs to this owner (any number; equal ones may be different owners). */
void offsets_tag(struct offsets *offsets, int slot, int64_t offset, uint16_t owner);

/* The first event of this owner, at `from` or later and before `below`, that is not done; -1 when
 * there is none among those taken. */
int64_t offsets_open_from(const struct offsets *offsets, int slot, int64_t from, int64_t below,
                          uint16_t owner) MUST_CHECK;

/* All events before this offset were taken, or were done when the partition was assigned; -1 =
 * nothing is known. */
int64_t offsets_reached(const struct offsets *offsets, int slot) MUST_CHECK;

/* The partition was assigned with this committed offset (-1 or less: none), which is its watermark
 * until events are taken. */
void offsets_begin(struct offsets *offsets, int slot, int64_t committed);

/* The watermark; -1 when no event of the partition was taken. It passes what was told as done also
 * before that was taken in. */
int64_t offsets_watermark(const struct offsets *offsets, int slot);

/* Parts of events taken and not done: of one partition, and of all. */
size_t offsets_open(const struct offsets *offsets, int slot);
size_t offsets_open_in_all(const struct offsets *offsets);

#endif
