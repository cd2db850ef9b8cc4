/* Breakers by integration, by model and of all: whose failure it is, who is held, who is released.
 */
#include "tests/unit/unit.h"

#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/base/random.h"
#include "bridge/enricher/breakers.h"

#define NOW       INT64_C(5000000)
#define THRESHOLD 20
#define MOST      16
#define TIMEOUT   30000
#define FOREVER   (INT64_C(100) * 3600 * 1000)

struct stage {
    struct breakers *breakers;
    struct random random;
    int64_t now_ms;
    char released[64]; /* the last one: integration, or integration/model */
    int releases;
};

static void on_release(void *context, const char *integration_id, const char *model, int64_t now_ms)
{
    struct stage *stage = context;
    assert_int_equal(now_ms, stage->now_ms);
    (void)snprintf(stage->released, sizeof stage->released, "%s%s%s", integration_id,
                   model == NULL ? "" : "/", model == NULL ? "" : model);
    stage->releases++;
}

static void begin(struct stage *stage, int threshold)
{
    *stage = (struct stage){.random = random_from_seed(1), .now_ms = NOW};
    struct breakers_rules rules = {.threshold = threshold,
                                   .max_concurrency = MOST,
                                   .timeout_ms = TIMEOUT,
                                   .release = on_release,
                                   .context = stage};
    stage->breakers = breakers_new(&rules, &stage->random);
}

static int64_t open_ones(void)
{
    return metrics_get(METRIC_BREAKERS_OPEN_INTEGRATIONS);
}

static void end(struct stage *stage)
{
    breakers_free(stage->breakers);
    assert_int_equal(open_ones(), 0);
    assert_int_equal(metrics_get(METRIC_BREAKERS_OPEN_MODELS), 0);
    assert_int_equal(metrics_get(METRIC_API_BREAKER_OPEN), 0);
}

static int quiet(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR);
    return 0;
}

static struct circuit *start(struct stage *stage, const char *integration_id)
{
    return breakers_started(stage->breakers, integration_id, NULL, stage->now_ms);
}

static void answer(struct stage *stage, struct circuit *circuit, enum api_outcome outcome)
{
    breakers_answered(stage->breakers, circuit, NULL, outcome, 0, stage->now_ms);
}

static void ask(struct stage *stage, const char *integration_id, enum api_outcome outcome)
{
    answer(stage, start(stage, integration_id), outcome);
}

static void ask_times(struct stage *stage, const char *integration_id, enum api_outcome outcome,
                      int times)
{
    for (int i = 0; i < times; i++)
        ask(stage, integration_id, outcome);
}

static void ask_model(struct stage *stage, const char *integration_id, const char *model,
                      enum api_outcome outcome)
{
    struct circuit *circuit =
        breakers_started(stage->breakers, integration_id, model, stage->now_ms);
    breakers_answered(stage->breakers, circuit, model, outcome, 0, stage->now_ms);
}

static bool may(struct stage *stage, const char *integration_id)
{
    return breakers_may(stage->breakers, integration_id, stage->now_ms);
}

/* Goes on to when the integration is released. Returns how long that was. */
static int64_t wait_released(struct stage *stage)
{
    int64_t from_ms = stage->now_ms;
    int before = stage->releases;
    while (stage->releases == before) {
        int64_t wait = breakers_wake(stage->breakers, stage->now_ms);
        if (stage->releases > before)
            break;
        assert_true(wait > 0 && wait < FOREVER);
        stage->now_ms += wait;
    }
    return stage->now_ms - from_ms;
}

/* Which outcomes count for the integration, which for all, and which end a row of failures. */
static void test_whose_failure(void **state)
{
    (void)state;
    for (int i = 0; i < API_OUTCOMES; i++) {
        enum api_outcome outcome = (enum api_outcome)i;
        const struct policy *policy = policy_for(outcome);
        struct stage stage;
        begin(&stage, THRESHOLD);
        ask_times(&stage, "a", outcome, THRESHOLD - 1);
        assert_true(may(&stage, "a"));
        ask(&stage, "a", outcome);
        bool retries = policy->verdict == POLICY_RETRY;
        bool all = policy->scope == SCOPE_ALL && (retries || policy->verdict == POLICY_PAUSE);
        assert_int_equal(may(&stage, "a"), !(retries && policy->scope == SCOPE_INTEGRATION));
        assert_int_equal(breakers_is_held(stage.breakers, "a"),
                         retries && policy->scope == SCOPE_INTEGRATION);
        assert_int_equal(breakers_are_open(stage.breakers), all);
        assert_int_equal(breakers_wait(stage.breakers, stage.now_ms) > 0, all);
        assert_true(may(&stage, "b"));
        end(&stage);
    }
}

