#include "bridge/receiver/spool.h"

#include <pthread.h>
#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/base/condition.h"
#include "bridge/base/health.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/receiver/sender.h"
#include "bridge/receiver/spool_file.h"
#include "bridge/receiver/spool_record.h"

#define WAIT_MS 200 /* while there is nothing to do */
#define GATE_MS 5   /* while events wait for the gate, or for room in the producer */

struct spool {
    struct spool_calls calls;
    struct spool_file *file;
    struct sender *sender;
    size_t room; /* of the file */
    pthread_t thread;
    bool started;
    int64_t since_ms; /* the thread's: the file is not empty since then ... */
    size_t sent;      /* ... and so many were sent since */

    pthread_mutex_t lock; /* guards what follows; held only for a few steps */
    pthread_cond_t woken;
    bool stop;
    bool reported; /* the sender has something to look at */
    struct spool_event *queue;
    struct spool_event **queue_end;
    size_t queue_count;
    size_t queue_bytes;
    size_t count; /* events of file and queue */
    size_t cost;  /* of these, in bytes of the file */
};

static void on_reported(void *context, bool kept)
{
    struct spool *spool = context;
    (void)pthread_mutex_lock(&spool->lock);
    spool->reported = true;
    (void)pthread_cond_signal(&spool->woken);
    (void)pthread_mutex_unlock(&spool->lock);
    if (kept)
        spool->calls.alive(spool->calls.context);
}

/* One event more, or less, of so many bytes. The lock is held, so that the gauges never show fewer
 * than there are when a webhook is answered. */
static void count_event(struct spool *spool, bool more, size_t length)
{
    spool->count += more ? 1 : (size_t)-1;
    spool->cost += more ? spool_file_cost(length) : -spool_file_cost(length);
    metrics_set(METRIC_SPOOL_EVENTS, (int64_t)spool->count);
    metrics_set(METRIC_SPOOL_BYTES, (int64_t)spool->cost);
}

static void forget(struct spool *spool, size_t length)
{
    (void)pthread_mutex_lock(&spool->lock);
    count_event(spool, false, length);
    (void)pthread_mutex_unlock(&spool->lock);
}

static void on_deleted(void *context, unsigned lane, size_t length)
{
    struct spool *spool = context;
    forget(spool, length);
    spool->sent++;
    metrics_add(METRIC_SPOOL_SENT, 1);
    spool->calls.sent(spool->calls.context, lane);
}

static void on_trouble(void *context, const struct error *error)
{
    static struct log_gate gate;
    int64_t suppressed = 0;
    (void)context;
    metrics_add(METRIC_SPOOL_FAILURES, 1);
    if (log_gate_open(&gate, clock_ms(), 1000, &suppressed))
        log_error("spool_failed", LOG_TEXT("reason", error->message),
                  LOG_NUMBER("suppressed", suppressed));
}

struct spool *spool_open(const struct kafka_context *kafka, const char *dead_letters,
                         const struct spool_calls *calls, struct error *error)
{
    const struct config *config = kafka->config;
    struct spool_file *file = spool_file_open(config->receiver.spool_dir, config->topics.prefix,
                                              (size_t)config->receiver.spool_max_mb << 20, error);
    metrics_set(METRIC_SPOOL_LIMIT, config->receiver.spool_max_mb << 20);
    if (file == NULL)
        return NULL;
    struct spool *spool = memory_new(1, sizeof *spool);
    struct sender_calls from_sender = {spool, on_reported, on_deleted, on_trouble};
    spool->calls = *calls;
    spool->file = file;
    spool->sender = sender_new(kafka, dead_letters, file, &from_sender);
    spool->room = spool_file_room(file);
    spool->queue_end = &spool->queue;
    (void)pthread_mutex_init(&spool->lock, NULL);
    condition_init(&spool->woken);
    return spool;
}

struct visiting {
    struct spool *spool;
    spool_visit *visit;
    void *context;
    uint64_t last;
    bool whole;
};

static bool visit_line(void *context, const struct spool_line *line)
{
    struct visiting *visiting = context;
    struct spool *spool = visiting->spool;
    struct message message;
    visiting->whole = spool_record_read(line->sequence, line->bytes, line->length, &message);
    if (!visiting->whole)
        return false;
    count_event(spool, true, line->length);
    visiting->last = line->sequence;
    visiting->visit(visiting->context, sender_lane(&message));
    return true;
}

bool spool_visit_all(struct spool *spool, spool_visit *visit, void *context, uint64_t *last,
                     struct error *error)
{
    struct visiting visiting = {spool, visit, context, 0, true};
    if (!spool_file_read(spool->file, 0, visit_line, &visiting, error))
        return false;
    if (!visiting.whole)
        return error_set(error, VERDICT_CONFIGURATION, "receiver.spool_dir: the spool is torn");
    *last = visiting.last;
    sender_found(spool->sender, spool->count);
    spool->since_ms = clock_ms();
    if (spool->count > 0)
        log_info("spool_found", LOG_NUMBER("events", spool->count));
    return true;
}

