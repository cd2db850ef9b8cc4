#include "bridge/enricher/publisher.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/base/health.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/enricher/envelope.h"
#include "bridge/enricher/output.h"
#include "bridge/kafka/reread.h"
#include "bridge/kafka/transaction.h"

#define RETRY_MS         250  /* after an aborted transaction */
#define REGISTRY_WAIT_MS 2000 /* after the registry did not help */

struct batch_list {
    struct batch *first;
    struct batch *last;
};

struct publisher {
    struct kafka_context kafka;
    const struct topics *topics;
    const struct selection *selection;
    struct output *output;
    struct transaction_producer *producer; /* NULL until connected, and after a fencing */
    struct reread *reread;
    struct random random;
    int fd;
    pthread_t thread;

    pthread_mutex_t lock; /* guards what follows; never held while waiting for anything outside */
    pthread_cond_t changed;
    struct batch_list given;
    struct batch_list finished;
    size_t busy;
    bool working; /* the thread has a batch in hand */
    bool stop;
    bool fenced; /* until the loop has revoked: what is given meanwhile is dropped */
    enum publisher_outcome outcome; /* of the last of `finished`, when not COMMITTED */
    struct error failure;

    atomic_bool cancel; /* the batch in hand is to be dropped as soon as that can be known */
};

static void push(struct batch_list *list, struct batch *batch)
{
    batch->next = NULL;
    if (list->first == NULL)
        list->first = batch;
    else
        list->last->next = batch;
    list->last = batch;
}

static struct batch *pop(struct batch_list *list)
{
    struct batch *batch = list->first;
    if (batch != NULL)
        list->first = batch->next;
    return batch;
}

/* Sleeps, but not longer than until a cancel. False when cancelled. */
static bool rest(struct publisher *publisher, int ms)
{
    int64_t deadline = clock_ms() + ms;
    while (!atomic_load(&publisher->cancel) && clock_ms() < deadline) {
        struct timespec pause = {0, 10 * 1000000L};
        (void)nanosleep(&pause, NULL);
    }
    return !atomic_load(&publisher->cancel);
}

static bool connect_producer(struct publisher *publisher, struct error *error)
{
    while (publisher->producer == NULL) {
        publisher->producer =
            transaction_producer_new(&publisher->kafka, &publisher->cancel, error);
        if (publisher->producer != NULL)
            break;
        health_set(HEALTH_PUBLISHER, false, "the transactional producer is not connected");
        if (error->verdict == VERDICT_CONFIGURATION || !rest(publisher, RETRY_MS))
            return false;
        log_warn("transactional_producer_failed", LOG_TEXT("reason", error->message));
    }
    health_set(HEALTH_PUBLISHER, true, "");
    return true;
}

/* Before the transaction begins, everything that could make it wait is done: schema ids. */
static bool prepare(struct publisher *publisher, const struct batch *batch)
{
    struct error error;
    for (size_t i = 0; i < batch->count; i++) {
        const struct item *item = &batch->items[i];
        if (item->kind != ITEM_SNAPSHOT)
            continue;
        while (!output_prepare(publisher->output, item->place, &error)) {
            bool refused = error.verdict == VERDICT_CONFIGURATION;
            health_set(HEALTH_REGISTRY, false,
                       refused ? "the schema registry refuses a schema"
                               : "the schema registry is away");
            log_event(refused ? LOG_ERROR : LOG_WARN, "registry_unavailable",
                      LOG_TEXT("model", publisher->selection->names[item->place]),
                      LOG_TEXT("reason", error.message));
            if (!rest(publisher, REGISTRY_WAIT_MS))
                return false;
        }
    }
    health_set(HEALTH_REGISTRY, true, "");
    return true;
}

static enum transaction_outcome add(struct publisher *publisher, struct envelope *envelope,
                                    struct error *error)
{
    enum transaction_outcome outcome =
        transaction_add(publisher->producer, &envelope->message, &publisher->cancel, error);
    envelope_free(envelope);
    return outcome;
}