/* A request of no integration counts for all, whatever the outage. */
static void test_of_no_integration(void **state)
{
    static const char *const none[] = {NULL, ""};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(none); i++) {
        struct stage stage;
        begin(&stage, THRESHOLD);
        ask_times(&stage, none[i], API_SERVER_ERROR, THRESHOLD - 1);
        assert_false(breakers_are_open(stage.breakers));
        ask(&stage, none[i], API_TIMEOUT);
        assert_true(breakers_are_open(stage.breakers));
        assert_true(may(&stage, none[i]));
        assert_int_equal(metrics_get(METRIC_API_BREAKER_OPEN), 1);
        end(&stage);
    }
}

/* One that is sick never holds others back, a thousand failures and single ones of others
 * notwithstanding; an API that is dead is found out by two of them, and not later than the
 * threshold says. */
static void test_one_is_not_all(void **state)
{
    static const int thresholds[] = {1, 2, 3, 5, 20};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(thresholds); i++) {
        int threshold = thresholds[i];
        struct stage stage;
        begin(&stage, threshold);
        ask_times(&stage, "a", API_SERVER_ERROR, 1000);
        assert_false(breakers_are_open(stage.breakers));
        if (threshold > 3) {
            ask(&stage, "b", API_TIMEOUT);
            assert_false(breakers_are_open(stage.breakers));
        }
        end(&stage);

        begin(&stage, threshold);
        int failures = 0;
        for (; !breakers_are_open(stage.breakers); failures++)
            ask(&stage, failures % 2 == 0 ? "a" : "b", API_SERVER_ERROR);
        assert_int_equal(failures, threshold < 2 ? 2 : threshold);
        end(&stage);

        begin(&stage, threshold);
        for (failures = 0; !breakers_are_open(stage.breakers); failures++) {
            char name[16];
            (void)snprintf(name, sizeof name, "i%d", failures);
            ask(&stage, name, API_SERVER_ERROR);
        }
        assert_int_equal(failures, threshold < 2 ? 2 : threshold);
        end(&stage);
    }
}

/* Any answer of the API's own ends a row. */
static void test_a_row_ends(void **state)
{
    static const enum api_outcome ends[] = {API_RECORD, API_GONE, API_LIMITED, API_REFUSED,
                                            API_FORBIDDEN};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ends); i++) {
        struct stage stage;
        begin(&stage, THRESHOLD);
        for (int k = 0; k < 100; k++) {
            ask_times(&stage, "a", API_SERVER_ERROR, 7);
            ask_times(&stage, "b", API_TIMEOUT, 7);
            ask(&stage, "a", ends[i]);
            ask(&stage, "b", API_RECORD);
            if (ends[i] == API_LIMITED)
                ask(&stage, "a", API_RECORD); /* of an integration it says nothing */
        }
        assert_false(breakers_are_open(stage.breakers));
        assert_int_equal(open_ones(), 0);
        end(&stage);
    }
}

/* Opens, lets one probe go, pauses twice as long, closes by a success; others never wait. */
static void test_life(void **state)
{
    struct stage stage;
    (void)state;
    begin(&stage, THRESHOLD);
    int64_t openings = metrics_get(METRIC_BREAKER_OPENINGS_INTEGRATION);
    ask_times(&stage, "a", API_TIMEOUT, THRESHOLD);
    int64_t pause = BREAKER_FIRST_PAUSE_MS;
    for (int i = 0; i < 8; i++) {
        assert_false(may(&stage, "a"));
        assert_true(may(&stage, "b"));
        assert_int_equal(open_ones(), 1);
        int64_t waited = wait_released(&stage);
        assert_in_range(waited, pause / 2, pause + 50);
        assert_string_equal(stage.released, "a");
        pause = pause * 2 > BREAKER_LAST_PAUSE_MS ? BREAKER_LAST_PAUSE_MS : pause * 2;
        assert_true(may(&stage, "a"));
        struct circuit *probe = start(&stage, "a");
        assert_false(may(&stage, "a"));
        ask(&stage, "b", API_RECORD);
        stage.now_ms += TIMEOUT;
        answer(&stage, probe, API_TIMEOUT);
    }
    assert_false(may(&stage, "a"));
    (void)wait_released(&stage);
    struct circuit *probe = start(&stage, "a");
    assert_false(may(&stage, "a"));
    int before = stage.releases;
    answer(&stage, probe, API_RECORD);
    assert_int_equal(stage.releases, before + 1);
    assert_true(may(&stage, "a"));
    assert_int_equal(open_ones(), 0);
    assert_int_equal(metrics_get(METRIC_BREAKER_OPENINGS_INTEGRATION), openings + 1);
    assert_true(breakers_wake(stage.breakers, stage.now_ms + FOREVER) == INT64_MAX);
    assert_false(breakers_are_open(stage.breakers));
    end(&stage);
}

