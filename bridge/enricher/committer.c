#include "bridge/enricher/committer.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bridge/base/clock.h"
#include "bridge/base/health.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/codec/registry.h"
#include "bridge/enricher/envelope.h"
#include "bridge/enricher/output.h"
#include "bridge/kafka/reread.h"
#include "bridge/kafka/transaction.h"

#define RETRY_MS         250  /* after an aborted transaction */
#define REGISTRY_WAIT_MS 2000 /* after the registry did not help */
#define REFUSED_WAIT_MS  2000 /* after Kafka refused a topic */

struct committer {
    struct kafka_context kafka;
    const struct topics *topics;
    const struct selection *selection;
    const atomic_bool *cancel;
    struct output *output;
    bool prepared;                         /* every model's schema was asked for once */
    struct transaction_producer *producer; /* NULL until connected, and after it was lost */
    struct reread *reread;
    struct random random;
    bool untold;    /* Kafka refused the metadata of offsets: none is sent any more */
    size_t added;   /* items of the transaction that is under way */
    size_t awaited; /* of these, whose delivery was reported */
};

/* Sleeps, but not longer than until a cancel. False when cancelled. */
static bool rest(const struct committer *committer, int ms)
{
    int64_t deadline = clock_ms() + ms;
    while (!atomic_load(committer->cancel) && clock_ms() < deadline) {
        struct timespec pause = {0, 10 * 1000000L};
        (void)nanosleep(&pause, NULL);
    }
    return !atomic_load(committer->cancel);
}

struct committer *committer_new(const struct kafka_context *kafka, const struct topics *topics,
                                const struct selection *selection, const atomic_bool *cancel,
                                struct error *error)
{
    struct output *output = output_new(kafka->config, topics, selection, error);
    if (output == NULL)
        return NULL;
    struct committer *committer = memory_new(1, sizeof *committer);
    *committer = (struct committer){.kafka = *kafka,
                                    .topics = topics,
                                    .selection = selection,
                                    .cancel = cancel,
                                    .output = output,
                                    .reread = reread_new(kafka),
                                    .random = random_from_system()};
    health_set(HEALTH_PUBLISHER, false, "the transactional producer is not connected");
    if (kafka->config->output.format == FORMAT_AVRO)
        health_set(HEALTH_REGISTRY, false, "the schema registry has not been asked yet");
    return committer;
}

static void drop_producer(struct committer *committer)
{
    transaction_producer_free(committer->producer);
    committer->producer = NULL;
}

void committer_free(struct committer *committer)
{
    if (committer == NULL)
        return;
    drop_producer(committer);
    reread_free(committer->reread);
    output_free(committer->output);
    free(committer);
}

static void tell_registry(const struct committer *committer, int place, const struct error *error)
{
    bool refused = error->verdict == VERDICT_CONFIGURATION;
    char *subject = registry_subject(committer->topics->snapshots[place]);
    health_set(HEALTH_REGISTRY, false, error->message);
    metrics_set(METRIC_REGISTRY_HOLDS, 1);
    log_event(refused ? LOG_ERROR : LOG_WARN, refused ? "registry_refused" : "registry_unavailable",
              LOG_TEXT("subject", subject), LOG_TEXT("reason", error->message));
    free(subject);
}

/* Waits until snapshots of the model can be encoded; false when cancelled before. */
static bool prepare_schema(struct committer *committer, int place)
{
    struct error error;
    while (!output_prepare(committer->output, place, &error)) {
        tell_registry(committer, place, &error);
        if (!rest(committer, REGISTRY_WAIT_MS))
            return false;
    }
    return true;
}

static void registry_is_well(void)
{
    health_set(HEALTH_REGISTRY, true, "");
    metrics_set(METRIC_REGISTRY_HOLDS, 0);
}

