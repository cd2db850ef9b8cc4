/* The circuit breaker: when it opens, for how long, and what closes it. */
#include "tests/unit/unit.h"

#include "bridge/base/log.h"
#include "bridge/base/metrics.h"
#include "bridge/base/random.h"
#include "bridge/enricher/breaker.h"

#define NOW INT64_C(5000000)

static int quiet(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR); /* every change of state is a warning */
    return 0;
}

static void assert_state(const struct breaker *breaker, enum breaker_state state)
{
    assert_int_equal(breaker->state, state);
    assert_int_equal(metrics_get(METRIC_API_BREAKER_OPEN), state != BREAKER_CLOSED);
}

static void fail_times(struct breaker *breaker, int times, int64_t now_ms)
{
    for (int i = 0; i < times; i++)
        breaker_failed(breaker, now_ms);
}

static void test_threshold(void **state)
{
    static const int thresholds[] = {1, 2, 20};
    struct random random = random_from_seed(1);
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(thresholds); i++) {
        struct breaker breaker = breaker_new(BREAKER_ALL, "", thresholds[i], &random);
        fail_times(&breaker, thresholds[i] - 1, NOW);
        assert_state(&breaker, BREAKER_CLOSED);
        assert_int_equal(breaker_wait(&breaker, NOW), 0);
        /* One success, and the count begins anew. */
        breaker_succeeded(&breaker);
        fail_times(&breaker, thresholds[i] - 1, NOW);
        assert_state(&breaker, BREAKER_CLOSED);
        breaker_failed(&breaker, NOW);
        assert_state(&breaker, BREAKER_OPEN);
        assert_in_range(breaker_wait(&breaker, NOW), 500, 1000);
        breaker_succeeded(&breaker);
        assert_state(&breaker, BREAKER_CLOSED);
    }
}

static void test_probe(void **state)
{
    struct random random = random_from_seed(2);
    struct breaker breaker = breaker_new(BREAKER_ALL, "", 3, &random);
    (void)state;
    fail_times(&breaker, 3, NOW);
    int64_t until = breaker.until_ms;
    assert_int_equal(breaker_wait(&breaker, until - 1), 1);
    assert_int_equal(breaker_wait(&breaker, until), 0);
    breaker_started(&breaker);
    assert_state(&breaker, BREAKER_HALF_OPEN);
    assert_true(breaker_wait(&breaker, until) == INT64_MAX);
    assert_true(breaker_wait(&breaker, until + 3600000) == INT64_MAX);
    breaker_succeeded(&breaker);
    assert_state(&breaker, BREAKER_CLOSED);
    assert_int_equal(breaker_wait(&breaker, until), 0);
    breaker_started(&breaker);
    assert_state(&breaker, BREAKER_CLOSED);
}

/* Each failed probe doubles the pause, up to half a minute; a success sets it back. */
static void test_pauses(void **state)
{
    static const int64_t pauses[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000};
    struct random random = random_from_seed(3);
    (void)state;
    for (int round = 0; round < 100; round++) {
        struct breaker breaker = breaker_new(BREAKER_ALL, "", 1, &random);
        int64_t now_ms = NOW;
        for (size_t i = 0; i < ARRAY_LENGTH(pauses); i++) {
            breaker_started(&breaker);
            breaker_failed(&breaker, now_ms);
            assert_state(&breaker, BREAKER_OPEN);
            int64_t wait = breaker_wait(&breaker, now_ms);
            assert_in_range(wait, pauses[i] / 2, pauses[i]);
            now_ms += wait;
        }
        breaker_started(&breaker);
        breaker_succeeded(&breaker);
        breaker_failed(&breaker, now_ms);
        assert_in_range(breaker_wait(&breaker, now_ms), 500, 1000);
        breaker_end(&breaker, true);
    }
}

