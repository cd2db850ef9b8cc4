#include "bridge/kafka/embedded.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bridge/base/memory.h"

#define POKE_MS 1

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

/*
 * librdkafka 2.0.2's mock can miss the wake-up for an order and then looks at it only after its
 * poll's time-out of a second. Any traffic on its sockets wakes it too, so a connection is opened
 * and closed until the order was carried out.
 */
struct poker {
    struct sockaddr_in address;
    atomic_bool stop;
};

static void *poke(void *context)
{
    struct poker *poker = context;
    while (!atomic_load(&poker->stop)) {
        struct timespec pause = {0, POKE_MS * 1000000L};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0) {
            int failed =
                connect(fd, (const struct sockaddr *)&poker->address, sizeof poker->address);
            (void)failed; /* a broker that is not there is told by the order itself */
            (void)close(fd);
        }
        (void)nanosleep(&pause, NULL);
    }
    return NULL;
}

static struct poker poker_for(const struct embedded *embedded)
{
    struct poker poker = {.address = {.sin_family = AF_INET}};
    const char *port = strrchr(embedded_bootstrap(embedded), ':') + 1;
    poker.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    poker.address.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    return poker;
}

bool embedded_create_topic(struct embedded *embedded, const char *topic, int partitions,
                           struct error *error)
{
    pthread_t thread;
    struct poker poker = poker_for(embedded);
    bool poking = pthread_create(&thread, NULL, poke, &poker) == 0;
    rd_kafka_resp_err_t code = rd_kafka_mock_topic_create(embedded->cluster, topic, partitions, 1);
    if (poking) {
        atomic_store(&poker.stop, true);
        (void)pthread_join(thread, NULL);
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return true;
    return error_set(error, VERDICT_FATAL, "the embedded broker could not make %s: %s", topic,
                     rd_kafka_err2str(code));
}
