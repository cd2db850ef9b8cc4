/* The receiver's producer on librdkafka's mock cluster: every message is reported once, also across
 * a fatal error, on its own thread or on its owner's. */
#include "tests/unit/unit.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "bridge/base/clock.h"
#include "bridge/base/metrics.h"
#include "bridge/config/config.h"
#include "bridge/kafka/embedded.h"
#include "bridge/kafka/producer.h"

#define TOPIC    "test.events"
#define MESSAGES 2000

struct bench {
    struct config config;
    struct embedded *embedded;
    struct kafka_context kafka;
};

static atomic_int kept;
static atomic_int not_kept;
static atomic_int reported[MESSAGES];
static atomic_int elsewhere; /* reports that were told on no thread of ours */
static _Thread_local bool ours;

static void on_done(void *context, const struct producer_report *report)
{
    bool is_kept = report->outcome == PRODUCER_KEPT;
    assert_ptr_equal(context, reported);
    atomic_fetch_add(&reported[(intptr_t)report->opaque], 1);
    atomic_fetch_add(is_kept ? &kept : &not_kept, 1);
    atomic_fetch_add(&elsewhere, !ours);
    assert_true(is_kept == (report->reason == NULL));
}

static const char *const topics[] = {TOPIC};
static const struct producer_options options = {.topics = topics,
                                                .topic_count = 1,
                                                .timeout_ms = PRODUCER_TIMEOUT_CONFIGURED,
                                                .done = on_done,
                                                .context = reported};

static const struct producer_options served = {.topics = topics,
                                               .topic_count = 1,
                                               .timeout_ms = PRODUCER_TIMEOUT_CONFIGURED,
                                               .owner_serves = true,
                                               .done = on_done,
                                               .context = reported};

static int setup(void **state)
{
    static struct bench bench;
    char *environment[] = {NULL};
    struct error error = {0};
    struct buffer problems = buffer_new(4096);
    *state = &bench;
    atomic_store(&kept, 0);
    atomic_store(&not_kept, 0);
    atomic_store(&elsewhere, 0);
    for (int i = 0; i < MESSAGES; i++)
        atomic_store(&reported[i], 0);
    if (!config_load(&bench.config, "/dev/null", environment, NULL, 0, CONFIG_NEED_NOTHING,
                     &problems))
        return 1;
    buffer_free(&problems);
    bench.embedded = embedded_start(&error);
    if (bench.embedded == NULL || !embedded_create_topic(bench.embedded, TOPIC, 4, &error))
        return 1;
    bench.kafka = (struct kafka_context){&bench.config, embedded_bootstrap(bench.embedded)};
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    embedded_stop(bench->embedded);
    config_free(&bench->config);
    return 0;
}

static bool send_one(struct producer *producer, int number, struct error *error)
{
    struct message message = {.topic = TOPIC,
                              .partition = -1,
                              .key = "k",
                              .key_length = 1,
                              .value = "v",
                              .value_length = 1};
    message_header(&message, "model", "residents");
    return producer_send(producer, &message, (void *)(intptr_t)number, error);
}

/* Sends all, waiting while the producer is being replaced; returns how often it refused. */
static int send_all(struct producer *producer, int break_at)
{
    int refused = 0;
    struct error error = {0};
    int64_t deadline = clock_ms() + 30000;
    for (int i = 0; i < MESSAGES; i++) {
        if (i == break_at)
            producer_break(producer);
        while (!send_one(producer, i, &error)) {
            struct timespec pause = {0, 1000000};
            assert_true(clock_ms() < deadline);
            assert_int_equal(error.verdict, VERDICT_RETRY);
            refused++;
            (void)nanosleep(&pause, NULL);
        }
    }
    return refused;
}

static void wait_reported(void)
{
    int64_t deadline = clock_ms() + 30000;
    while (atomic_load(&kept) + atomic_load(&not_kept) < MESSAGES && clock_ms() < deadline) {
        struct timespec pause = {0, 1000000};
        (void)nanosleep(&pause, NULL);
    }
    for (int i = 0; i < MESSAGES; i++)
        assert_int_equal(atomic_load(&reported[i]), 1);
}

/* An owner's loop, which waits for nothing but the producer's descriptor. */
struct owner {
    struct producer *producer;
    atomic_bool stop;
    pthread_t thread;
};

