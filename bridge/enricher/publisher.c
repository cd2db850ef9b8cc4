#include "bridge/enricher/publisher.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bridge/base/condition.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/enricher/committer.h"

struct batch_list {
    struct batch *first;
    struct batch *last;
};

struct publisher {
    struct committer *committer;
    int fd;
    pthread_t thread;

    pthread_mutex_t lock; /* guards what follows; never held while waiting for anything outside */
    pthread_cond_t changed;
    struct batch_list given;
    struct batch_list finished;
    size_t busy;
    bool working;   /* the thread has a batch in hand */
    bool abandoned; /* which the loop has forgotten; `cancel` holds until it has ended */
    bool stop;
    bool fenced; /* until the loop has revoked: what is given meanwhile is dropped */
    enum publisher_outcome outcome; /* of the last of `finished`, when not COMMITTED */
    struct error failure;

    atomic_bool cancel; /* the batch in hand is to be dropped as soon as that can be known */
    atomic_bool connected;
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

static void count(const struct batch *batch)
{
    static const enum metric metrics[] = {
        [ITEM_SNAPSHOT] = METRIC_SNAPSHOTS,       [ITEM_ASSEMBLED] = METRIC_ASSEMBLED,
        [ITEM_TOMBSTONE] = METRIC_TOMBSTONES,     [ITEM_FORWARD] = METRIC_FORWARDED,
        [ITEM_DEAD_LETTER] = METRIC_DEAD_LETTERS, [ITEM_NOTHING] = METRIC_EVENTS_UNPUBLISHED,
        [ITEM_SKIPPED] = METRIC_EVENTS_SKIPPED,   [ITEM_PROGRESS] = METRIC_PROGRESS_WRITTEN,
        [ITEM_MILESTONE] = METRIC_MILESTONES,     [ITEM_EVENT] = METRIC_EVENTS_RECOVERED,
    };
    metrics_add(METRIC_TRANSACTIONS_COMMITTED, 1);
    for (size_t i = 0; i < batch->count; i++) {
        const struct item *item = &batch->items[i];
        bool by_event = item_is_by_event(item);
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
static void hand_back(struct publisher *publisher, struct batch *batch, enum commit_outcome outcome,
                      const struct error *error)
{
    publisher->working = false;
    if (publisher->abandoned || outcome == COMMIT_CANCELLED ||
        (outcome != COMMIT_DONE && publisher->fenced)) {
        publisher->busy--;
        batch_free(batch);
    } else {
        push(&publisher->finished, batch);
        publisher->outcome = PUBLISHER_COMMITTED;
        if (outcome != COMMIT_DONE) {
            publisher->outcome = outcome == COMMIT_FENCED ? PUBLISHER_FENCED : PUBLISHER_FAILED;
            publisher->failure = *error;
            publisher->fenced = true;
        }
        wake_loop(publisher);
    }
    if (publisher->abandoned && !publisher->stop)
        atomic_store(&publisher->cancel, false);
    publisher->abandoned = false;
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
    if (!committer_connect(publisher->committer, &error) && error.verdict == VERDICT_CONFIGURATION)
        log_error("transactional_producer_failed", LOG_TEXT("reason", error.message));
    else
        atomic_store(&publisher->connected, true);
    wake_loop(publisher);
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
        enum commit_outcome outcome = committer_publish(publisher->committer, batch, &error);
        if (outcome == COMMIT_DONE)
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
    publisher->committer = committer_new(kafka, topics, selection, &publisher->cancel, error);
    if (publisher->committer == NULL)
        goto failed;
    publisher->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    (void)pthread_mutex_init(&publisher->lock, NULL);
    condition_init(&publisher->changed);
    if (publisher->fd >= 0 && pthread_create(&publisher->thread, NULL, serve, publisher) == 0)
        return publisher;
    error_set(error, VERDICT_FATAL, "the publisher's thread did not start");
    if (publisher->fd >= 0)
        (void)close(publisher->fd);

failed:
    committer_free(publisher->committer);
    free(publisher);
    return NULL;
}

int publisher_fd(const struct publisher *publisher)
{
    return publisher->fd;
}

bool publisher_is_connected(struct publisher *publisher)
{
    return atomic_load(&publisher->connected);
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

/* `lock` is held. */
static void await_batch_in_hand(struct publisher *publisher)
{
    struct timespec until = condition_until(PUBLISHER_REVOKE_MS);
    while (publisher->working &&
           pthread_cond_timedwait(&publisher->changed, &publisher->lock, &until) == 0)
        ;
}

void publisher_revoke(struct publisher *publisher)
{
    atomic_store(&publisher->cancel, true);
    (void)pthread_mutex_lock(&publisher->lock);
    drop_given(publisher);
    await_batch_in_hand(publisher);
    publisher->abandoned = publisher->working;
    for (struct batch *batch = pop(&publisher->finished); batch != NULL;
         batch = pop(&publisher->finished)) {
        publisher->busy--;
        batch_free(batch);
    }
    publisher->fenced = false;
    if (!publisher->abandoned)
        atomic_store(&publisher->cancel, false);
    (void)pthread_mutex_unlock(&publisher->lock);
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
    committer_free(publisher->committer);
    (void)close(publisher->fd);
    (void)pthread_cond_destroy(&publisher->changed);
    (void)pthread_mutex_destroy(&publisher->lock);
    free(publisher);
}