/* Adds one message for each event of the item, made from the event's own bytes. */
static enum transaction_outcome add_events(struct publisher *publisher, const struct item *item,
                                           struct error *error)
{
    int partitions = publisher->topics->partitions;
    for (size_t i = 0; i < item->claim.count; i++) {
        const struct event_ref *ref = &item->claim.refs[i];
        const char *topic = publisher->topics->events[ref->slot / partitions];
        int partition = ref->slot % partitions;
        rd_kafka_message_t *original = NULL;
        struct envelope envelope = {0};
        if (!reread_get(publisher->reread, topic, partition, ref->offset, &publisher->cancel,
                        &original, error))
            return TRANSACTION_ABORTED;
        if (item->kind == ITEM_FORWARD && original != NULL)
            envelope_forward(&envelope, item, topic, original);
        else
            envelope_dead_letter(&envelope, item, publisher->topics->dead_letters, original, topic,
                                 partition, ref->offset);
        enum transaction_outcome outcome = add(publisher, &envelope, error);
        if (original != NULL)
            rd_kafka_message_destroy(original);
        if (outcome != TRANSACTION_DONE)
            return outcome;
    }
    return TRANSACTION_DONE;
}

static void make_dead_letter(struct item *item, const char *code, const char *message)
{
    item->kind = ITEM_DEAD_LETTER;
    item->code = code;
    item->attempts++;
    (void)snprintf(item->message, sizeof item->message, "%.*s", (int)sizeof item->message - 1,
                   message);
}

static enum transaction_outcome add_snapshot(struct publisher *publisher, struct item *item,
                                             struct error *error)
{
    struct envelope envelope = {0};
    const void *bytes = NULL;
    size_t length = 0;
    struct error reason;
    if (item->kind == ITEM_SNAPSHOT &&
        !output_encode(publisher->output, item->place, item->record, &bytes, &length, &reason)) {
        make_dead_letter(item, "cannot-encode", reason.message);
        return add_events(publisher, item, error);
    }
    envelope_snapshot(&envelope, item, publisher->topics->snapshots[item->place],
                      publisher->selection->names[item->place], bytes, length,
                      output_content_type(publisher->output), &publisher->random);
    enum transaction_outcome outcome = add(publisher, &envelope, error);
    if (outcome != TRANSACTION_TOO_LARGE)
        return outcome;
    make_dead_letter(item, "too-large", "the snapshot is larger than topics.max_message");
    return add_events(publisher, item, error);
}

static enum transaction_outcome add_item(struct publisher *publisher, struct item *item,
                                         struct error *error)
{
    switch (item->kind) {
    case ITEM_SNAPSHOT:
    case ITEM_TOMBSTONE:
        return add_snapshot(publisher, item, error);
    case ITEM_FORWARD:
    case ITEM_DEAD_LETTER:
        break;
    }
    return add_events(publisher, item, error);
}

static enum transaction_outcome commit(struct publisher *publisher, const struct batch *batch,
                                       struct error *error)
{
    int partitions = publisher->topics->partitions;
    struct transaction_offset *offsets = memory_new(batch->offset_count, sizeof *offsets);
    for (size_t i = 0; i < batch->offset_count; i++) {
        int slot = batch->offsets[i].slot;
        offsets[i] = (struct transaction_offset){publisher->topics->events[slot / partitions],
                                                 slot % partitions, batch->offsets[i].watermark};
    }
    enum transaction_outcome outcome =
        transaction_commit(publisher->producer, offsets, batch->offset_count, batch->membership,
                           &publisher->cancel, error);
    free(offsets);
    return outcome;
}

/* One try to make the batch visible. */
static enum transaction_outcome try_batch(struct publisher *publisher, struct batch *batch,
                                          struct error *error)
{
    if (!connect_producer(publisher, error))
        return atomic_load(&publisher->cancel) ? TRANSACTION_CANCELLED : TRANSACTION_BROKEN;
    enum transaction_outcome outcome = transaction_begin(publisher->producer, error);
    for (size_t i = 0; i < batch->count && outcome == TRANSACTION_DONE; i++) {
        outcome = add_item(publisher, &batch->items[i], error);
        /* An event that could not be read again: the transaction is still open. */
        if (outcome == TRANSACTION_ABORTED && error->verdict == VERDICT_RETRY) {
            enum transaction_outcome aborted = transaction_abort(publisher->producer, error);
            outcome = aborted == TRANSACTION_CANCELLED ? TRANSACTION_ABORTED : aborted;
        }
    }
    return outcome == TRANSACTION_DONE ? commit(publisher, batch, error) : outcome;
}

