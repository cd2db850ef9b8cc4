/*
 * The snapshots topic of one model as a subcommand reads it: what came since the last time, brought
 * into the form in which codec/comparison.h compares. One thread; calls wait.
 */
#ifndef BRIDGE_COMMANDS_SNAPSHOT_READER_H
#define BRIDGE_COMMANDS_SNAPSHOT_READER_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/codec/avro_input.h"
#include "bridge/codec/comparison.h"
#include "bridge/kafka/range.h"

/* Larger than any snapshot as JSON text. */
#define SNAPSHOT_TEXT_MAXIMUM ((size_t)512 << 20)

struct snapshot_reader;

/* All but `error` is borrowed; `avro` is NULL where snapshots are JSON. VERDICT_CONFIGURATION when
 * the topic is not there. */
struct snapshot_reader *snapshot_reader_open(struct range *range, const char *topic,
                                             struct avro_input *avro,
                                             const struct comparison *comparison,
                                             struct error *error) MUST_CHECK;
void snapshot_reader_close(struct snapshot_reader *reader); /* NULL is allowed */

struct snapshot {
    const char *id;             /* terminated; lives for the call */
    const char *integration_id; /* by its header, else by its record; NULL = not told */
    const cJSON *record;        /* NULL: a tombstone, or `unreadable` */
    bool unreadable;
    int partition;
    int64_t offset;
};

typedef void snapshot_take(void *context, const struct snapshot *snapshot);

/* Hands out what was committed since the last call, partition by partition; at first all. Messages
 * whose key is no id are passed over. */
bool snapshot_reader_next(struct snapshot_reader *reader, snapshot_take *take, void *context,
                          struct error *error) MUST_CHECK;

/* Hands out the one at this place again; nothing when the topic no longer holds it. */
bool snapshot_reader_again(struct snapshot_reader *reader, int partition, int64_t offset,
                           snapshot_take *take, void *context, struct error *error) MUST_CHECK;

#endif
