#include "bridge/commands/replay_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bridge/base/clock.h"

/* A batch is one transaction, which Kafka aborts after KAFKA_TRANSACTION_TIMEOUT_MS. */
#define BATCH_SENT   1000
#define BATCH_READ   10000
#define BATCH_BYTES  ((size_t)4 << 20)
#define BATCH_MS     3000
#define TRIES_MOST   5
#define TRY_AGAIN_MS 500
#define TELL_MS      1000

/* One line a second. */
static void tell(struct replay *replay)
{
    int64_t now_ms = clock_ms();
    int64_t read = 0;
    int64_t all = 0;
    if (replay->quiet || now_ms - replay->told_ms < TELL_MS)
        return;
    replay->told_ms = now_ms;
    for (int i = 0; i < replay->count; i++) {
        const struct replay_partition *partition = &replay->partitions[i];
        read += partition->progress.point.position - partition->begin;
        all += partition->end - partition->begin;
    }
    double seconds = (double)(now_ms - replay->began_ms) / 1000;
    (void)fprintf(stderr, "%" PRId64 " of %" PRId64 " read, %" PRId64 " %s, %.0f/s%s", read, all,
                  replay->report.sent, replay->dry_run ? "would be sent" : "sent",
                  seconds > 0 ? (double)read / seconds : 0,
                  isatty(STDERR_FILENO) ? "    \r" : "\n");
}

static void send_letter(struct replay *replay, struct replay_letter *letter)
{
    struct replay_batch *batch = &replay->batch;
    const struct message *message;
    size_t cursor = 0;
    if (replay->dry_run)
        return;
    if (!batch->begun) {
        batch->outcome = transaction_begin(replay->producer, &batch->error);
        batch->began_ms = clock_ms();
        batch->begun = batch->outcome == TRANSACTION_DONE;
    }
    while (batch->outcome == TRANSACTION_DONE &&
           (message = replay_letter_next(&replay->ingest, letter, &cursor)) != NULL) {
        batch->outcome =
            transaction_add(replay->producer, message, 0, replay->leave, &batch->error);
        batch->bytes += message->value_length;
    }
}

/* A chosen letter; true when it is sent. */
static bool handle(struct replay *replay, const struct message *seen, int64_t offset,
                   int64_t timestamp_ms)
{
    struct replay_batch *batch = &replay->batch;
    struct replay_letter letter;
    replay_letter_read(&replay->ingest, seen, timestamp_ms, &letter);
    if (replay_letter_goes(&letter) && offset == replay->at->refused) {
        letter.fate = REPLAY_REFUSED;
        batch->full = true; /* another one may be refused: that must not join this one's batch */
    }
    bool goes = replay_letter_goes(&letter);
    if (goes) {
        batch->last = offset;
        send_letter(replay, &letter);
    }
    if (batch->outcome == TRANSACTION_DONE)
        replay_report_add(&batch->report, seen, offset, &letter);
    replay_letter_free(&letter);
    return goes;
}

static bool is_full(const struct replay *replay)
{
    const struct replay_batch *batch = &replay->batch;
    bool careful = replay->at->progress.point.position <= replay->at->careful_to + 1;
    return batch->full || batch->report.sent >= (careful ? 1 : BATCH_SENT) ||
           batch->report.read >= BATCH_READ || batch->bytes >= BATCH_BYTES ||
           replay->report.sent + batch->report.sent >= replay->limit ||
           (batch->begun && clock_ms() - batch->began_ms >= BATCH_MS);
}

static void take(void *context, const rd_kafka_message_t *read)
{
    struct replay *replay = context;
    struct replay_batch *batch = &replay->batch;
    struct replay_progress *progress = &replay->at->progress;
    struct message seen;
    bool sent = false;
    tell(replay);
    if (atomic_load(replay->stop)) {
        batch->unsettled = true;
        range_stop(replay->range);
        return;
    }
    int64_t timestamp_ms = range_timestamp(read);
    message_borrow(&seen, read);
    if (replay_progress_knows(progress, read->offset)) {
        batch->report.before++;
        sent = true;
    } else if (!replay_chooses(&replay->choice, &seen, timestamp_ms)) {
        batch->report.passed++;
    } else {
        sent = handle(replay, &seen, read->offset, timestamp_ms);
    }
    batch->unsettled = batch->outcome != TRANSACTION_DONE;
    if (!batch->unsettled) {
        batch->report.read++;
        replay_progress_settle(progress, read->offset, sent);
    }
    if (batch->unsettled || is_full(replay))
        range_stop(replay->range);
}

static enum transaction_outcome commit(struct replay *replay, struct error *error)
{
    struct replay_partition *partition = replay->at;
    int64_t watermark = 0;
    int64_t forgotten = 0;
    char *marks = replay_progress_text(&partition->progress, &watermark, &forgotten);
    struct transaction_offset offset = {replay->ingest.topics->dead_letters, partition->number,
                                        watermark, replay->untold ? NULL : marks};
    enum transaction_outcome outcome =
        transaction_commit(replay->producer, &offset, 1, replay->membership, replay->leave, error);
    if (outcome == TRANSACTION_DONE)
        partition->forgotten = forgotten;
    free(marks);
    return outcome;
}