static void drop_producer(struct publisher *publisher)
{
    transaction_producer_free(publisher->producer);
    publisher->producer = NULL;
}

/* Tries until the batch is visible, refused for good or cancelled. */
static enum transaction_outcome publish(struct publisher *publisher, struct batch *batch,
                                        struct error *error)
{
    for (;;) {
        if (!prepare(publisher, batch))
            return TRANSACTION_CANCELLED;
        enum transaction_outcome outcome = try_batch(publisher, batch, error);
        switch (outcome) {
        case TRANSACTION_DONE:
        case TRANSACTION_CANCELLED:
            return outcome;
        case TRANSACTION_FENCED:
            metrics_add(METRIC_TRANSACTIONS_FENCED, 1);
            log_warn("fenced", LOG_TEXT("reason", error->message),
                     LOG_NUMBER("snapshots", batch->count));
            drop_producer(publisher);
            return outcome;
        case TRANSACTION_BROKEN:
            drop_producer(publisher);
            if (error->verdict == VERDICT_CONFIGURATION)
                return outcome;
            break;
        case TRANSACTION_ABORTED:
        case TRANSACTION_TOO_LARGE:
            break;
        }
        metrics_add(METRIC_TRANSACTIONS_ABORTED, 1);
        log_warn("transaction_aborted", LOG_TEXT("reason", error->message),
                 LOG_NUMBER("snapshots", batch->count));
        if (!rest(publisher, RETRY_MS))
            return TRANSACTION_CANCELLED;
    }
}

static void count(const struct batch *batch)
{
    static const enum metric metrics[] = {
        [ITEM_SNAPSHOT] = METRIC_SNAPSHOTS,
        [ITEM_TOMBSTONE] = METRIC_TOMBSTONES,
        [ITEM_FORWARD] = METRIC_FORWARDED,
        [ITEM_DEAD_LETTER] = METRIC_DEAD_LETTERS,
    };
    metrics_add(METRIC_TRANSACTIONS_COMMITTED, 1);
    for (size_t i = 0; i < batch->count; i++) {
        const struct item *item = &batch->items[i];
        bool by_event = item->kind == ITEM_FORWARD || item->kind == ITEM_DEAD_LETTER;
        metrics_add(metrics[item->kind], by_event ? (int64_t)item->claim.count : 1);
        if (item->kind == ITEM_DEAD_LETTER)
            log_warn("dead_letter", LOG_TEXT("code", item->code),
                     LOG_TEXT("record_id", item->record_id),
                     LOG_NUMBER("events", item->claim.count));
    }
}

static void wake_loop(struct publisher *publisher)
{
    uint64_t one = 1;
    ssize_t written = write(publisher->fd, &one, sizeof one);
    (void)written; /* full means that a wake-up is pending already */
}

/* The batch in hand has ended; `lock` is held. A cancelled one is dropped: the loop does not wait
 * for it. */
static void hand_back(struct publisher *publisher, struct batch *batch,
                      enum transaction_outcome outcome, const struct error *error)
{
    publisher->working = false;
    if (outcome == TRANSACTION_CANCELLED || (outcome != TRANSACTION_DONE && publisher->fenced)) {
        publisher->busy--;
        batch_free(batch);
    } else {
        push(&publisher->finished, batch);
        publisher->outcome = PUBLISHER_COMMITTED;
        if (outcome != TRANSACTION_DONE) {
            publisher->outcome =
                outcome == TRANSACTION_FENCED ? PUBLISHER_FENCED : PUBLISHER_FAILED;
            publisher->failure = *error;
            publisher->fenced = true;
        }
        wake_loop(publisher);
    }
    (void)pthread_cond_broadcast(&publisher->changed);
}

static void drop_given(struct publisher *publisher)
{
    for (struct batch *batch = pop(&publisher->given); batch != NULL;
         batch = pop(&publisher->given)) {
        publisher->busy--;
        batch_free(batch);
    }
}