/* A probe that the budget or the token stopped says nothing of the integration: another one goes.
 */
static void test_probe_without_result(void **state)
{
    static const enum api_outcome nothing[] = {API_LIMITED, API_UNAUTHORIZED, API_NO_CONNECTION};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(nothing); i++) {
        struct stage stage;
        begin(&stage, THRESHOLD);
        ask_times(&stage, "a", API_SERVER_ERROR, THRESHOLD);
        assert_false(may(&stage, "a"));
        (void)wait_released(&stage);
        struct circuit *probe = start(&stage, "a");
        assert_false(may(&stage, "a"));
        answer(&stage, probe, nothing[i]);
        assert_true(may(&stage, "a"));
        assert_true(breakers_is_held(stage.breakers, "a"));
        ask(&stage, "a", API_RECORD);
        assert_false(breakers_is_held(stage.breakers, "a"));
        end(&stage);
    }
}

/* After an outage of the whole every integration has its turn at once, whatever it failed by then.
 */
static void test_the_whole_is_well_again(void **state)
{
    struct stage stage;
    (void)state;
    begin(&stage, 4);
    for (int i = 0; i < 50; i++) {
        stage.now_ms += breakers_wait(stage.breakers, stage.now_ms);
        ask(&stage, i % 2 == 0 ? "a" : "b", API_SERVER_ERROR);
    }
    assert_true(breakers_are_open(stage.breakers));
    ask(&stage, "a", API_SERVER_ERROR);
    ask(&stage, "b", API_SERVER_ERROR);
    assert_int_equal(open_ones(), 2);
    assert_false(may(&stage, "a") || may(&stage, "b"));
    struct circuit *probe = start(&stage, "c");
    ask(&stage, "b", API_SERVER_ERROR); /* it came from before */
    assert_false(may(&stage, "b"));
    answer(&stage, probe, API_RECORD);
    assert_false(breakers_are_open(stage.breakers));
    (void)breakers_wake(stage.breakers, stage.now_ms);
    assert_true(may(&stage, "a") && may(&stage, "b") && may(&stage, "c"));
    assert_in_range(stage.releases, 1, 2);
    ask(&stage, "a", API_RECORD);
    ask(&stage, "b", API_SERVER_ERROR);
    assert_int_equal(open_ones(), 1);
    assert_false(breakers_are_open(stage.breakers));
    end(&stage);
}

/* Two that are sick may look like a dead API; but only until they are held back themselves. */
static void test_two_sick_ones(void **state)
{
    struct stage stage;
    int asked = 0;
    (void)state;
    begin(&stage, THRESHOLD);
    for (; !breakers_are_open(stage.breakers); asked++)
        ask(&stage, asked % 2 == 0 ? "a" : "b", API_SERVER_ERROR);
    assert_int_equal(asked, THRESHOLD);
    stage.now_ms += breakers_wait(stage.breakers, stage.now_ms);
    ask(&stage, "c", API_RECORD);
    for (int i = 0; i < 1000; i++) {
        if (may(&stage, "a"))
            ask(&stage, "a", API_SERVER_ERROR);
        if (may(&stage, "b"))
            ask(&stage, "b", API_SERVER_ERROR);
        stage.now_ms += 1000;
        if (breakers_wait(stage.breakers, stage.now_ms) == 0)
            ask(&stage, "c", API_RECORD);
    }
    assert_int_equal(open_ones(), 2);
    assert_false(breakers_are_open(stage.breakers));
    end(&stage);
}

