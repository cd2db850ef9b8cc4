/* The consumer on librdkafka's mock cluster: what it says when the group will not have it any more.
 */
#include "tests/unit/unit.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <poll.h>

#include "bridge/base/buffer.h"
#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/config/config.h"
#include "bridge/kafka/consumer.h"
#include "bridge/propexo/selection.h"

#define WAIT_MS 30000

/* The session ends so long after the last answered heartbeat; the next one is sent halfway. */
#define SESSION_MS "4000"
#define BEAT_MS    "2000"
#define SETTLE_MS  4200 /* a session, and some */
#define LATE_MS    3200 /* an answer that comes behind the session's end */
#define REVOKE_MS  3000 /* longer than until the next heartbeat after that */

enum { JOIN_GROUP = 11, HEARTBEAT = 12 };

struct bench {
    struct config config;
    rd_kafka_t *handle;
    rd_kafka_mock_cluster_t *cluster;
    struct selection *selection;
    struct topics *topics;
    struct consumer *consumer;
    int assigned;
    int revoked;
};

static bool on_assigned(void *context, const struct consumer_slot *slots, size_t count,
                        struct membership *membership, struct error *error)
{
    struct bench *bench = context;
    (void)slots;
    (void)count;
    (void)error;
    bench->assigned++;
    membership_release(membership);
    return true;
}

static void on_revoked(void *context)
{
    struct bench *bench = context;
    bench->revoked++;
    clock_rest(REVOKE_MS);
}

static void configure(struct bench *bench)
{
    static char *const environment[] = {NULL};
    const char *const sets[] = {"bridge.models=residents",
                                "kafka.consumer.session.timeout.ms=" SESSION_MS,
                                "kafka.consumer.heartbeat.interval.ms=" BEAT_MS};
    struct buffer problems = buffer_new(1 << 16);
    if (!config_load(&bench->config, "/dev/null", environment, sets, ARRAY_LENGTH(sets),
                     CONFIG_NEED_NOTHING, &problems))
        fail_msg("%s", buffer_text(&problems));
    buffer_free(&problems);
}

static int setup(void **state)
{
    static struct bench bench;
    struct error error;
    char reason[256];
    struct consumer_callbacks callbacks = {on_assigned, on_revoked, &bench};
    bench = (struct bench){0};
    *state = &bench;
    log_set_level(LOG_ERROR);
    configure(&bench);
    bench.selection = selection_new(&bench.config, &error);
    bench.topics = topics_new(&bench.config, bench.selection->names, bench.selection->has_snapshots,
                              bench.selection->count, bench.selection->has_assembled);
    bench.topics->partitions = 1;
    bench.handle = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), reason, sizeof reason);
    bench.cluster = rd_kafka_mock_cluster_new(bench.handle, 1);
    if (rd_kafka_mock_topic_create(bench.cluster, bench.topics->events[0], 1, 1) !=
        RD_KAFKA_RESP_ERR_NO_ERROR)
        return 1;
    struct kafka_context kafka = {&bench.config, rd_kafka_mock_cluster_bootstraps(bench.cluster)};
    bench.consumer = consumer_new(&kafka, bench.topics, &callbacks, &error);
    return bench.consumer == NULL;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    consumer_free(bench->consumer, 5000);
    topics_free(bench->topics);
    selection_free(bench->selection);
    rd_kafka_mock_cluster_destroy(bench->cluster);
    rd_kafka_destroy(bench->handle);
    config_free(&bench->config);
    return 0;
}

/* One turn of the enricher's loop. */
static enum consumer_result turn(struct bench *bench, struct error *error)
{
    struct consumer_event event;
    struct pollfd readable = {.fd = consumer_fd(bench->consumer), .events = POLLIN};
    (void)poll(&readable, 1, 100);
    consumer_clear_fd(bench->consumer);
    return consumer_next(bench->consumer, &event, error);
}

static void await_assigned(struct bench *bench)
{
    struct error error;
    int64_t until_ms = clock_ms() + WAIT_MS;
    while (bench->assigned == 0 && clock_ms() < until_ms)
        assert_int_equal(turn(bench, &error), CONSUMER_NOTHING);
    assert_int_equal(bench->assigned, 1);
}

static enum verdict refused(struct bench *bench)
{
    struct error error = {0};
    enum consumer_result result = CONSUMER_NOTHING;
    int64_t until_ms = clock_ms() + WAIT_MS;
    while (result == CONSUMER_NOTHING && clock_ms() < until_ms)
        result = turn(bench, &error);
    assert_int_equal(result, CONSUMER_FATAL);
    return error.verdict;
}

static void settle(struct bench *bench)
{
    struct error error;
    await_assigned(bench);
    int64_t until_ms = clock_ms() + SETTLE_MS;
    while (clock_ms() < until_ms)
        assert_int_equal(turn(bench, &error), CONSUMER_NOTHING);
}

static void test_another_process_of_the_name(void **state)
{
    struct bench *bench = *state;
    settle(bench);
    rd_kafka_mock_push_request_errors(bench->cluster, HEARTBEAT, 1,
                                      RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
    assert_int_equal(refused(bench), VERDICT_CONFIGURATION);
    assert_int_equal(bench->revoked, 0);
}

/* So soon after its joining the group may not have heard of that, and take it for the stranger. */
static void test_a_joining_that_was_lost(void **state)
{
    struct bench *bench = *state;
    await_assigned(bench);
    rd_kafka_mock_push_request_errors(bench->cluster, HEARTBEAT, 1,
                                      RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
    assert_int_equal(refused(bench), VERDICT_RETRY);
    assert_int_equal(bench->revoked, 0);
}

/* Its own session was over before: the answer is no sign of another process. */
static void test_a_session_that_timed_out(void **state)
{
    struct bench *bench = *state;
    await_assigned(bench);
    assert_int_equal(rd_kafka_mock_broker_push_request_error_rtts(
                         bench->cluster, 1, HEARTBEAT, 2, RD_KAFKA_RESP_ERR_NO_ERROR, LATE_MS,
                         RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, 0),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(refused(bench), VERDICT_RETRY);
    assert_int_equal(bench->revoked, 1);
}

/* It has no partitions and asks to join, which librdkafka can do twice: no sign either. */
static void test_on_the_way_back(void **state)
{
    struct bench *bench = *state;
    settle(bench);
    rd_kafka_mock_push_request_errors(bench->cluster, JOIN_GROUP, 1,
                                      RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
    consumer_rejoin(bench->consumer);
    assert_int_equal(refused(bench), VERDICT_RETRY);
    assert_int_equal(bench->revoked, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_another_process_of_the_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_joining_that_was_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_session_that_timed_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_on_the_way_back, setup, teardown),
    };
    return cmocka_run_group_tests_name("consumer", tests, NULL, NULL);
}
