/* What librdkafka concludes to be delivered, and Kafka has not acknowledged, is not taken for kept:
 * a request fails in an uncertain way, and the one behind it succeeds. */
#include "tests/unit/unit.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdatomic.h>

#include "bridge/base/buffer.h"
#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/kafka/membership.h"
#include "bridge/kafka/producer.h"
#include "bridge/kafka/transaction.h"

#define TOPIC    "t"
#define WAIT_MS  20000
#define FIRST_MS 400 /* until the first request fails; the second is on its way then, */
#define AGAIN_MS 450 /* and succeeds before the first one is sent again */

enum { PRODUCE = 0 };

struct bench {
    struct config config;
    rd_kafka_t *handle;
    rd_kafka_mock_cluster_t *cluster;
    struct kafka_context kafka;
    atomic_int outcomes[2]; /* 1 + enum producer_outcome */
};

static int setup(void **state)
{
    static char *const environment[] = {NULL};
    static struct bench bench;
    /* Each message in a request of its own. */
    const char *sets[] = {"kafka.producer.batch.num.messages=1",
                          "kafka.producer.retry.backoff.ms=1000"};
    struct buffer problems = buffer_new(1 << 16);
    char reason[256];
    bench = (struct bench){0};
    *state = &bench;
    log_set_level(LOG_ERROR);
    if (!config_load(&bench.config, "/dev/null", environment, sets, ARRAY_LENGTH(sets),
                     CONFIG_NEED_NOTHING, &problems))
        fail_msg("%s", buffer_text(&problems));
    buffer_free(&problems);
    bench.handle = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), reason, sizeof reason);
    bench.cluster = rd_kafka_mock_cluster_new(bench.handle, 1);
    bench.kafka =
        (struct kafka_context){&bench.config, rd_kafka_mock_cluster_bootstraps(bench.cluster)};
    return rd_kafka_mock_topic_create(bench.cluster, TOPIC, 1, 1) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    rd_kafka_mock_cluster_destroy(bench->cluster);
    rd_kafka_destroy(bench->handle);
    config_free(&bench->config);
    return 0;
}

static struct message message_of(const char *value)
{
    return (struct message){.topic = TOPIC,
                            .partition = -1,
                            .key = "k",
                            .key_length = 1,
                            .value = value,
                            .value_length = strlen(value)};
}

static void on_done(void *context, const struct producer_report *report)
{
    struct bench *bench = context;
    atomic_store(&bench->outcomes[(intptr_t)report->opaque], 1 + (int)report->outcome);
}

static void test_producer(void **state)
{
    static const char *const topics[] = {TOPIC};
    struct bench *bench = *state;
    struct error error = {0};
    struct producer_options options = {.topics = topics,
                                       .topic_count = 1,
                                       .timeout_ms = PRODUCER_TIMEOUT_CONFIGURED,
                                       .done = on_done,
                                       .context = bench};
    struct producer *producer = producer_new(&bench->kafka, &options, &error);
    assert_non_null(producer);
    assert_int_equal(rd_kafka_mock_broker_push_request_error_rtts(
                         bench->cluster, 1, PRODUCE, 2, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
                         FIRST_MS, RD_KAFKA_RESP_ERR_NO_ERROR, AGAIN_MS),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    for (intptr_t i = 0; i < 2; i++) {
        struct message message = message_of("v");
        assert_true(producer_send(producer, &message, (void *)i, &error));
    }
    int64_t until_ms = clock_ms() + WAIT_MS;
    while ((atomic_load(&bench->outcomes[0]) == 0 || atomic_load(&bench->outcomes[1]) == 0) &&
           clock_ms() < until_ms)
        clock_rest(5);
    assert_int_equal(atomic_load(&bench->outcomes[0]), 1 + PRODUCER_NOT_KEPT);
    assert_int_equal(atomic_load(&bench->outcomes[1]), 1 + PRODUCER_KEPT);
    producer_free(producer);
}

/* The mock cluster looks at the numbers of a transaction's messages, so the way there is another
 * one: a duplicate of which it no longer knows the place. */
static void test_transaction(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    atomic_bool cancel = false;
    struct transaction_producer *producer =
        transaction_producer_new(&bench->kafka, KAFKA_TRANSACTIONAL, WAIT_MS, &cancel, &error);
    assert_non_null(producer);
    for (int i = 0; i < 2; i++) {
        struct message message = message_of("v");
        assert_int_equal(transaction_begin(producer, &error), TRANSACTION_DONE);
        if (i == 1)
            rd_kafka_mock_push_request_errors(bench->cluster, PRODUCE, 1,
                                              RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER);
        assert_int_equal(transaction_add(producer, &message, 0, &cancel, &error), TRANSACTION_DONE);
        enum transaction_outcome outcome = transaction_flush(producer, &cancel, &error);
        if (outcome != (i == 0 ? TRANSACTION_DONE : TRANSACTION_ABORTED))
            fail_msg("round %d: %d, %s", i, (int)outcome, error.message);
        if (i == 0)
            assert_int_equal(transaction_abort(producer, &error), TRANSACTION_CANCELLED);
    }
    transaction_producer_free(producer);
}

/* A transaction whose first message is refused while others are still to be added: which one that
 * was is told, or the same would be tried for ever. */
static void test_refused_meanwhile(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    atomic_bool cancel = false;
    struct message message = message_of("v");
    size_t tag = 0;
    struct transaction_producer *producer =
        transaction_producer_new(&bench->kafka, KAFKA_TRANSACTIONAL, WAIT_MS, &cancel, &error);
    assert_non_null(producer);
    assert_int_equal(transaction_begin(producer, &error), TRANSACTION_DONE);
    rd_kafka_mock_push_request_errors(bench->cluster, PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    enum transaction_outcome outcome = TRANSACTION_DONE;
    int64_t until_ms = clock_ms() + WAIT_MS;
    for (size_t i = 7; outcome == TRANSACTION_DONE && clock_ms() < until_ms; i++) {
        outcome = transaction_add(producer, &message, i, &cancel, &error);
        clock_rest(50);
    }
    assert_int_equal(outcome, TRANSACTION_REFUSED);
    assert_true(transaction_culprit(producer, &tag));
    assert_true(transaction_is_certain(producer));
    assert_int_equal(tag, 7);
    transaction_producer_free(producer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_producer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_transaction, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_meanwhile, setup, teardown),
    };
    return cmocka_run_group_tests_name("unproven", tests, NULL, NULL);
}
