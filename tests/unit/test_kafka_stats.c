/* What librdkafka tells of itself, as metrics. */
#include "tests/unit/unit.h"

#include "bridge/base/metrics.h"
#include "bridge/kafka/stats.h"

static int64_t of(enum labelled_metric metric, const char *client)
{
    return metrics_get_labelled(metric, client, NULL);
}

static void take(struct kafka_stats *stats, const char *json)
{
    kafka_stats_take(stats, json, strlen(json));
}

static void test_figures(void **state)
{
    struct kafka_stats stats = {.client = "one"};
    (void)state;
    take(&stats, "{\"msg_cnt\":7,\"tx_bytes\":1000,\"rx_bytes\":500,\"brokers\":{"
                 "\"a:1/bootstrap\":{\"nodeid\":-1,\"source\":\"configured\",\"state\":\"UP\"},"
                 "\"a:1/1\":{\"nodeid\":1,\"source\":\"configured\",\"state\":\"UP\",\"txerrs\":1,"
                 "\"rxerrs\":2,\"req_timeouts\":3,\"rtt\":{\"p99\":900}},"
                 "\"b:1/2\":{\"nodeid\":2,\"source\":\"learned\",\"state\":\"UP\",\"rtt\":{\"p99\":"
                 "1500}},"
                 "\"c:1/3\":{\"nodeid\":3,\"source\":\"learned\",\"state\":\"DOWN\"},"
                 "\"GroupCoordinator\":{\"nodeid\":2,\"source\":\"logical\",\"state\":\"UP\"}},"
                 "\"topics\":{\"t\":{\"partitions\":{\"0\":{\"fetchq_cnt\":4},\"-1\":{\"fetchq_"
                 "cnt\":1}}}}}");
    assert_int_equal(of(METRIC_KAFKA_BROKERS, "one"), 2);
    assert_int_equal(of(METRIC_KAFKA_ROUND_TRIP, "one"), 1500);
    assert_int_equal(of(METRIC_KAFKA_QUEUED, "one"), 12);
    assert_int_equal(of(METRIC_KAFKA_SENT_BYTES, "one"), 1000);
    assert_int_equal(of(METRIC_KAFKA_RECEIVED_BYTES, "one"), 500);
    assert_int_equal(of(METRIC_KAFKA_ERRORS, "one"), 6);
}

/* Counters go on where a new handle begins at zero again; two handles of one name add up. */
static void test_counters(void **state)
{
    struct kafka_stats first = {.client = "two"};
    struct kafka_stats second = {.client = "two"};
    (void)state;
    take(&first, "{\"tx_bytes\":100}");
    take(&first, "{\"tx_bytes\":150}");
    take(&second, "{\"tx_bytes\":30}");
    assert_int_equal(of(METRIC_KAFKA_SENT_BYTES, "two"), 180);
    take(&second, "{\"tx_bytes\":10}"); /* never less */
    take(&second, "{\"tx_bytes\":15}");
    assert_int_equal(of(METRIC_KAFKA_SENT_BYTES, "two"), 185);
}

static void test_nonsense(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "7",
        "{\"brokers\":7,\"topics\":[1,{\"partitions\":\"x\"}]}",
        "{\"msg_cnt\":\"7\",\"brokers\":{\"a\":null,\"b\":{\"nodeid\":\"1\",\"rtt\":[]}}}"};
    struct kafka_stats stats = {.client = "three"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        take(&stats, texts[i]);
    assert_int_equal(of(METRIC_KAFKA_QUEUED, "three"), 0);
    assert_int_equal(of(METRIC_KAFKA_BROKERS, "three"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_nonsense),
    };
    return cmocka_run_group_tests_name("kafka_stats", tests, NULL, NULL);
}
