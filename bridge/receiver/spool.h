/*
 * The spool: keeps events on disk while Kafka does not acknowledge them, many to one sync, and
 * sends them when it does.
 *
 * Why nothing is lost: an event is told WRITTEN after the sync of the transaction that holds it,
 * and is deleted only after Kafka has acknowledged it with acks=all. The order of a key is the
 * sender's (sender.h), with the owner's help: it says by `gate` below which number no event can
 * come any more, and nothing from there on is sent.
 *
 * Bounds: the file's (spool_file.h), the sender's, and SPOOL_QUEUE_BYTES on their way to the disk.
 *
 * One thread of its own writes and sends. Its calls come without any lock held.
 */
#ifndef BRIDGE_RECEIVER_SPOOL_H
#define BRIDGE_RECEIVER_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/kafka/settings.h"

#define SPOOL_QUEUE_BYTES ((size_t)16 << 20)

struct spool;

/* An event on its way to the disk. The owner embeds it, and has it back with `written`. */
struct spool_event {
    uint64_t sequence;
    char *bytes; /* of spool_record_write; freed by the owner */
    size_t length;
    struct spool_event *next;
};

struct spool_calls {
    void *context;

    /* No event with a number below this one will be given to spool_add any more. */
    uint64_t (*gate)(void *context);

    /* The event is synced, or is not there. */
    void (*written)(void *context, struct spool_event *event, bool ok);

    /* Kafka has an event of this lane (sender_lane), and the spool does not any more. */
    void (*sent)(void *context, unsigned lane);

    /* Kafka has acknowledged something. On another thread than the others. */
    void (*alive)(void *context);
};

/* Opens the folder that receiver.spool_dir names, which spool_file_check has found whole.
 * Everything given is borrowed for the spool's life. */
struct spool *spool_open(const struct kafka_context *kafka, const char *dead_letters,
                         const struct spool_calls *calls, struct error *error) MUST_CHECK;

/* Before spool_start: calls back with the lane of each event that an earlier process has left;
 * `*last` is the last of their numbers, or 0. */
typedef void spool_visit(void *context, unsigned lane);
bool spool_visit_all(struct spool *spool, spool_visit *visit, void *context, uint64_t *last,
                     struct error *error) MUST_CHECK;

bool spool_start(struct spool *spool, struct error *error) MUST_CHECK;

/* Takes an event over until `written`. False when there is no room: then nothing happened. Any
 * thread; does not wait. */
bool spool_add(struct spool *spool, struct spool_event *event) MUST_CHECK;

/* Events in the file, or on their way to it. Any thread. */
size_t spool_count(struct spool *spool) MUST_CHECK;

/* Writes what it was given, and ends the thread; spool_add then refuses. What is in the file stays
 * there for the next start. NULL is allowed. */
void spool_close(struct spool *spool);
void spool_free(struct spool *spool); /* NULL is allowed */

#endif
