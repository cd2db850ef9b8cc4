#include "bridge/kafka/embedded.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>

#include "bridge/base/memory.h"

struct embedded {
    rd_kafka_t *handle; /* the mock cluster hangs on a client handle, which does nothing else */
    rd_kafka_mock_cluster_t *cluster;
};

struct embedded *embedded_start(struct error *error)
{
    char reason[256];
    struct embedded *embedded = memory_new(1, sizeof *embedded);
    rd_kafka_conf_t *settings = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(settings, NULL); /* it would only say that it has no servers */
    embedded->handle = rd_kafka_new(RD_KAFKA_PRODUCER, settings, reason, sizeof reason);
    if (embedded->handle == NULL) {
        rd_kafka_conf_destroy(settings);
        error_set(error, VERDICT_FATAL, "the embedded broker did not start: %s", reason);
        goto failed;
    }
    embedded->cluster = rd_kafka_mock_cluster_new(embedded->handle, 1);
    if (embedded->cluster == NULL) {
        error_set(error, VERDICT_FATAL, "the embedded broker could not listen on 127.0.0.1");
        goto failed;
    }
    return embedded;

failed:
    embedded_stop(embedded);
    return NULL;
}

void embedded_stop(struct embedded *embedded)
{
    if (embedded == NULL)
        return;
    if (embedded->cluster != NULL)
        rd_kafka_mock_cluster_destroy(embedded->cluster);
    if (embedded->handle != NULL)
        rd_kafka_destroy(embedded->handle);
    free(embedded);
}

const char *embedded_bootstrap(const struct embedded *embedded)
{
    return rd_kafka_mock_cluster_bootstraps(embedded->cluster);
}

bool embedded_create_topic(struct embedded *embedded, const char *topic, int partitions,
                           struct error *error)
{
    rd_kafka_resp_err_t code = rd_kafka_mock_topic_create(embedded->cluster, topic, partitions, 1);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return true;
    return error_set(error, VERDICT_FATAL, "the embedded broker could not make %s: %s", topic,
                     rd_kafka_err2str(code));
}
