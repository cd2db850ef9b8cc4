#include "bridge/kafka/producer.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/base/health.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/kafka/handle.h"
#include "bridge/kafka/stats.h"

#define WARM_UP_MS       10000
#define WARM_UP_STEP_MS  1000
#define REBUILD_PAUSE_MS 500
#define TURN_MS          100 /* of the thread: until it looks for a fatal error again */

struct producer {
    struct kafka_context kafka;
    struct producer_options options;
    pthread_t thread;
    atomic_bool stop;
    int fd;                  /* readable when there are reports; -1: the thread waits for them */
    pthread_mutex_t lock;    /* guards the pointer below; held only for calls that do not wait */
    rd_kafka_t *handle;      /* NULL while being replaced */
    pthread_mutex_t serving; /* guards what follows; held by whoever tells reports */
    rd_kafka_queue_t *queue; /* the handle's; NULL without one */
    struct kafka_stats stats;
};

/* For what the message is, not for what Kafka is at the moment. */
static bool is_refusal(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
           code == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE || code == RD_KAFKA_RESP_ERR_INVALID_RECORD;
}

static void tell(const struct producer *producer, const rd_kafka_message_t *message)
{
    struct producer_report report = {.opaque = message->_private, .sent = message};
    if (!message_is_stored(message)) {
        report.outcome = is_refusal(message->err) ? PRODUCER_REFUSED : PRODUCER_NOT_KEPT;
        report.reason = message->err == RD_KAFKA_RESP_ERR_NO_ERROR
                            ? "Kafka does not say where it is"
                            : rd_kafka_err2str(message->err);
    }
    producer->options.done(producer->options.context, &report);
}

static void take_event(struct producer *producer, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *message = NULL;
    const char *stats = NULL;
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_DR:
        while ((message = rd_kafka_event_message_next(event)) != NULL)
            tell(producer, message);
        break;
    case RD_KAFKA_EVENT_STATS:
        stats = rd_kafka_event_stats(event);
        kafka_stats_take(&producer->stats, stats, strlen(stats));
        break;
    case RD_KAFKA_EVENT_ERROR:
        kafka_note_error(rd_kafka_event_error(event), rd_kafka_event_error_string(event));
        break;
    default:
        break;
    }
}

/* With `serving` held. Takes all that is there: librdkafka writes to the descriptor only when the
 * queue was empty. */
static void serve_queue(struct producer *producer, int timeout_ms)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(producer->queue, timeout_ms);
    for (; event != NULL; event = rd_kafka_queue_poll(producer->queue, 0)) {
        take_event(producer, event);
        rd_kafka_event_destroy(event);
    }
}

/* The first message to a topic would wait for its metadata: ask for it beforehand. */
static bool warm_up(const struct producer *producer, rd_kafka_t *handle, struct error *error)
{
    const struct producer_options *options = &producer->options;
    for (size_t i = 0; i < options->topic_count; i++) {
        rd_kafka_topic_t *topic = rd_kafka_topic_new(handle, options->topics[i], NULL);
        if (topic == NULL)
            return error_set(error, VERDICT_CONFIGURATION, "%s: %s", options->topics[i],
                             rd_kafka_err2str(rd_kafka_last_error()));
        rd_kafka_topic_destroy(topic); /* librdkafka keeps its own reference */
    }
    int64_t deadline = clock_ms() + WARM_UP_MS;
    while (!options->starts_cold && !kafka_ping(handle, WARM_UP_STEP_MS, error)) {
        if (clock_ms() >= deadline || atomic_load(&producer->stop))
            return false;
    }
    return true;
}

static rd_kafka_t *open_handle(struct producer *producer, struct error *error)
{
    rd_kafka_conf_t *settings = kafka_settings(&producer->kafka, KAFKA_PRODUCER, error);
    if (settings == NULL)
        return NULL;
    if (producer->options.timeout_ms != PRODUCER_TIMEOUT_CONFIGURED &&
        !kafka_settings_timeout(settings, producer->options.timeout_ms, error)) {
        rd_kafka_conf_destroy(settings);
        return NULL;
    }
    producer->stats = (struct kafka_stats){.client = producer->options.name};
    if (producer->options.name != NULL && !kafka_stats_ask(settings, error)) {
        rd_kafka_conf_destroy(settings);
        return NULL;
    }
    rd_kafka_conf_set_events(settings,
                             RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_STATS | RD_KAFKA_EVENT_ERROR);
    rd_kafka_t *handle = kafka_open(RD_KAFKA_PRODUCER, settings, error);
    if (handle != NULL && !warm_up(producer, handle, error)) {
        (void)kafka_close(handle, 0);
        return NULL;
    }
    return handle;
}

static rd_kafka_t *swap_handle(struct producer *producer, rd_kafka_t *handle)
{
    (void)pthread_mutex_lock(&producer->lock);
    rd_kafka_t *old = producer->handle;
    producer->handle = handle;
    (void)pthread_mutex_unlock(&producer->lock);
    return old;
}

/* From here on its reports can be told. What is in the queue already, such as an error of a broker
 * that is not there, would keep librdkafka from ever writing to the descriptor: so the owner is
 * woken once, when nothing keeps it from serving. */