static bool prepare_schemas(struct committer *committer, const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct item *item = &batch->items[i];
        if ((item->kind == ITEM_SNAPSHOT || item->kind == ITEM_ASSEMBLED) &&
            !prepare_schema(committer, item->place))
            return false;
    }
    registry_is_well();
    return true;
}

/* Once, before any event comes, so that a registry that is away, or refuses one of the schemas,
 * shows at the start. A revocation cancels for a moment, the end for good. */
static void prepare_all(struct committer *committer)
{
    const struct selection *selection = committer->selection;
    if (committer->prepared || committer->kafka.config->output.format != FORMAT_AVRO)
        return;
    committer->prepared = true;
    for (size_t place = 0; place < selection->count; place++) {
        while (selection->has_snapshots[place] && !prepare_schema(committer, (int)place)) {
            if (atomic_load(committer->cancel))
                return;
        }
    }
    registry_is_well();
}

bool committer_connect(struct committer *committer, struct error *error)
{
    while (committer->producer == NULL) {
        committer->producer = transaction_producer_new(&committer->kafka, KAFKA_TRANSACTIONAL,
                                                       INT64_MAX, committer->cancel, error);
        if (committer->producer != NULL)
            break;
        health_set(HEALTH_PUBLISHER, false, "the transactional producer is not connected");
        if (error->verdict == VERDICT_CONFIGURATION || !rest(committer, RETRY_MS))
            return false;
        log_warn("transactional_producer_failed", LOG_TEXT("reason", error->message));
    }
    health_set(HEALTH_PUBLISHER, true, "");
    prepare_all(committer);
    return true;
}

/* An event whose bytes are wanted, and where they go. */
struct want {
    struct event_ref ref;
    rd_kafka_message_t **original;
};

