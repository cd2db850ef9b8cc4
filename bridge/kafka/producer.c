#include "bridge/kafka/producer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

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

struct producer {
    struct kafka_context kafka;
    struct producer_options options;
    pthread_t thread;
    atomic_bool stop;
    pthread_mutex_t lock;     /* guards the pointer below; held only for calls that do not wait */
    rd_kafka_t *handle;       /* NULL while being replaced */
    struct kafka_stats stats; /* the thread's own, once it runs */
};

/* For what the message is, not for what Kafka is at the moment. */
static bool is_refusal(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
           code == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE || code == RD_KAFKA_RESP_ERR_INVALID_RECORD;
}

static void on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *context)
{
    struct producer *producer = context;
    struct producer_report report = {.opaque = message->_private, .sent = message};
    (void)handle;
    if (!message_is_stored(message)) {
        report.outcome = is_refusal(message->err) ? PRODUCER_REFUSED : PRODUCER_NOT_KEPT;
        report.reason = message->err == RD_KAFKA_RESP_ERR_NO_ERROR
                            ? "Kafka does not say where it is"
                            : rd_kafka_err2str(message->err);
    }
    producer->options.done(producer->options.context, &report);
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

static int on_stats(rd_kafka_t *handle, char *json, size_t length, void *context)
{
    struct producer *producer = context;
    (void)handle;
    kafka_stats_take(&producer->stats, json, length);
    return 0; /* librdkafka frees the text */
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
    if (producer->options.name != NULL) {
        rd_kafka_conf_set_stats_cb(settings, on_stats);
        if (!kafka_stats_ask(settings, error)) {
            rd_kafka_conf_destroy(settings);
            return NULL;
        }
    }
    rd_kafka_conf_set_dr_msg_cb(settings, on_delivery);
    rd_kafka_conf_set_opaque(settings, producer);
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

/* Reports all that is left as not kept and ends the handle. */
static void close_handle(rd_kafka_t *handle)
{
    (void)rd_kafka_purge(handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    while (rd_kafka_outq_len(handle) > 0)
        (void)rd_kafka_poll(handle, 10);
    (void)kafka_close(handle, 0);
}

static void rebuild(struct producer *producer, const char *reason)
{
    struct error error;
    log_error("producer_fatal", LOG_TEXT("reason", reason));
    close_handle(swap_handle(producer, NULL));
    while (!atomic_load(&producer->stop)) {
        rd_kafka_t *handle = open_handle(producer, &error);
        if (handle != NULL) {
            (void)swap_handle(producer, handle);
            metrics_add(METRIC_PRODUCERS_REBUILT, 1);
            log_info("producer_rebuilt");
            return;
        }
        log_warn("producer_rebuild_failed", LOG_TEXT("reason", error.message));
        health_turned(producer->options.loop, clock_ms());
        struct timespec pause = {0, REBUILD_PAUSE_MS * 1000000L};
        (void)nanosleep(&pause, NULL);
    }
}

static void *serve(void *context)
{
    struct producer *producer = context;
    char reason[256];
    while (!atomic_load(&producer->stop)) {
        health_turned(producer->options.loop, clock_ms());
        /* Only this thread swaps the handle, so reading it here needs no lock. */
        (void)rd_kafka_poll(producer->handle, 100);
        if (rd_kafka_fatal_error(producer->handle, reason, sizeof reason) !=
            RD_KAFKA_RESP_ERR_NO_ERROR)
            rebuild(producer, reason);
    }
    return NULL;
}

struct producer *producer_new(const struct kafka_context *kafka,
                              const struct producer_options *options, struct error *error)
{
    struct producer *producer = memory_new(1, sizeof *producer);
    producer->kafka = *kafka;
    producer->options = *options;
    (void)pthread_mutex_init(&producer->lock, NULL);
    producer->handle = open_handle(producer, error);
    if (producer->handle == NULL)
        goto failed;
    if (pthread_create(&producer->thread, NULL, serve, producer) != 0) {
        error_set(error, VERDICT_FATAL, "the producer's thread did not start");
        (void)kafka_close(producer->handle, 0);
        goto failed;
    }
    return producer;

failed:
    (void)pthread_mutex_destroy(&producer->lock);
    free(producer);
    return NULL;
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
        close_handle(handle);
}

void producer_free(struct producer *producer)
{
    if (producer == NULL)
        return;
    producer_close(producer);
    (void)pthread_mutex_destroy(&producer->lock);
    free(producer);
}

void producer_break(struct producer *producer)
{
    (void)pthread_mutex_lock(&producer->lock);
    if (producer->handle != NULL)
        (void)rd_kafka_test_fatal_error(producer->handle,
                                        RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "test");
    (void)pthread_mutex_unlock(&producer->lock);
}
