/*
 * The batches of a replay: reads letters, sends what goes back, commits. replay.h says why none is
 * lost or sent twice. One thread; replay_run waits.
 */
#ifndef BRIDGE_COMMANDS_REPLAY_RUN_H
#define BRIDGE_COMMANDS_REPLAY_RUN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/commands/replay_letter.h"
#include "bridge/commands/replay_progress.h"
#include "bridge/commands/replay_report.h"
#include "bridge/kafka/range.h"
#include "bridge/kafka/transaction.h"

struct replay_partition {
    int number;
    int64_t begin;
    int64_t end;
    struct replay_progress progress;
    int64_t careful_to; /* Kafka refused one of the letters before it: each is a batch of its own */
    int64_t refused;    /* the offset of the letter that Kafka refused last; -1 = none */
    int64_t forgotten;  /* offsets whose marks found no room in the last commit */
};

struct replay_batch {
    struct replay_report report;
    bool begun;       /* the transaction is */
    bool unsettled;   /* the last letter that was handed out is not settled */
    bool full;        /* nothing more may join it */
    int64_t last;     /* offset of the last letter that was sent */
    int64_t began_ms; /* when the transaction did */
    size_t bytes;
    enum transaction_outcome outcome;
    struct error error;
};

struct replay {
    bool dry_run;
    bool quiet;    /* standard error is not for this */
    int64_t limit; /* letters */
    struct replay_choice choice;
    struct ingest ingest;
    const char *group;
    struct range *range;
    struct transaction_producer *producer; /* NULL in a dry run */
    struct membership *membership;
    const atomic_bool *stop;  /* true: the replay ends after the batch */
    const atomic_bool *leave; /* true: it aborts the batch */
    struct replay_partition *partitions;
    int count;
    struct replay_partition *at; /* the partition being read */
    struct replay_batch batch;
    struct replay_report report;
    bool untold; /* Kafka refused the marks: none are sent any more */
    int tries;
    int64_t began_ms;
    int64_t told_ms;
};

/* Goes through the partitions until all letters were looked at, `limit` are sent or *stop is true.
 * False with `error` when it cannot go on; what was committed stays so, and is in `report`. Tells
 * how far it is on standard error, once a second, unless it is quiet. */
bool replay_run(struct replay *replay, struct error *error) MUST_CHECK;

/* Nothing is left to be done. */
bool replay_is_finished(const struct replay *replay) MUST_CHECK;

#endif