static void *serve(void *context)
{
    struct publisher *publisher = context;
    struct error error = {0};
    if (!connect_producer(publisher, &error) && error.verdict == VERDICT_CONFIGURATION)
        log_error("transactional_producer_failed", LOG_TEXT("reason", error.message));
    (void)pthread_mutex_lock(&publisher->lock);
    while (!publisher->stop) {
        if (publisher->fenced)
            drop_given(publisher);
        struct batch *batch = pop(&publisher->given);
        if (batch == NULL) {
            (void)pthread_cond_wait(&publisher->changed, &publisher->lock);
            continue;
        }
        publisher->working = true;
        (void)pthread_mutex_unlock(&publisher->lock);
        enum transaction_outcome outcome = publish(publisher, batch, &error);
        if (outcome == TRANSACTION_DONE)
            count(batch);
        (void)pthread_mutex_lock(&publisher->lock);
        hand_back(publisher, batch, outcome, &error);
    }
    (void)pthread_mutex_unlock(&publisher->lock);
    return NULL;
}

struct publisher *publisher_new(const struct kafka_context *kafka, const struct topics *topics,
                                const struct selection *selection, struct error *error)
{
    struct publisher *publisher = memory_new(1, sizeof *publisher);
    publisher->kafka = *kafka;
    publisher->topics = topics;
    publisher->selection = selection;
    publisher->random = random_from_system();
    publisher->reread = reread_new(kafka);
    publisher->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    (void)pthread_mutex_init(&publisher->lock, NULL);
    (void)pthread_cond_init(&publisher->changed, NULL);
    publisher->output = output_new(kafka->config, topics, selection, error);
    if (publisher->output != NULL) {
        if (publisher->fd >= 0 && pthread_create(&publisher->thread, NULL, serve, publisher) == 0)
            return publisher;
        error_set(error, VERDICT_FATAL, "the publisher's thread did not start");
    }
    output_free(publisher->output);
    reread_free(publisher->reread);
    if (publisher->fd >= 0)
        (void)close(publisher->fd);
    free(publisher);
    return NULL;
}

int publisher_fd(const struct publisher *publisher)
{
    return publisher->fd;
}

void publisher_give(struct publisher *publisher, struct batch *batch)
{
    (void)pthread_mutex_lock(&publisher->lock);
    push(&publisher->given, batch);
    publisher->busy++;
    (void)pthread_cond_broadcast(&publisher->changed);
    (void)pthread_mutex_unlock(&publisher->lock);
}

size_t publisher_busy(struct publisher *publisher)
{
    (void)pthread_mutex_lock(&publisher->lock);
    size_t busy = publisher->busy;
    (void)pthread_mutex_unlock(&publisher->lock);
    return busy;
}

struct batch *publisher_take(struct publisher *publisher, enum publisher_outcome *outcome,
                             struct error *error)
{
    uint64_t wakes;
    ssize_t got = read(publisher->fd, &wakes, sizeof wakes);
    (void)got;
    (void)pthread_mutex_lock(&publisher->lock);
    struct batch *batch = pop(&publisher->finished);
    *outcome = PUBLISHER_COMMITTED;
    if (batch != NULL) {
        publisher->busy--;
        if (publisher->finished.first == NULL) { /* only the last one can be other than committed */
            *outcome = publisher->outcome;
            *error = publisher->failure;
        }
    }
    (void)pthread_mutex_unlock(&publisher->lock);
    return batch;
}

void publisher_revoke(struct publisher *publisher)
{
    atomic_store(&publisher->cancel, true);
    (void)pthread_mutex_lock(&publisher->lock);
    drop_given(publisher);
    while (publisher->working)
        (void)pthread_cond_wait(&publisher->changed, &publisher->lock);
    for (struct batch *batch = pop(&publisher->finished); batch != NULL;
         batch = pop(&publisher->finished)) {
        publisher->busy--;
        batch_free(batch);
    }
    publisher->fenced = false;
    (void)pthread_mutex_unlock(&publisher->lock);
    atomic_store(&publisher->cancel, false);
}

void publisher_free(struct publisher *publisher)
{
    if (publisher == NULL)
        return;
    publisher_revoke(publisher);
    atomic_store(&publisher->cancel, true);
    (void)pthread_mutex_lock(&publisher->lock);
    publisher->stop = true;
    (void)pthread_cond_broadcast(&publisher->changed);
    (void)pthread_mutex_unlock(&publisher->lock);
    (void)pthread_join(publisher->thread, NULL);
    drop_producer(publisher);
    output_free(publisher->output);
    reread_free(publisher->reread);
    (void)close(publisher->fd);
    (void)pthread_cond_destroy(&publisher->changed);
    (void)pthread_mutex_destroy(&publisher->lock);
    free(publisher);
}
