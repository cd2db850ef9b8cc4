/*
 * The spool on disk: events in the order of their sequence numbers, in one LMDB file.
 *
 * Why a write is whole or not there at all: LMDB writes pages that nothing refers to yet, syncs
 * them, and only then the page that refers to them, in one synced write (no MDB_WRITEMAP, no
 * MDB_NOSYNC). So a crash of the process or of the machine, and a disk that is full at any step,
 * leave the file as it was before. Why nothing is half-read: spool_file_check reads all of an old
 * file before it is used, in a process of its own, since a page that is spoilt can make the library
 * crash; every record has a digest besides (spool_record.h).
 *
 * The file has `max_bytes` at most: the last part of it is left to deletions, which need new pages
 * too, and where even that does not do for one of these the file may grow by a quarter for it.
 *
 * One thread at a time. LMDB allows one write transaction a process and none crosses a call.
 */
#ifndef BRIDGE_RECEIVER_SPOOL_FILE_H
#define BRIDGE_RECEIVER_SPOOL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"

struct spool_file;

/* Must run before the process has a second thread: true when the folder holds no spool, or a whole
 * one that was written with this `prefix` of topics; else VERDICT_CONFIGURATION with a sentence,
 * also when another process uses it: what that is writing would look torn. Takes about a second a
 * GiB. */
bool spool_file_check(const char *directory, const char *prefix, struct error *error) MUST_CHECK;

/* Opens the spool of the folder, or makes an empty one. NULL with VERDICT_CONFIGURATION when the
 * folder cannot be written, another process uses it, or the file is not ours. */
struct spool_file *spool_file_open(const char *directory, const char *prefix, size_t max_bytes,
                                   struct error *error) MUST_CHECK;
void spool_file_close(struct spool_file *file); /* NULL is allowed */

/* One event, on its way in or out. */
struct spool_line {
    uint64_t sequence;
    const void *bytes; /* as spool_record.h has them */
    size_t length;
};

/*
 * Adds lines and deletes sequence numbers, all or nothing, and returns when that is synced. False
 * when the disk did not take it (VERDICT_RETRY with the reason); the file is then as it was, and a
 * later call may succeed. Sequence numbers that are not there may be deleted.
 */
bool spool_file_write(struct spool_file *file, const struct spool_line *lines, size_t line_count,
                      const uint64_t *deleted, size_t deleted_count,
                      struct error *error) MUST_CHECK;

/* Calls back for the events from sequence number `from` on, in order, until the callback returns
 * false. `bytes` live until it returns. False when the file cannot be read. */
typedef bool spool_file_visit(void *context, const struct spool_line *line);
bool spool_file_read(struct spool_file *file, uint64_t from, spool_file_visit *visit, void *context,
                     struct error *error) MUST_CHECK;

/* Gives the room of an empty spool back to the disk. */
void spool_file_shrink(struct spool_file *file);

/* Room that events of this length take in the file, and how much there is for all. */
size_t spool_file_cost(size_t length) MUST_CHECK;
size_t spool_file_room(const struct spool_file *file) MUST_CHECK;

#endif
