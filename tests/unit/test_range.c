/* Reading stretches of a partition while its leader moves from broker to broker. */
#include "tests/unit/unit.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "bridge/base/buffer.h"
#include "bridge/base/log.h"
#include "bridge/kafka/range.h"

#define BROKERS 3
#define TOPIC   "t"

struct bench {
    struct config config;
    rd_kafka_t *handle;
    rd_kafka_mock_cluster_t *cluster;
    struct range *range;
};

static int setup(void **state)
{
    static char *const environment[] = {NULL};
    static struct bench bench;
    struct buffer problems = buffer_new(1 << 16);
    struct error error;
    char reason[256];
    *state = &bench;
    log_set_level(LOG_ERROR);
    assert_true(config_load(&bench.config, "/dev/null", environment, NULL, 0, CONFIG_NEED_NOTHING,
                            &problems));
    buffer_free(&problems);
    bench.handle = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), reason, sizeof reason);
    bench.cluster = rd_kafka_mock_cluster_new(bench.handle, BROKERS);
    if (rd_kafka_mock_topic_create(bench.cluster, TOPIC, 1, BROKERS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return 1;
    struct kafka_context kafka = {&bench.config, rd_kafka_mock_cluster_bootstraps(bench.cluster)};
    bench.range = range_open(&kafka, &error);
    return bench.range == NULL;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    range_close(bench->range);
    rd_kafka_mock_cluster_destroy(bench->cluster);
    rd_kafka_destroy(bench->handle);
    config_free(&bench->config);
    return 0;
}

/* The first answer after a move is "not the leader": who leads now is asked then. */
static void test_bounds_follow_the_leader(void **state)
{
    struct bench *bench = *state;
    for (int i = 0; i < 2 * BROKERS; i++) {
        int64_t low = -1;
        int64_t high = -1;
        struct error error = {0};
        assert_int_equal(
            rd_kafka_mock_partition_set_leader(bench->cluster, TOPIC, 0, 1 + i % BROKERS),
            RD_KAFKA_RESP_ERR_NO_ERROR);
        if (!range_bounds(bench->range, TOPIC, 0, &low, &high, &error))
            fail_msg("leader %d: %s", 1 + i % BROKERS, error.message);
        assert_int_equal(low, 0);
        assert_int_equal(high, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bounds_follow_the_leader, setup, teardown),
    };
    return cmocka_run_group_tests_name("range", tests, NULL, NULL);
}