static void *serve(void *context)
{
    struct owner *owner = context;
    ours = true;
    while (!atomic_load(&owner->stop)) {
        struct pollfd fd = {.fd = producer_fd(owner->producer), .events = POLLIN};
        if (poll(&fd, 1, 20) > 0)
            producer_serve(owner->producer);
    }
    return NULL;
}

static void owner_end(struct owner *owner)
{
    atomic_store(&owner->stop, true);
    assert_int_equal(pthread_join(owner->thread, NULL), 0);
    producer_free(owner->producer);
}

static void test_all_are_kept(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    struct producer *producer = producer_new(&bench->kafka, &options, &error);
    assert_non_null(producer);
    (void)send_all(producer, -1);
    wait_reported();
    assert_int_equal(atomic_load(&kept), MESSAGES);
    producer_free(producer);
}

static void test_a_fatal_producer_is_replaced(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    int64_t rebuilt = metrics_get(METRIC_PRODUCERS_REBUILT);
    struct producer *producer = producer_new(&bench->kafka, &options, &error);
    assert_non_null(producer);
    int refused = send_all(producer, MESSAGES / 2);
    wait_reported();
    assert_int_equal(metrics_get(METRIC_PRODUCERS_REBUILT), rebuilt + 1);
    assert_true(refused > 0); /* while there is none, nothing is taken */
    assert_true(atomic_load(&kept) >= MESSAGES / 2);
    producer_free(producer);
}

static void test_a_closed_producer_refuses_and_has_reported_all(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    struct producer *producer = producer_new(&bench->kafka, &options, &error);
    assert_non_null(producer);
    (void)send_all(producer, -1);
    producer_close(producer);
    assert_int_equal(atomic_load(&kept) + atomic_load(&not_kept), MESSAGES);
    assert_false(send_one(producer, 0, &error));
    assert_int_equal(error.verdict, VERDICT_RETRY);
    producer_free(producer);
}

/* Returns how often it refused. */
static int send_all_of(struct owner *owner, struct bench *bench, int break_at)
{
    struct error error = {0};
    owner->producer = producer_new(&bench->kafka, &served, &error);
    assert_non_null(owner->producer);
    assert_int_equal(pthread_create(&owner->thread, NULL, serve, owner), 0);
    return send_all(owner->producer, break_at);
}

static void test_reports_come_on_the_owners_thread(void **state)
{
    struct owner owner = {0};
    (void)send_all_of(&owner, *state, -1);
    wait_reported();
    assert_int_equal(atomic_load(&kept), MESSAGES);
    assert_int_equal(atomic_load(&elsewhere), 0);
    owner_end(&owner);
}

/* The descriptor tells of the new one's reports as well; what the old one had under way is told by
 * the thread that replaces it. */
static void test_a_served_producer_is_replaced(void **state)
{
    struct owner owner = {0};
    int64_t rebuilt = metrics_get(METRIC_PRODUCERS_REBUILT);
    assert_true(send_all_of(&owner, *state, MESSAGES / 2) > 0);
    wait_reported();
    assert_int_equal(metrics_get(METRIC_PRODUCERS_REBUILT), rebuilt + 1);
    assert_true(atomic_load(&kept) >= MESSAGES / 2);
    owner_end(&owner);
}

/* While the owner still serves. */
static void test_a_served_producer_is_closed(void **state)
{
    struct owner owner = {0};
    struct error error = {0};
    (void)send_all_of(&owner, *state, -1);
    producer_close(owner.producer);
    assert_int_equal(atomic_load(&kept) + atomic_load(&not_kept), MESSAGES);
    assert_false(send_one(owner.producer, 0, &error));
    owner_end(&owner);
}

/* Brokers that are not there leave errors in the queue before anybody serves it. */
static void test_a_served_producer_with_errors(void **state)
{
    struct bench *bench = *state;
    struct owner owner = {0};
    char brokers[256];
    (void)snprintf(brokers, sizeof brokers,
                   "127.0.0.1:1,127.0.0.1:2,127.0.0.1:3,127.0.0.1:4,127.0.0.1:5,127.0.0.1:6,%s",
                   embedded_bootstrap(bench->embedded));
    bench->kafka.bootstrap = brokers;
    (void)send_all_of(&owner, bench, -1);
    wait_reported();
    assert_int_equal(atomic_load(&kept), MESSAGES);
    owner_end(&owner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_fatal_producer_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_closed_producer_refuses_and_has_reported_all, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_reports_come_on_the_owners_thread, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_served_producer_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_served_producer_is_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_served_producer_with_errors, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