static void open_queue(struct producer *producer, rd_kafka_t *handle)
{
    static const uint64_t one = 1;
    (void)pthread_mutex_lock(&producer->serving);
    producer->queue = rd_kafka_queue_get_main(handle);
    if (producer->fd >= 0)
        rd_kafka_queue_io_event_enable(producer->queue, producer->fd, &one, sizeof one);
    (void)pthread_mutex_unlock(&producer->serving);
    if (producer->fd < 0)
        return;
    ssize_t written = write(producer->fd, &one, sizeof one);
    (void)written;
}

/* Reports all that is left as not kept and ends the handle. */
static void close_handle(struct producer *producer, rd_kafka_t *handle)
{
    (void)pthread_mutex_lock(&producer->serving);
    (void)rd_kafka_purge(handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    while (rd_kafka_outq_len(handle) > 0)
        serve_queue(producer, 10);
    rd_kafka_queue_io_event_enable(producer->queue, -1, NULL, 0); /* a late write would be astray */
    rd_kafka_queue_destroy(producer->queue);
    producer->queue = NULL;
    (void)pthread_mutex_unlock(&producer->serving);
    (void)kafka_close(handle, 0);
}

static void rebuild(struct producer *producer, const char *reason)
{
    struct error error;
    log_error("producer_fatal", LOG_TEXT("reason", reason));
    close_handle(producer, swap_handle(producer, NULL));
    while (!atomic_load(&producer->stop)) {
        rd_kafka_t *handle = open_handle(producer, &error);
        if (handle != NULL) {
            open_queue(producer, handle);
            (void)swap_handle(producer, handle);
            metrics_add(METRIC_PRODUCERS_REBUILT, 1);
            log_info("producer_rebuilt");
            return;
        }
        log_warn("producer_rebuild_failed", LOG_TEXT("reason", error.message));
        health_turned(producer->options.loop, clock_ms());
        clock_rest(REBUILD_PAUSE_MS);
    }
}

static void *run(void *context)
{
    struct producer *producer = context;
    char reason[256];
    while (!atomic_load(&producer->stop)) {
        health_turned(producer->options.loop, clock_ms());
        if (producer->options.owner_serves) {
            clock_rest(TURN_MS);
        } else {
            (void)pthread_mutex_lock(&producer->serving);
            serve_queue(producer, TURN_MS);
            (void)pthread_mutex_unlock(&producer->serving);
        }
        /* Only this thread swaps the handle, so reading it here needs no lock. */
        if (rd_kafka_fatal_error(producer->handle, reason, sizeof reason) !=
            RD_KAFKA_RESP_ERR_NO_ERROR)
            rebuild(producer, reason);
    }
    return NULL;
}

static void release(struct producer *producer)
{
    if (producer->fd >= 0)
        (void)close(producer->fd);
    (void)pthread_mutex_destroy(&producer->serving);
    (void)pthread_mutex_destroy(&producer->lock);
    free(producer);
}

struct producer *producer_new(const struct kafka_context *kafka,
                              const struct producer_options *options, struct error *error)
{
    struct producer *producer = memory_new(1, sizeof *producer);
    producer->kafka = *kafka;
    producer->options = *options;
    producer->fd = options->owner_serves ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) : -1;
    (void)pthread_mutex_init(&producer->lock, NULL);
    (void)pthread_mutex_init(&producer->serving, NULL);
    if (options->owner_serves && producer->fd < 0) {
        error_set(error, VERDICT_FATAL, "the producer has no descriptor: %s",
                  strerrordesc_np(errno));
        goto failed;
    }
    producer->handle = open_handle(producer, error);
    if (producer->handle == NULL)
        goto failed;
    open_queue(producer, producer->handle);
    if (pthread_create(&producer->thread, NULL, run, producer) != 0) {
        error_set(error, VERDICT_FATAL, "the producer's thread did not start");
        close_handle(producer, producer->handle);
        goto failed;
    }
    return producer;

failed:
    release(producer);
    return NULL;
}

int producer_fd(const struct producer *producer)
{
    return producer->fd;
}

void producer_serve(struct producer *producer)
{
    uint64_t count;
    ssize_t got = read(producer->fd, &count, sizeof count);
    (void)got;
    if (pthread_mutex_trylock(&producer->serving) != 0)
        return;
    if (producer->queue != NULL)
        serve_queue(producer, 0);
    (void)pthread_mutex_unlock(&producer->serving);
}

bool producer_send(struct producer *producer, const struct message *message, void *opaque,
                   struct error *error)
{
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__STATE;
    (void)pthread_mutex_lock(&producer->lock);
    if (producer->handle != NULL)
        code = message_produce(producer->handle, message, opaque);
    (void)pthread_mutex_unlock(&producer->lock);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    return error_set(error,
                     code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ? VERDICT_FATAL : VERDICT_RETRY,
                     "%s", rd_kafka_err2str(code));
}

void producer_close(struct producer *producer)
{
    if (producer == NULL || atomic_exchange(&producer->stop, true))
        return;
    (void)pthread_join(producer->thread, NULL);
    rd_kafka_t *handle = swap_handle(producer, NULL);
    if (handle != NULL)
        close_handle(producer, handle);
}

void producer_free(struct producer *producer)
{
    if (producer == NULL)
        return;
    producer_close(producer);
    release(producer);
}

void producer_break(struct producer *producer)
{
    (void)pthread_mutex_lock(&producer->lock);
    if (producer->handle != NULL)
        (void)rd_kafka_test_fatal_error(producer->handle,
                                        RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "test");
    (void)pthread_mutex_unlock(&producer->lock);
}