static int compare_wants(const void *a, const void *b)
{
    const struct event_ref *x = &((const struct want *)a)->ref;
    const struct event_ref *y = &((const struct want *)b)->ref;
    if (x->slot != y->slot)
        return x->slot < y->slot ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static size_t list_wants(struct batch *batch, struct want **wants)
{
    size_t count = 0;
    size_t capacity = 0;
    *wants = NULL;
    for (size_t i = 0; i < batch->count; i++) {
        struct item *item = &batch->items[i];
        if (!item_is_by_event(item) || item->originals != NULL)
            continue;
        item->originals = memory_new(item->claim.count, sizeof(rd_kafka_message_t *));
        for (size_t r = 0; r < item->claim.count; r++) {
            if (count == capacity) {
                capacity = capacity == 0 ? 64 : capacity * 2;
                *wants = memory_grow(*wants, capacity, sizeof **wants);
            }
            (*wants)[count++] = (struct want){claim_events(&item->claim)[r], &item->originals[r]};
        }
    }
    return count;
}

/* Reads the bytes of all events that are forwarded or become dead letters; partition by partition,
 * since going to and fro between them is what costs. */
static bool prepare_originals(struct committer *committer, struct batch *batch)
{
    struct want *wants = NULL;
    struct error error;
    int partitions = committer->topics->partitions;
    bool going = true;
    size_t count = list_wants(batch, &wants);
    if (count > 0)
        qsort(wants, count, sizeof *wants, compare_wants);
    for (size_t i = 0; i < count && going; i++) {
        const struct event_ref *ref = &wants[i].ref;
        const char *topic = committer->topics->events[ref->slot / partitions];
        while (going && !reread_get(committer->reread, topic, ref->slot % partitions, ref->offset,
                                    committer->cancel, wants[i].original, &error)) {
            log_warn("event_unread", LOG_TEXT("topic", topic), LOG_TEXT("reason", error.message));
            going = rest(committer, RETRY_MS);
        }
    }
    free(wants);
    return going;
}

static void make_dead_letter(struct item *item, const char *code, const char *message)
{
    item->kind = ITEM_DEAD_LETTER;
    item->code = code;
    item->attempts++;
    (void)snprintf(item->message, sizeof item->message, "%.*s", (int)sizeof item->message - 1,
                   message);
}

static enum transaction_outcome add(struct committer *committer, struct envelope *envelope,
                                    size_t index, struct error *error)
{
    enum transaction_outcome outcome =
        transaction_add(committer->producer, &envelope->message, index, committer->cancel, error);
    envelope_free(envelope);
    return outcome;
}

static enum transaction_outcome add_events(struct committer *committer, const struct batch *batch,
                                           size_t index, struct error *error)
{
    const struct item *item = &batch->items[index];
    const struct topics *topics = committer->topics;
    enum transaction_outcome outcome = TRANSACTION_DONE;
    for (size_t i = 0; i < item->claim.count && outcome == TRANSACTION_DONE; i++) {
        const struct event_ref *ref = &claim_events(&item->claim)[i];
        const char *topic = topics->events[ref->slot / topics->partitions];
        const rd_kafka_message_t *original = item->originals[i];
        struct envelope envelope = {0};
        if (item->kind == ITEM_FORWARD && original != NULL)
            envelope_forward(&envelope, item, topic, original, committer->selection->redaction);
        else
            envelope_dead_letter(
                &envelope, item, topics->dead_letters, original,
                &(struct event_place){topic, ref->slot % topics->partitions, ref->offset},
                committer->selection->names[item->place], committer->selection->redaction);
        outcome = add(committer, &envelope, index, error);
    }
    return outcome;
}

static enum transaction_outcome add_snapshot(struct committer *committer, struct batch *batch,
                                             size_t index, struct error *error)
{
    struct item *item = &batch->items[index];
    struct envelope envelope = {0};
    const void *bytes = NULL;
    size_t length = 0;
    const char *code = NULL;
    if (item->kind != ITEM_TOMBSTONE && !output_encode(committer->output, item->place, item->record,
                                                       &bytes, &length, &code, error)) {
        make_dead_letter(item, code, error->message);
        enum transaction_outcome outcome = transaction_abort(committer->producer, error);
        return outcome == TRANSACTION_CANCELLED ? TRANSACTION_REFUSED : outcome;
    }
    envelope_snapshot(&envelope, item, committer->topics->snapshots[item->place],
                      committer->selection->names[item->place], bytes, length,
                      output_content_type(committer->output), &committer->random);
    return add(committer, &envelope, index, error);
}

static bool is_assembled(const struct committer *committer, const struct item *item)
{
    return model_kind(committer->selection->models[item->place]) == MODEL_ASSEMBLED;
}

/* The snapshot and the state, or both their tombstones. */
static enum transaction_outcome add_assembled(struct committer *committer, struct batch *batch,
                                              size_t index, struct error *error)
{
    const struct item *item = &batch->items[index];
    struct envelope envelope = {0};
    int slot = item->claim.count > 0 ? claim_events(&item->claim)[0].slot : item->slot;
    enum transaction_outcome outcome = add_snapshot(committer, batch, index, error);
    if (outcome != TRANSACTION_DONE)
        return outcome;
    envelope_state(&envelope, item, committer->topics->assembly,
                   slot % committer->topics->partitions, committer->selection->names[item->place]);
    return add(committer, &envelope, index, error);
}

static enum transaction_outcome add_text(struct committer *committer, const struct batch *batch,
                                         size_t index, struct error *error)
{
    const struct item *item = &batch->items[index];
    struct envelope envelope = {0};
    if (item->kind == ITEM_EVENT)
        envelope_event(&envelope, item, committer->topics->events[item->place],
                       item->slot % committer->topics->partitions,
                       committer->selection->names[item->place], &committer->random);
    else if (item->kind == ITEM_PROGRESS)
        envelope_progress(&envelope, item, committer->topics->state,
                          item->slot % committer->topics->partitions);
    else
        envelope_milestone(&envelope, item, committer->topics->activity, &committer->random);
    return add(committer, &envelope, index, error);
}

static enum transaction_outcome add_item(struct committer *committer, struct batch *batch,
                                         size_t index, struct error *error)
{
    switch (batch->items[index].kind) {
    case ITEM_SNAPSHOT:
        return add_snapshot(committer, batch, index, error);
    case ITEM_TOMBSTONE:
        return is_assembled(committer, &batch->items[index])
                   ? add_assembled(committer, batch, index, error)
                   : add_snapshot(committer, batch, index, error);
    case ITEM_ASSEMBLED:
        return add_assembled(committer, batch, index, error);
    case ITEM_FORWARD:
    case ITEM_DEAD_LETTER:
        return add_events(committer, batch, index, error);
    case ITEM_PROGRESS:
    case ITEM_MILESTONE:
    case ITEM_EVENT:
        return add_text(committer, batch, index, error);
    case ITEM_NOTHING:
    case ITEM_SKIPPED:
        break;
    }
    return TRANSACTION_DONE;
}

static enum transaction_outcome commit(struct committer *committer, const struct batch *batch,
                                       struct error *error)
{
    int partitions = committer->topics->partitions;
    struct transaction_offset *offsets = memory_new(batch->offset_count, sizeof *offsets);
    for (size_t i = 0; i < batch->offset_count; i++) {
        const struct batch_offset *offset = &batch->offsets[i];
        offsets[i] = (struct transaction_offset){
            committer->topics->events[offset->slot / partitions], offset->slot % partitions,
            offset->watermark, committer->untold ? NULL : offset->metadata};
    }
    enum transaction_outcome outcome =
        transaction_commit(committer->producer, offsets, batch->offset_count, batch->membership,
                           committer->cancel, error);
    free(offsets);
    return outcome;
}

/* Reports are awaited at both ends of the doubted items, and step by step between them. */
static bool is_doubted(const struct batch *batch, size_t next)
{
    return batch->doubt_to > 0 && next >= batch->doubt_from && next <= batch->doubt_to &&
           (next == batch->doubt_to || (next - batch->doubt_from) % batch->doubt_step == 0);
}

static enum transaction_outcome await_added(struct committer *committer, struct error *error)
{
    enum transaction_outcome outcome =
        transaction_flush(committer->producer, committer->cancel, error);
    if (outcome == TRANSACTION_DONE)
        committer->awaited = committer->added;
    return outcome;
}

static enum transaction_outcome run(struct committer *committer, struct batch *batch, bool *mended,
                                    struct error *error)
{
    committer->awaited = committer->added = 0;
    enum transaction_outcome outcome = transaction_begin(committer->producer, error);
    for (size_t i = 0; i < batch->count && outcome == TRANSACTION_DONE; i++) {
        bool by_event = item_is_by_event(&batch->items[i]);
        outcome = add_item(committer, batch, i, error);
        committer->added = i + 1;
        if (outcome == TRANSACTION_DONE && is_doubted(batch, i + 1))
            outcome = await_added(committer, error);
        *mended |= !by_event && item_is_by_event(&batch->items[i]);
    }
    return outcome == TRANSACTION_DONE ? commit(committer, batch, error) : outcome;
}

/* Kafka refused some of the items from `from` to `to`. Within what is doubted already that narrows
 * the doubt down; elsewhere it widens it, with steps that only shrink, so that it comes to an end.
 */
static void doubt(struct batch *batch, size_t from, size_t to)
{
    size_t step = (to - from) / 8 > 0 ? (to - from) / 8 : 1;
    bool first = batch->doubt_to == 0;
    bool inside = from >= batch->doubt_from && to <= batch->doubt_to;
    if (first || step < batch->doubt_step)
        batch->doubt_step = step;
    if (first || inside || from < batch->doubt_from)
        batch->doubt_from = from;
    if (first || inside || to > batch->doubt_to)
        batch->doubt_to = to;
}

/* Kafka refused a message. True when the batch was changed so that it may pass at once. */
static bool mend(struct committer *committer, struct batch *batch, const struct error *error)
{
    size_t index = 0;
    size_t doubted = committer->added - committer->awaited;
    if (!transaction_is_certain(committer->producer) && doubted > 1) {
        doubt(batch, committer->awaited, committer->added);
        return true;
    }
    bool for_itself = transaction_culprit(committer->producer, &index);
    struct item *item = &batch->items[index];
    log_warn("message_refused", LOG_TEXT("model", committer->selection->names[item->place]),
             LOG_TEXT("record_id", item->record_id), LOG_TEXT("reason", error->message));
    if (!for_itself || (item->kind == ITEM_DEAD_LETTER && item->bare)) {
        health_set(HEALTH_PUBLISHER, false, "Kafka refuses messages of a topic");
        return false;
    }
    if (item->kind == ITEM_DEAD_LETTER)
        item->bare = true;
    else
        make_dead_letter(item, "too-large", error->message);
    return true;
}

/* One try. COMMIT_FAILED with VERDICT_RETRY or VERDICT_ABORT in `error`: try again after
 * `*pause_ms`. */
static enum commit_outcome try_once(struct committer *committer, struct batch *batch, int *pause_ms,
                                    struct error *error)
{
    bool mended = false;
    *pause_ms = RETRY_MS;
    if (!prepare_schemas(committer, batch) || !prepare_originals(committer, batch))
        return COMMIT_CANCELLED;
    if (!committer_connect(committer, error))
        return atomic_load(committer->cancel) ? COMMIT_CANCELLED : COMMIT_FAILED;
    int64_t began_us = clock_us();
    enum transaction_outcome outcome = run(committer, batch, &mended, error);
    switch (outcome) {
    case TRANSACTION_DONE:
        metrics_observe(METRIC_TRANSACTION_TIME, clock_us() - began_us, NULL);
        return COMMIT_DONE;
    case TRANSACTION_CANCELLED:
        return COMMIT_CANCELLED;
    case TRANSACTION_FENCED:
    case TRANSACTION_ENDED:
        metrics_add(METRIC_TRANSACTIONS_FENCED, 1);
        log_warn("fenced", LOG_TEXT("by", outcome == TRANSACTION_FENCED ? "group" : "transaction"),
                 LOG_TEXT("reason", error->message), LOG_NUMBER("items", batch->count));
        drop_producer(committer);
        if (outcome == TRANSACTION_FENCED)
            return COMMIT_FENCED;
        break;
    case TRANSACTION_BROKEN:
        drop_producer(committer);
        break;
    case TRANSACTION_UNTOLD:
        committer->untold = true;
        log_error("offset_metadata_refused", LOG_TEXT("reason", error->message),
                  LOG_TEXT("hint", "the brokers' offset.metadata.max.bytes is to be 4096 or more; "
                                   "until then, and a restart, work is done again after one"));
        *pause_ms = 0;
        break;
    case TRANSACTION_REFUSED:
        *pause_ms = mended || mend(committer, batch, error) ? 0 : REFUSED_WAIT_MS;
        break;
    case TRANSACTION_ABORTED:
        break;
    }
    error->verdict = VERDICT_ABORT;
    return COMMIT_FAILED;
}

enum commit_outcome committer_publish(struct committer *committer, struct batch *batch,
                                      struct error *error)
{
    for (;;) {
        int pause_ms = 0;
        enum commit_outcome outcome = try_once(committer, batch, &pause_ms, error);
        if (outcome != COMMIT_FAILED || error->verdict == VERDICT_CONFIGURATION)
            return outcome;
        metrics_add(METRIC_TRANSACTIONS_ABORTED, 1);
        log_warn("transaction_aborted", LOG_TEXT("reason", error->message),
                 LOG_NUMBER("items", batch->count));
        if (!rest(committer, pause_ms))
            return COMMIT_CANCELLED;
    }
}