/* One integration has never all connections, and in doubt hardly any; an answer sets it free. */
static void test_connections(void **state)
{
    struct circuit *circuits[MOST];
    struct stage stage;
    (void)state;
    begin(&stage, THRESHOLD);
    int count = 0;
    while (may(&stage, "a"))
        circuits[count++] = start(&stage, "a");
    assert_int_equal(count, MOST - MOST / 8);
    assert_true(may(&stage, "b"));
    assert_int_equal(breakers_doubted(stage.breakers, stage.now_ms), 0);
    stage.now_ms += BREAKERS_DOUBT_MS;
    assert_int_equal(breakers_doubted(stage.breakers, stage.now_ms), count);
    answer(&stage, circuits[--count], API_RECORD);
    assert_string_equal(stage.released, "a");
    assert_int_equal(breakers_doubted(stage.breakers, stage.now_ms), 0);
    assert_true(may(&stage, "a"));
    answer(&stage, circuits[--count], API_TIMEOUT);
    assert_int_equal(breakers_doubted(stage.breakers, stage.now_ms), count);
    assert_false(may(&stage, "a"));
    stage.releases = 0;
    while (count > BREAKERS_DOUBTED_MOST) {
        assert_int_equal(stage.releases, 0);
        answer(&stage, circuits[--count], API_TIMEOUT);
    }
    assert_int_equal(stage.releases, 0);
    answer(&stage, circuits[--count], API_TIMEOUT);
    assert_int_equal(stage.releases, 1);
    answer(&stage, circuits[--count], API_RECORD);
    assert_int_equal(breakers_doubted(stage.breakers, stage.now_ms), 0);
    end(&stage);
}

/* With few connections there are some all the same. */
static void test_few_connections(void **state)
{
    static const struct {
        int connections;
        int of_one;
    } rows[] = {{1, 1}, {2, 1}, {3, 2}, {8, 7}, {256, 224}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct stage stage;
        begin(&stage, THRESHOLD);
        breakers_set_most(stage.breakers, rows[i].connections);
        int count = 0;
        for (; may(&stage, "a"); count++)
            (void)start(&stage, "a");
        assert_int_equal(count, rows[i].of_one);
        breakers_forget(stage.breakers);
        assert_true(may(&stage, "a"));
        end(&stage);
    }
}

/* 403: the model waits, each time longer, then each of its records has one request. */
static void test_model(void **state)
{
    static const int64_t pauses[] = {5000, 10000, 20000, 40000};
    struct stage stage;
    (void)state;
    begin(&stage, THRESHOLD);
    for (int i = 0; i < BREAKERS_MODEL_FAILURES; i++) {
        assert_true(breakers_may_model(stage.breakers, "a", "units", stage.now_ms));
        ask_model(&stage, "a", "units", API_FORBIDDEN);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(pauses); i++) {
        assert_false(breakers_may_model(stage.breakers, "a", "units", stage.now_ms));
        assert_true(breakers_may_model(stage.breakers, "a", "leases", stage.now_ms));
        assert_true(breakers_may_model(stage.breakers, "b", "units", stage.now_ms));
        assert_true(may(&stage, "a"));
        assert_false(breakers_gave_up(stage.breakers, "a", "units"));
        assert_int_equal(metrics_get(METRIC_BREAKERS_OPEN_MODELS), 1);
        assert_in_range(wait_released(&stage), pauses[i] / 2, pauses[i] + 50);
        assert_string_equal(stage.released, "a/units");
        ask_model(&stage, "a", "leases", API_RECORD);
        struct circuit *late = breakers_started(stage.breakers, "a", "units", stage.now_ms);
        ask_model(&stage, "a", "units", API_FORBIDDEN);
        breakers_answered(stage.breakers, late, "units",
                          i + 1 < ARRAY_LENGTH(pauses) ? API_FORBIDDEN : API_LIMITED, 0,
                          stage.now_ms);
    }
    for (int i = 0; i < 100; i++) {
        assert_true(breakers_gave_up(stage.breakers, "a", "units"));
        assert_false(breakers_gave_up(stage.breakers, "a", "leases"));
        assert_true(breakers_may_model(stage.breakers, "a", "units", stage.now_ms));
        ask_model(&stage, "a", "units", API_FORBIDDEN);
    }
    assert_int_equal(metrics_get(METRIC_BREAKERS_OPEN_MODELS), 0);
    ask_model(&stage, "a", "units", API_SERVER_ERROR);
    assert_true(breakers_gave_up(stage.breakers, "a", "units"));
    ask_model(&stage, "a", "units", API_RECORD);
    assert_false(breakers_gave_up(stage.breakers, "a", "units"));
    assert_true(breakers_wake(stage.breakers, stage.now_ms + FOREVER) == INT64_MAX);
    end(&stage);
}