bool spool_add(struct spool *spool, struct spool_event *event)
{
    size_t cost = spool_file_cost(event->length);
    (void)pthread_mutex_lock(&spool->lock);
    bool taken = !spool->stop && spool->cost + cost <= spool->room &&
                 spool->queue_bytes + event->length <= SPOOL_QUEUE_BYTES;
    if (taken) {
        event->next = NULL;
        *spool->queue_end = event;
        spool->queue_end = &event->next;
        spool->queue_count++;
        spool->queue_bytes += event->length;
        count_event(spool, true, event->length);
        (void)pthread_cond_signal(&spool->woken);
    }
    (void)pthread_mutex_unlock(&spool->lock);
    return taken;
}

size_t spool_count(struct spool *spool)
{
    (void)pthread_mutex_lock(&spool->lock);
    size_t count = spool->count;
    (void)pthread_mutex_unlock(&spool->lock);
    return count;
}

static void write_all(struct spool *spool, struct spool_event *events, size_t count)
{
    struct spool_line *lines = memory_new(count, sizeof *lines);
    struct error error = {0};
    size_t i = 0;
    for (const struct spool_event *event = events; event != NULL; event = event->next)
        lines[i++] = (struct spool_line){event->sequence, event->bytes, event->length};
    bool ok = spool_file_write(spool->file, lines, count, NULL, 0, &error);
    free(lines);
    if (ok) {
        sender_found(spool->sender, count);
        metrics_add(METRIC_SPOOL_WRITTEN, (int64_t)count);
        health_set(HEALTH_SPOOL, true, "");
    } else {
        on_trouble(spool, &error);
        health_set(HEALTH_SPOOL, false, error.message);
    }
    for (struct spool_event *next = NULL; events != NULL; events = next) {
        next = events->next;
        if (!ok)
            forget(spool, events->length);
        spool->calls.written(spool->calls.context, events, ok);
    }
}

static void tell_change(struct spool *spool, bool was_empty)
{
    bool empty = spool_count(spool) == 0;
    if (was_empty && !empty) {
        spool->since_ms = clock_ms();
        spool->sent = 0;
        log_warn("spooling");
    }
    if (was_empty || !empty)
        return;
    log_info("spool_empty", LOG_NUMBER("sent", spool->sent),
             LOG_NUMBER("seconds", (clock_ms() - spool->since_ms) / 1000));
    spool_file_shrink(spool->file);
}

/* Does all that lies there. False when the thread shall end. */
static bool work(struct spool *spool, int64_t *wait_ms)
{
    /* Before the queue is taken: a number below the gate is in the file or in this queue then. */
    uint64_t gate = spool->calls.gate(spool->calls.context);
    (void)pthread_mutex_lock(&spool->lock);
    bool stop = spool->stop;
    bool was_empty = spool->count == spool->queue_count;
    struct spool_event *queue = spool->queue;
    size_t count = spool->queue_count;
    spool->queue = NULL;
    spool->queue_end = &spool->queue;
    spool->queue_count = spool->queue_bytes = 0;
    spool->reported = false;
    (void)pthread_mutex_unlock(&spool->lock);
    if (queue != NULL)
        write_all(spool, queue, count);
    size_t deleted = sender_settle(spool->sender);
    *wait_ms = !stop && sender_feed(spool->sender, gate) ? GATE_MS : WAIT_MS;
    if (queue != NULL || deleted > 0)
        tell_change(spool, was_empty);
    return !stop;
}

static void wait_woken(struct spool *spool, int64_t ms)
{
    struct timespec until = condition_until(ms);
    (void)pthread_mutex_lock(&spool->lock);
    if (!spool->stop && spool->queue == NULL && !spool->reported)
        (void)pthread_cond_timedwait(&spool->woken, &spool->lock, &until);
    (void)pthread_mutex_unlock(&spool->lock);
}

static void *serve(void *context)
{
    struct spool *spool = context;
    int64_t wait_ms = 0;
    while (work(spool, &wait_ms))
        wait_woken(spool, wait_ms);
    return NULL;
}

bool spool_start(struct spool *spool, struct error *error)
{
    spool->started = pthread_create(&spool->thread, NULL, serve, spool) == 0;
    return spool->started || error_set(error, VERDICT_FATAL, "the spool's thread did not start");
}

void spool_close(struct spool *spool)
{
    if (spool == NULL)
        return;
    (void)pthread_mutex_lock(&spool->lock);
    spool->stop = true;
    (void)pthread_cond_signal(&spool->woken);
    (void)pthread_mutex_unlock(&spool->lock);
    if (spool->started)
        (void)pthread_join(spool->thread, NULL);
    spool->started = false;
}

void spool_free(struct spool *spool)
{
    if (spool == NULL)
        return;
    spool_close(spool);
    sender_free(spool->sender);
    spool_file_close(spool->file);
    (void)pthread_cond_destroy(&spool->woken);
    (void)pthread_mutex_destroy(&spool->lock);
    free(spool);
}
