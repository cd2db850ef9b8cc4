#include "bridge/kafka/handle.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/kafka/oauth.h"

#define CLOSE_MS    5000
#define SCRAM_WHOLE 0x020601ff /* 2.6.1 */

rd_kafka_t *kafka_open(rd_kafka_type_t type, rd_kafka_conf_t *settings, struct error *error)
{
    char reason[256];
    rd_kafka_t *handle = rd_kafka_new(type, settings, reason, sizeof reason);
    if (handle == NULL) {
        rd_kafka_conf_destroy(settings);
        error_set(error, VERDICT_CONFIGURATION, "librdkafka refuses the [kafka] settings: %s",
                  reason);
    } else if (!oauth_begin(handle, error)) {
        (void)kafka_close(handle, 0);
        handle = NULL;
    }
    return handle;
}

/* The newest error that a broker's connection has ended with, such as a certificate or a password
 * that is not good; "" when there is none. That all brokers are down says nothing more. */
static void read_reason(rd_kafka_t *handle, char *reason, size_t size)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(handle);
    rd_kafka_event_t *event = NULL;
    *reason = '\0';
    while ((event = rd_kafka_queue_poll(queue, 0)) != NULL) {
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR &&
            rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
            (void)snprintf(reason, size, "%s", rd_kafka_event_error_string(event));
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
}

/* Its SCRAM repeats a nonce (its issue 4895), which Kafka 4 does not let pass. */
static const char *hint(const char *reason)
{
    bool scram = strstr(reason, "mechanism SCRAM") != NULL;
    return scram && rd_kafka_version() < SCRAM_WHOLE
               ? "; this librdkafka, which is older than 2.6.1, cannot log in to Kafka 4 by SCRAM"
               : "";
}

bool kafka_ping(rd_kafka_t *handle, int timeout_ms, struct error *error)
{
    const struct rd_kafka_metadata *metadata = NULL;
    char reason[ERROR_MESSAGE_SIZE];
    rd_kafka_resp_err_t code = rd_kafka_metadata(handle, 0, NULL, &metadata, timeout_ms);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_metadata_destroy(metadata);
        return true;
    }
    read_reason(handle, reason, sizeof reason);
    return error_set(error, VERDICT_RETRY, "Kafka does not answer: %s%s",
                     *reason == '\0' ? rd_kafka_err2str(code) : reason, hint(reason));
}

struct closing {
    rd_kafka_t *handle;
    int flags;
};

static void *destroy(void *context)
{
    struct closing *closing = context;
    rd_kafka_destroy_flags(closing->handle, closing->flags);
    free(closing);
    return NULL;
}

bool kafka_close(rd_kafka_t *handle, int flags)
{
    pthread_t thread;
    if (handle == NULL)
        return true;
    struct closing *closing = memory_new(1, sizeof *closing);
    *closing = (struct closing){handle, flags};
    int64_t deadline = clock_ms() + CLOSE_MS;
    if (pthread_create(&thread, NULL, destroy, closing) != 0) {
        (void)destroy(closing);
        return true;
    }
    while (pthread_tryjoin_np(thread, NULL) != 0) {
        struct timespec pause = {0, 1000000L};
        (void)nanosleep(&pause, NULL);
        if (clock_ms() < deadline)
            continue;
        log_warn("kafka_close_timeout");
        (void)pthread_detach(thread);
        return false;
    }
    return true;
}

bool kafka_error(rd_kafka_error_t *from, struct error *error, const char *doing)
{
    enum verdict verdict = VERDICT_FATAL;
    if (rd_kafka_error_is_retriable(from))
        verdict = VERDICT_RETRY;
    else if (rd_kafka_error_txn_requires_abort(from))
        verdict = VERDICT_ABORT;
    error_set(error, verdict, "%s: %s (%s)", doing, rd_kafka_error_string(from),
              rd_kafka_error_name(from));
    rd_kafka_error_destroy(from);
    return false;
}