/* Those that were under way when it opened fail too, and neither lengthen nor double the pause. */
static void test_failures_while_open(void **state)
{
    struct random random = random_from_seed(4);
    struct breaker breaker = breaker_new(BREAKER_ALL, "", 5, &random);
    (void)state;
    fail_times(&breaker, 5, NOW);
    int64_t until = breaker.until_ms;
    int64_t pause = breaker.pause_ms;
    fail_times(&breaker, 30, NOW + 100);
    assert_state(&breaker, BREAKER_OPEN);
    assert_int_equal(breaker.until_ms, until);
    assert_int_equal(breaker.pause_ms, pause);
    assert_int_equal(breaker.failures, 35);
    breaker_end(&breaker, true);
}

static void test_trip(void **state)
{
    struct random random = random_from_seed(5);
    struct breaker breaker = breaker_new(BREAKER_ALL, "", 20, &random);
    (void)state;
    breaker_trip(&breaker, NOW, 10000);
    assert_state(&breaker, BREAKER_OPEN);
    assert_int_equal(breaker_wait(&breaker, NOW), 10000);
    assert_int_equal(breaker_wait(&breaker, NOW + 10000), 0);
    breaker_started(&breaker);
    breaker_trip(&breaker, NOW + 10000, 10000);
    assert_state(&breaker, BREAKER_OPEN);
    assert_int_equal(breaker_wait(&breaker, NOW + 10000), 10000);
    breaker_succeeded(&breaker);
    assert_state(&breaker, BREAKER_CLOSED);
}

/* A probe that will never report must not hold requests back for ever. */
static void test_forgotten_probe(void **state)
{
    struct random random = random_from_seed(6);
    struct breaker breaker = breaker_new(BREAKER_ALL, "", 1, &random);
    (void)state;
    breaker_forget_probe(&breaker);
    assert_state(&breaker, BREAKER_CLOSED);
    breaker_failed(&breaker, NOW);
    int64_t until = breaker.until_ms;
    breaker_forget_probe(&breaker);
    assert_state(&breaker, BREAKER_OPEN);
    assert_int_equal(breaker.until_ms, until);
    breaker_started(&breaker);
    breaker_forget_probe(&breaker);
    assert_state(&breaker, BREAKER_OPEN);
    assert_int_equal(breaker_wait(&breaker, until), 0);
    breaker_end(&breaker, false);
    assert_state(&breaker, BREAKER_CLOSED);
}

/* Each kind has a gauge and a counter; opening again after a probe is no other opening. */
static void test_metrics(void **state)
{
    static const struct {
        enum breaker_scope scope;
        enum metric open;
        enum metric openings;
    } rows[] = {
        {BREAKER_ALL, METRIC_API_BREAKER_OPEN, METRIC_BREAKER_OPENINGS_API},
        {BREAKER_INTEGRATION, METRIC_BREAKERS_OPEN_INTEGRATIONS,
         METRIC_BREAKER_OPENINGS_INTEGRATION},
        {BREAKER_MODEL, METRIC_BREAKERS_OPEN_MODELS, METRIC_BREAKER_OPENINGS_MODEL},
    };
    struct random random = random_from_seed(7);
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int64_t before = metrics_get(rows[i].openings);
        struct breaker one = breaker_new(rows[i].scope, "a", 1, &random);
        struct breaker other = breaker_new(rows[i].scope, "b", 2, &random);
        breaker_failed(&one, NOW);
        fail_times(&other, 2, NOW);
        for (int again = 0; again < 3; again++) {
            assert_int_equal(metrics_get(rows[i].open), 2);
            assert_int_equal(metrics_get(rows[i].openings), before + 2);
            breaker_started(&one);
            breaker_failed(&one, NOW + 100000);
        }
        breaker_succeeded(&one);
        assert_int_equal(metrics_get(rows[i].open), 1);
        breaker_end(&other, true);
        breaker_end(&other, true);
        breaker_end(&one, false);
        assert_int_equal(metrics_get(rows[i].open), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threshold), cmocka_unit_test(test_probe),
        cmocka_unit_test(test_pauses),    cmocka_unit_test(test_failures_while_open),
        cmocka_unit_test(test_trip),      cmocka_unit_test(test_forgotten_probe),
        cmocka_unit_test(test_metrics),
    };
    return cmocka_run_group_tests_name("breaker", tests, quiet, NULL);
}