/* Kafka refused a message of the batch. True when it may be tried again in another way. */
static bool on_refused(struct replay *replay, struct error *error)
{
    struct replay_partition *partition = replay->at;
    size_t none = 0;
    if (!transaction_culprit(replay->producer, &none)) {
        error->verdict = VERDICT_CONFIGURATION;
        return false;
    }
    if (replay->batch.report.sent + replay->batch.unsettled <= 1)
        partition->refused = replay->batch.last;
    else
        partition->careful_to = replay->batch.last;
    return true;
}

/* Nothing of the batch is visible. True when it may be tried again. */
static bool on_failed(struct replay *replay, enum transaction_outcome outcome, struct error *error)
{
    char reason[ERROR_MESSAGE_SIZE];
    switch (outcome) {
    case TRANSACTION_DONE:
    case TRANSACTION_CANCELLED: /* by a signal, which ends the loop */
        return true;
    case TRANSACTION_REFUSED:
        return on_refused(replay, error);
    case TRANSACTION_UNTOLD:
        replay->untold = true;
        if (!replay->quiet)
            (void)fprintf(
                stderr,
                "propexo-bridge: the brokers' offset.metadata.max.bytes is to be 4096 or "
                "more; without, letters above one that was not sent may be sent again later\n");
        return true;
    case TRANSACTION_ABORTED:
        clock_rest(TRY_AGAIN_MS);
        error->verdict = VERDICT_RETRY;
        return ++replay->tries < TRIES_MOST;
    case TRANSACTION_BROKEN:
        error->verdict = VERDICT_RETRY;
        return false;
    case TRANSACTION_ENDED:
        (void)snprintf(reason, sizeof reason, "%s", error->message);
        return error_set(error, VERDICT_ABORT,
                         "another replay has begun and goes on from here, or Kafka took too long "
                         "(then run it again): %.300s",
                         reason);
    case TRANSACTION_FENCED:
        (void)snprintf(reason, sizeof reason, "%s", error->message);
        return error_set(error, VERDICT_ABORT,
                         "somebody consumes as a member of group %.100s, which is replay's own: "
                         "%.200s",
                         replay->group, reason);
    }
    return false;
}

/* Ends the batch. False when the replay cannot go on. */
static bool end_batch(struct replay *replay, const struct replay_point *before, struct error *error)
{
    struct replay_batch *batch = &replay->batch;
    enum transaction_outcome outcome = batch->outcome;
    *error = batch->error;
    if (outcome == TRANSACTION_DONE && batch->begun)
        outcome = commit(replay, error);
    if (outcome == TRANSACTION_DONE) {
        replay->tries = 0;
        replay_report_join(&replay->report, &batch->report);
        return true;
    }
    replay_progress_return(&replay->at->progress, before);
    bool again = on_failed(replay, outcome, error);
    replay_report_free(&batch->report);
    return again;
}

static bool run_batch(struct replay *replay, struct error *error)
{
    struct replay_partition *partition = replay->at;
    struct replay_batch *batch = &replay->batch;
    const char *topic = replay->ingest.topics->dead_letters;
    const struct replay_point before = partition->progress.point;
    struct error unheard;
    int64_t next = 0;
    *batch = (struct replay_batch){.outcome = TRANSACTION_DONE};
    bool ok = range_read(replay->range, topic, partition->number, before.position, partition->end,
                         take, replay, replay->stop, &next, error);
    if (ok && next == RANGE_LOST)
        ok = error_set(error, VERDICT_ABORT, "topic %s was made anew meanwhile", topic);
    /* What was settled before a signal ended the reading is committed. */
    if (ok || atomic_load(replay->stop)) {
        if (ok && !batch->unsettled)
            replay_progress_reach(&partition->progress, next);
        return end_batch(replay, &before, error);
    }
    if (batch->begun && batch->outcome == TRANSACTION_DONE)
        /* If that fails Kafka does it when the transaction times out. */
        batch->outcome = transaction_abort(replay->producer, &unheard);
    replay_report_free(&batch->report);
    return false;
}

static bool is_done(const struct replay_partition *partition)
{
    return partition->progress.point.position >= partition->end;
}

bool replay_is_finished(const struct replay *replay)
{
    bool done = replay->report.sent >= replay->limit;
    for (int i = 0; i < replay->count && !done; i++) {
        if (!is_done(&replay->partitions[i]))
            return false;
    }
    return true;
}

bool replay_run(struct replay *replay, struct error *error)
{
    bool ok = true;
    for (int i = 0; i < replay->count; i++) {
        replay->at = &replay->partitions[i];
        while (ok && !is_done(replay->at) && !atomic_load(replay->stop) &&
               replay->report.sent < replay->limit)
            ok = run_batch(replay, error);
    }
    return ok;
}