/* A record here and there that is forbidden holds up nobody. */
static void test_forbidden_records(void **state)
{
    struct stage stage;
    (void)state;
    begin(&stage, THRESHOLD);
    for (int i = 0; i < 1000; i++) {
        ask_model(&stage, "a", "units", i % 3 == 0 ? API_RECORD : API_FORBIDDEN);
        assert_true(breakers_may_model(stage.breakers, "a", "units", stage.now_ms));
    }
    end(&stage);
}

/* A hundred thousand integrations that fail, and recover or are never asked for again. */
static void test_many(void **state)
{
    enum { COUNT = 100000 };
    struct stage stage;
    (void)state;
    begin(&stage, 1000000);
    for (int i = 0; i < COUNT; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "i%d", i);
        ask(&stage, name, API_SERVER_ERROR);
        ask(&stage, "good", API_RECORD);
    }
    for (int i = 0; i < COUNT / 2; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "i%d", i);
        ask(&stage, name, API_RECORD);
    }
    assert_true(breakers_wake(stage.breakers, stage.now_ms) <= BREAKERS_FORGET_MS);
    stage.now_ms += BREAKERS_FORGET_MS;
    assert_true(breakers_wake(stage.breakers, stage.now_ms) == INT64_MAX);
    end(&stage);
}

/* An open one that nothing asks for any more does not stay for ever. */
static void test_forgotten(void **state)
{
    struct stage stage;
    (void)state;
    begin(&stage, 2);
    ask_times(&stage, "a", API_SERVER_ERROR, 2);
    for (int i = 0; i < 3; i++)
        ask_model(&stage, "b", "units", API_FORBIDDEN);
    assert_int_equal(open_ones(), 1);
    assert_int_equal(metrics_get(METRIC_BREAKERS_OPEN_MODELS), 1);
    for (int i = 0; i < 10; i++) {
        int64_t wait = breakers_wake(stage.breakers, stage.now_ms);
        if (wait == INT64_MAX)
            break;
        assert_in_range(wait, 1, BREAKERS_FORGET_MS);
        stage.now_ms += wait;
    }
    assert_in_range(stage.now_ms, NOW + BREAKERS_FORGET_MS, NOW + BREAKERS_FORGET_MS + 100);
    assert_int_equal(open_ones(), 0);
    assert_int_equal(metrics_get(METRIC_BREAKERS_OPEN_MODELS), 0);
    end(&stage);
}

/* Given up with the assignment: nobody is held, nobody is open, and the API's own state stays. */
static void test_forget(void **state)
{
    struct stage stage;
    (void)state;
    begin(&stage, 4);
    ask_times(&stage, "a", API_SERVER_ERROR, 4);
    (void)start(&stage, "b");
    ask_times(&stage, NULL, API_SERVER_ERROR, 4);
    assert_false(may(&stage, "a"));
    stage.now_ms += BREAKER_LAST_PAUSE_MS;
    (void)start(&stage, "b"); /* the probe of all */
    assert_true(breakers_wait(stage.breakers, stage.now_ms) == INT64_MAX);
    breakers_forget(stage.breakers);
    assert_true(may(&stage, "a"));
    assert_int_equal(open_ones(), 0);
    assert_true(breakers_are_open(stage.breakers));
    assert_int_equal(breakers_wait(stage.breakers, stage.now_ms), 0);
    assert_int_equal(stage.releases, 0);
    end(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whose_failure),
        cmocka_unit_test(test_of_no_integration),
        cmocka_unit_test(test_one_is_not_all),
        cmocka_unit_test(test_a_row_ends),
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_probe_without_result),
        cmocka_unit_test(test_the_whole_is_well_again),
        cmocka_unit_test(test_two_sick_ones),
        cmocka_unit_test(test_connections),
        cmocka_unit_test(test_few_connections),
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_forbidden_records),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_forget),
    };
    return cmocka_run_group_tests_name("breakers", tests, quiet, NULL);
}
