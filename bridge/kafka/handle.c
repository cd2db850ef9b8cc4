#include "bridge/kafka/handle.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"

#define CLOSE_MS 5000

rd_kafka_t *kafka_open(rd_kafka_type_t type, rd_kafka_conf_t *settings, struct error *error)
{
    char reason[256];
    rd_kafka_t *handle = rd_kafka_new(type, settings, reason, sizeof reason);
    if (handle == NULL) {
        rd_kafka_conf_destroy(settings);
        error_set(error, VERDICT_CONFIGURATION, "librdkafka refuses the [kafka] settings: %s",
                  reason);
    }
    return handle;
}

bool kafka_ping(rd_kafka_t *handle, int timeout_ms, struct error *error)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(handle, 0, NULL, &metadata, timeout_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error_set(error, VERDICT_RETRY, "Kafka does not answer: %s", rd_kafka_err2str(code));
    rd_kafka_metadata_destroy(metadata);
    return true;
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
