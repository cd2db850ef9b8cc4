#include "bridge/enricher/publisher.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/base/condition.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/base/random.h"
#include "bridge/base/trace.h"
#include "bridge/enricher/committer.h"
#include "bridge/http/spans.h"

struct batch_list {
    struct batch *first;
    struct batch *last;
};

struct publisher {
    struct committer *committer;
    const struct selection *selection;
    struct random random; /* the thread's */
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

/* From the event's arrival to the commit; and within that the request, whose span a page does not
 * share with the records on it. */
static void tell_spans(struct publisher *publisher, const struct item *item, const char *kind,
                       int64_t wall_ms)
{
    const struct span_note notes[] = {
        {"propexo.model", publisher->selection->names[item->place], 0},
        {"propexo.record_id", item->record_id, 0},
        {"propexo.integration_id", item->integration_id == NULL ? "" : item->integration_id, 0},
        {"propexo.kind", kind, 0},
        {"propexo.events", NULL, (int64_t)item->claim.count},
        {NULL, NULL, 0}};
    if (!spans_record(&item->trace))
        return;
    struct trace asked = item->asked;
    if (asked.id[0] == '\0')
        asked = trace_child(&item->trace, &publisher->random);
    spans_tell(&(struct span){.trace = &item->trace,
                              .name = "snapshot",
                              .kind = SPAN_PRODUCER,
                              .start_us = item->claim.arrived_ms * 1000,
                              .end_us = wall_ms * 1000,
                              .notes = notes});
    if (item->asked_ms != 0)
        spans_tell(&(struct span){.trace = &asked,
                                  .name = item->asked.id[0] == '\0' ? "fetch page" : "fetch record",
                                  .kind = SPAN_CLIENT,
                                  .start_us = item->asked_ms * 1000,
                                  .end_us = item->fetched_ms * 1000,
                                  .notes = notes});
}

static void count_snapshot(struct publisher *publisher, const struct item *item, const char *kind,
                           int64_t wall_ms)
{
    (void)metrics_add_labelled(METRIC_SNAPSHOTS, kind, publisher->selection->names[item->place], 1);
    if (item->integration_id != NULL)
        (void)metrics_add_labelled(METRIC_INTEGRATION_SNAPSHOTS, item->integration_id, NULL, 1);
    if (item->claim.arrived_ms != 0)
        metrics_observe(METRIC_SNAPSHOT_TIME, (wall_ms - item->claim.arrived_ms) * 1000,
                        item->trace.id);
    tell_spans(publisher, item, kind, wall_ms);
}

static void count_dead_letter(const struct item *item, int64_t events)
{
    (void)metrics_add_labelled(METRIC_DEAD_LETTERS, item->code, NULL, events);
    if (item->integration_id != NULL)
        (void)metrics_add_labelled(METRIC_INTEGRATION_DEAD_LETTERS, item->integration_id, NULL,
                                   events);
    log_warn("dead_letter", LOG_TEXT("code", item->code), LOG_TEXT("record_id", item->record_id),
             LOG_NUMBER("events", item->claim.count));
}

static void count(struct publisher *publisher, const struct batch *batch)
{
    static const enum metric metrics[] = {
        [ITEM_FORWARD] = METRIC_FORWARDED,      [ITEM_NOTHING] = METRIC_EVENTS_UNPUBLISHED,
        [ITEM_SKIPPED] = METRIC_EVENTS_SKIPPED, [ITEM_PROGRESS] = METRIC_PROGRESS_WRITTEN,
        [ITEM_MILESTONE] = METRIC_MILESTONES,   [ITEM_EVENT] = METRIC_EVENTS_RECOVERED,
    };
    static const char *const kinds[] = {
        [ITEM_SNAPSHOT] = "record", [ITEM_ASSEMBLED] = "assembled", [ITEM_TOMBSTONE] = "tombstone"};
    int64_t wall_ms = clock_wall_ms();
    metrics_add(METRIC_TRANSACTIONS_COMMITTED, 1);
    for (size_t i = 0; i < batch->count; i++) {
        const struct item *item = &batch->items[i];
        int64_t messages = item_is_by_event(item) ? (int64_t)item->claim.count : 1;
        switch (item->kind) {
        case ITEM_SNAPSHOT:
        case ITEM_ASSEMBLED:
        case ITEM_TOMBSTONE:
            count_snapshot(publisher, item, kinds[item->kind], wall_ms);
            break;
        case ITEM_DEAD_LETTER:
            count_dead_letter(item, messages);
            break;
        default:
            metrics_add(metrics[item->kind], messages);
            break;
        }
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
            count(publisher, batch);
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
    publisher->selection = selection;
    publisher->random = random_from_system();
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
