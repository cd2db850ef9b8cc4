#include "bridge/kafka/range.h"

#include <inttypes.h>
#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/kafka/handle.h"

#define ANSWER_MS 10000
#define STEP_MS   100
#define BATCH     1000

struct range {
    rd_kafka_t *handle;
    rd_kafka_t *ends; /* sees the logs' ends with what is not committed */
    bool stopped;
    rd_kafka_message_t *messages[BATCH];
};

struct reading {
    const struct range *range;
    int64_t to;
    int64_t next;
    bool ended;
    range_take *take;
    void *context;
};

static rd_kafka_t *open_reader(const struct kafka_context *kafka, const char *isolation,
                               struct error *error)
{
    char none[128];
    rd_kafka_conf_t *settings = kafka_settings(kafka, KAFKA_READER, error);
    if (settings == NULL)
        return NULL;
    (void)rd_kafka_conf_set(settings, "isolation.level", isolation, none, sizeof none);
    (void)rd_kafka_conf_set(settings, "enable.partition.eof", "true", none, sizeof none);
    return kafka_open(RD_KAFKA_CONSUMER, settings, error);
}

struct range *range_open(const struct kafka_context *kafka, struct error *error)
{
    struct range *range = memory_new(1, sizeof *range);
    range->handle = open_reader(kafka, "read_committed", error);
    if (range->handle != NULL)
        range->ends = open_reader(kafka, "read_uncommitted", error);
    if (range->ends != NULL)
        return range;
    range_close(range);
    return NULL;
}

void range_close(struct range *range)
{
    if (range == NULL)
        return;
    (void)kafka_close(range->ends, 0);
    (void)kafka_close(range->handle, 0);
    free(range);
}

/* Asks who leads the topic's partitions, which librdkafka remembers. */
static rd_kafka_resp_err_t ask_leaders(struct range *range, const char *topic, int *partitions)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(range->ends, topic, NULL);
    rd_kafka_resp_err_t code =
        handle == NULL ? rd_kafka_last_error()
                       : rd_kafka_metadata(range->ends, 0, handle, &metadata, ANSWER_MS);
    *partitions = 0;
    if (metadata != NULL && metadata->topic_cnt == 1)
        *partitions = metadata->topics[0].partition_cnt;
    if (metadata != NULL)
        rd_kafka_metadata_destroy(metadata);
    if (handle != NULL)
        rd_kafka_topic_destroy(handle);
    return code;
}

bool range_partitions(struct range *range, const char *topic, int *partitions, struct error *error)
{
    rd_kafka_resp_err_t code = ask_leaders(range, topic, partitions);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ||
           error_set(error, VERDICT_RETRY, "topic %s: %s", topic, rd_kafka_err2str(code));
}

const char *range_header(const rd_kafka_message_t *message, const char *name, size_t *length)
{
    rd_kafka_headers_t *headers = NULL;
    const void *value = NULL;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, name, &value, length) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return NULL;
    return value;
}

int range_partition_of(const void *key, size_t length, int partitions)
{
    return rd_kafka_msg_partitioner_murmur2(NULL, key, length, partitions, NULL, NULL);
}

int64_t range_timestamp(const rd_kafka_message_t *message)
{
    return rd_kafka_message_timestamp(message, NULL);
}

/* Takes one message; false with `error` when it is a failure. */
static bool take_one(struct reading *reading, const rd_kafka_message_t *message,
                     struct error *error)
{
    if (reading->ended)
        return true;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        reading->next = message->offset;
        reading->ended = reading->next >= reading->to;
        return true;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error_set(error, VERDICT_RETRY, "%s", rd_kafka_message_errstr(message));
    if (message->offset >= reading->to) {
        reading->next = reading->to;
        reading->ended = true;
        return true;
    }
    reading->take(reading->context, message);
    reading->next = message->offset + 1;
    reading->ended = reading->next >= reading->to || reading->range->stopped;
    return true;
}

static bool read_all(struct range *range, rd_kafka_topic_t *topic, int partition,
                     struct reading *reading, const atomic_bool *cancel, struct error *error)
{
    int64_t deadline = clock_ms() + ANSWER_MS;
    bool ok = true;
    while (ok && !reading->ended) {
        if (atomic_load(cancel) || clock_ms() >= deadline)
            return error_set(error, VERDICT_RETRY, "the end at offset %" PRId64 " is not reached",
                             reading->to);
        int64_t reached = reading->next;
        (void)rd_kafka_poll(range->handle, 0);
        ssize_t count = rd_kafka_consume_batch(topic, partition, STEP_MS, range->messages, BATCH);
        for (ssize_t i = 0; i < count; i++) {
            ok = ok && take_one(reading, range->messages[i], error);
            rd_kafka_message_destroy(range->messages[i]);
        }
        if (reading->next > reached)
            deadline = clock_ms() + ANSWER_MS;
    }
    return ok;
}

static bool read_from(struct range *range, const char *name, int partition, int64_t from,
                      struct reading *reading, const atomic_bool *cancel, struct error *error)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(range->handle, name, NULL);
    if (topic == NULL || rd_kafka_consume_start(topic, partition, from) != 0) {
        error_set(error, VERDICT_RETRY, "%s", rd_kafka_err2str(rd_kafka_last_error()));
        if (topic != NULL)
            rd_kafka_topic_destroy(topic);
        return false;
    }
    bool ok = read_all(range, topic, partition, reading, cancel, error);
    (void)rd_kafka_consume_stop(topic, partition);
    rd_kafka_topic_destroy(topic);
    return ok;
}

void range_stop(struct range *range)
{
    range->stopped = true;
}

/* librdkafka asks the leader that it remembers, and an answer of "not the leader" does not make it
 * ask who is: it would ask the wrong one until its metadata is renewed for some other reason. */
bool range_bounds(struct range *range, const char *topic, int partition, int64_t *low,
                  int64_t *high, struct error *error)
{
    int partitions = 0;
    rd_kafka_resp_err_t code =
        rd_kafka_query_watermark_offsets(range->ends, topic, partition, low, high, ANSWER_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR__TIMED_OUT &&
        ask_leaders(range, topic, &partitions) == RD_KAFKA_RESP_ERR_NO_ERROR)
        code =
            rd_kafka_query_watermark_offsets(range->ends, topic, partition, low, high, ANSWER_MS);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ||
           error_set(error, VERDICT_RETRY, "reading %s: %s", topic, rd_kafka_err2str(code));
}

bool range_read(struct range *range, const char *topic, int partition, int64_t from, int64_t to,
                range_take *take, void *context, const atomic_bool *cancel, int64_t *next,
                struct error *error)
{
    int64_t low = 0;
    int64_t high = 0;
    if (!range_bounds(range, topic, partition, &low, &high, error))
        return false;
    if (from < low)
        from = low;
    if (to > high)
        to = high;
    *next = from > high ? RANGE_LOST : from;
    if (from >= to)
        return true;
    range->stopped = false;
    struct reading reading = {
        .range = range, .to = to, .next = from, .take = take, .context = context};
    if (!read_from(range, topic, partition, from, &reading, cancel, error))
        return error_prefix(error, "reading %s", topic);
    *next = reading.next;
    return true;
}

bool range_read_on(struct range *range, const char *topic, int partitions, int64_t *next,
                   range_take *take, void *context, struct error *error)
{
    atomic_bool never = false;
    for (int i = 0; i < partitions; i++) {
        int64_t from = next[i] == RANGE_LOST ? 0 : next[i];
        if (!range_read(range, topic, i, from, RANGE_END, take, context, &never, &next[i], error))
            return false;
    }
    return true;
}
