#include "bridge/kafka/stats.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "bridge/base/metrics.h"

#define INTERVAL_MS "5000"

bool kafka_stats_ask(rd_kafka_conf_t *settings, struct error *error)
{
    static const char name[] = "statistics.interval.ms";
    char value[32] = "0";
    char reason[256];
    size_t size = sizeof value;
    if (rd_kafka_conf_get(settings, name, value, &size) == RD_KAFKA_CONF_OK &&
        strcmp(value, "0") != 0)
        return true;
    if (rd_kafka_conf_set(settings, name, INTERVAL_MS, reason, sizeof reason) == RD_KAFKA_CONF_OK)
        return true;
    return error_set(error, VERDICT_FATAL, "librdkafka refuses %s: %s", name, reason);
}

static int64_t number_of(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(item) ? (int64_t)item->valuedouble : 0;
}

static bool says(const cJSON *object, const char *name, const char *text)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(item) && strcmp(item->valuestring, text) == 0;
}

/* Messages that a consumer has fetched and not yet handed out. */
static int64_t fetched(const cJSON *root)
{
    int64_t count = 0;
    const cJSON *topic = NULL;
    const cJSON *partition = NULL;
    cJSON_ArrayForEach(topic, cJSON_GetObjectItemCaseSensitive(root, "topics"))
    {
        cJSON_ArrayForEach(partition, cJSON_GetObjectItemCaseSensitive(topic, "partitions"))
            count += number_of(partition, "fetchq_cnt");
    }
    return count;
}

/* Adds what is new since the last time. */
static void count(enum labelled_metric metric, const char *client, int64_t *seen, int64_t now)
{
    (void)metrics_add_labelled(metric, client, NULL, now < *seen ? 0 : now - *seen);
    *seen = now;
}

void kafka_stats_take(struct kafka_stats *stats, const char *json, size_t length)
{
    cJSON *root = cJSON_ParseWithLength(json, length);
    const cJSON *broker = NULL;
    int64_t up = 0;
    int64_t slowest_us = 0;
    int64_t errors = 0;
    if (root == NULL)
        return;
    cJSON_ArrayForEach(broker, cJSON_GetObjectItemCaseSensitive(root, "brokers"))
    {
        int64_t trip_us = number_of(cJSON_GetObjectItemCaseSensitive(broker, "rtt"), "p99");
        /* One that was configured gets its number once it has told it; a logical one, such as the
         * group's coordinator, is another name of one that has a number. */
        up += number_of(broker, "nodeid") >= 0 && !says(broker, "source", "logical") &&
              says(broker, "state", "UP");
        slowest_us = trip_us > slowest_us ? trip_us : slowest_us;
        errors += number_of(broker, "txerrs") + number_of(broker, "rxerrs") +
                  number_of(broker, "req_timeouts");
    }
    metrics_set_labelled(METRIC_KAFKA_BROKERS, stats->client, NULL, up);
    metrics_set_labelled(METRIC_KAFKA_ROUND_TRIP, stats->client, NULL, slowest_us);
    metrics_set_labelled(METRIC_KAFKA_QUEUED, stats->client, NULL,
                         number_of(root, "msg_cnt") + fetched(root));
    count(METRIC_KAFKA_SENT_BYTES, stats->client, &stats->sent, number_of(root, "tx_bytes"));
    count(METRIC_KAFKA_RECEIVED_BYTES, stats->client, &stats->received,
          number_of(root, "rx_bytes"));
    count(METRIC_KAFKA_ERRORS, stats->client, &stats->errors, errors);
    cJSON_Delete(root);
}
