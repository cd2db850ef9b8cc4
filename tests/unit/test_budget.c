/* The budget: never more than the limit in any minute, and no more waiting than that takes. */
#include "tests/unit/unit.h"

#include "bridge/base/memory.h"
#include "bridge/base/random.h"
#include "bridge/propexo/budget.h"

#define MINUTE_MS 60000
#define START_MS  INT64_C(123456789)

/* The times of the requests made, for looking back. */
struct history {
    int64_t *times;
    size_t count;
    size_t capacity;
};

static void note(struct history *history, int64_t now_ms)
{
    if (history->count == history->capacity) {
        history->capacity = history->capacity == 0 ? 1024 : history->capacity * 2;
        history->times = memory_grow(history->times, history->capacity, sizeof *history->times);
    }
    history->times[history->count++] = now_ms;
}

/* How many of them began in the minute that ends now. */
static size_t in_last_minute(const struct history *history)
{
    size_t first = history->count;
    int64_t now_ms = history->times[history->count - 1];
    while (first > 0 && history->times[first - 1] > now_ms - MINUTE_MS)
        first--;
    return history->count - first;
}

/* Starts as many requests as may start now. */
static size_t spend_all(struct budget *budget, struct history *history, int64_t now_ms)
{
    size_t count = 0;
    while (count < 2000000 && budget_wait(budget, now_ms) == 0) {
        budget_spend(budget, now_ms);
        note(history, now_ms);
        count++;
    }
    return count;
}

static void test_first_burst(void **state)
{
    static const struct {
        int64_t limit;
        size_t burst;
    } rows[] = {{1, 1},  {2, 1},    {9, 1},      {10, 1},
                {20, 2}, {150, 15}, {1000, 100}, {1000000, 100000}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct budget budget = budget_new(rows[i].limit, START_MS);
        struct history history = {0};
        assert_int_equal(spend_all(&budget, &history, START_MS), rows[i].burst);
        free(history.times);
    }
}

/* Asked every time as early as it allows, for ten minutes: never over the limit, and close to it.
 */
static void test_greedy(void **state)
{
    static const int64_t limits[] = {1, 2, 3, 7, 10, 11, 60, 149, 150, 151, 999, 5000};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(limits); i++) {
        struct budget budget = budget_new(limits[i], START_MS);
        struct history history = {0};
        int64_t now_ms = START_MS;
        while (now_ms < START_MS + 10 * MINUTE_MS) {
            int64_t wait = budget_wait(&budget, now_ms);
            assert_in_range(wait, 0, 2 * MINUTE_MS + 1);
            now_ms += wait;
            assert_int_equal(budget_wait(&budget, now_ms), 0); /* it keeps its word */
            budget_spend(&budget, now_ms);
            note(&history, now_ms);
            assert_true(in_last_minute(&history) <= (size_t)limits[i]);
        }
        /* Nine tenths of the limit or more, once the limit is not tiny. */
        if (limits[i] >= 10)
            assert_true(history.count >= (size_t)limits[i] * 9 * 99 / 100);
        free(history.times);
    }
}

enum pattern { EVERY_MS, BURSTS, LONG_IDLE, RANDOM_STEPS, AT_MINUTES, PATTERNS };

static int64_t step_of(enum pattern pattern, struct random *random)
{
    switch (pattern) {
    case EVERY_MS:
        return 1;
    case BURSTS:
        return random_between(random, 0, 9) == 0 ? random_between(random, 1000, 30000)
                                                 : random_between(random, 0, 1);
    case LONG_IDLE:
        return random_between(random, 30000, 200000);
    case RANDOM_STEPS:
        return random_between(random, 0, 2000);
    case AT_MINUTES:
        return MINUTE_MS + random_between(random, -1, 1);
    case PATTERNS:
        break;
    }
    return 1;
}

/* Whenever it is asked, in any rhythm, and whatever the server tells. */
static void test_any_pattern(void **state)
{
    static const int64_t limits[] = {1, 5, 30, 150, 1200};
    struct random random = random_from_seed(21);
    (void)state;
    for (int round = 0; round < PATTERNS * 5 * 2; round++) {
        int64_t limit = limits[round % 5];
        bool told = round >= PATTERNS * 5;
        struct budget budget = budget_new(limit, START_MS);
        struct history history = {0};
        int64_t now_ms = START_MS;
        for (int step = 0; step < 3000; step++) {
            now_ms += step_of((enum pattern)(round / 5 % PATTERNS), &random);
            if (spend_all(&budget, &history, now_ms) > 0)
                assert_true(in_last_minute(&history) <= (size_t)limit);
            if (told && step % 3 == 0)
                budget_learn(&budget, random_between(&random, -1, 2 * limit),
                             random_between(&random, -1, limit), step % 17, now_ms);
            if (told && step % 50 == 0)
                budget_limited(&budget, random_between(&random, -1, 5), now_ms);
        }
        assert_true(history.count > 0);
        free(history.times);
    }
}

/* A server with a minute of its own, which may have another limit than the configured one, and
 * other clients of the same token: it tells both numbers on every answer. */
struct server {
    int64_t limit;
    int64_t used;
    int64_t minute; /* number of the present one */
    int64_t offset_ms;
    size_t refused;
};

static void server_answer(struct server *server, struct budget *budget, int64_t now_ms)
{
    int64_t minute = (now_ms - server->offset_ms) / MINUTE_MS;
    if (minute != server->minute)
        server->used = 0;
    server->minute = minute;
    server->refused += server->used >= server->limit;
    if (server->used < server->limit)
        server->used++;
    budget_learn(budget, server->limit, server->limit - server->used, 0, now_ms);
}

/* Ten minutes against the server, asking as early as allowed; returns the requests made. */
static size_t run(struct server *server, struct budget *budget, int64_t foreign_per_minute)
{
    size_t made = 0;
    int64_t foreign_due = foreign_per_minute;
    for (int64_t now_ms = START_MS; now_ms < START_MS + 10 * MINUTE_MS; now_ms += 20) {
        foreign_due += foreign_per_minute * 20;
        for (; foreign_due >= MINUTE_MS; foreign_due -= MINUTE_MS)
            server->used += server->used < server->limit;
        if (budget_wait(budget, now_ms) > 0)
            continue;
        budget_spend(budget, now_ms);
        server_answer(server, budget, now_ms);
        made++;
    }
    return made;
}

static void test_learns_the_servers_limit(void **state)
{
    static const struct {
        int64_t configured;
        int64_t server;
        size_t at_least;
    } rows[] = {{150, 150, 1300}, {150, 60, 530}, {0, 60, 530}, {150, 1000, 1300}, {0, 600, 5300}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        for (int64_t offset_ms = 0; offset_ms < MINUTE_MS; offset_ms += 7001) {
            struct server server = {.limit = rows[i].server, .offset_ms = offset_ms};
            struct budget budget = budget_new(rows[i].configured, START_MS);
            size_t made = run(&server, &budget, 0);
            assert_true(made >= rows[i].at_least);
            /* Only what went before the first word of the server can have been too much. */
            assert_true(server.refused <= 1);
        }
    }
}

static void test_others_spend_too(void **state)
{
    (void)state;
    for (int64_t offset_ms = 0; offset_ms < MINUTE_MS; offset_ms += 7001) {
        struct server server = {.limit = 150, .offset_ms = offset_ms};
        struct budget budget = budget_new(150, START_MS);
        size_t made = run(&server, &budget, 100);
        assert_in_range(made, 700, 1100);
        assert_true(server.refused <= 10); /* at most the request that finds out, each minute */
    }
}

static void test_nothing_remaining_waits_for_the_minute(void **state)
{
    struct budget budget = budget_new(150, START_MS);
    int64_t now_ms = START_MS + 5000;
    (void)state;
    budget_spend(&budget, now_ms);
    budget_learn(&budget, 150, 100, 0, now_ms); /* the minute is seen from here */
    budget_spend(&budget, now_ms + 10000);
    budget_learn(&budget, 150, 0, 0, now_ms + 10000);
    assert_int_equal(budget_wait(&budget, now_ms + 10000), 50000);
    assert_int_equal(budget_wait(&budget, now_ms + 59999), 1);
    assert_int_equal(budget_wait(&budget, now_ms + 60000), 0);
    /* The request that looks whether the minute is over: several may go, it will be told soon. */
    budget_spend(&budget, now_ms + 60000);
    assert_int_equal(budget_wait(&budget, now_ms + 60000), 0);
    budget_learn(&budget, 150, 149, 0, now_ms + 60100);
    assert_int_equal(budget_wait(&budget, now_ms + 60100), 0);
}

/* What is under way may not be counted in the server's word yet. */
static void test_remaining_less_in_flight(void **state)
{
    struct budget budget = budget_new(150, START_MS);
    (void)state;
    budget_learn(&budget, 150, 5, 4, START_MS);
    assert_int_equal(budget_wait(&budget, START_MS), 0);
    budget_spend(&budget, START_MS);
    assert_int_equal(budget_wait(&budget, START_MS), MINUTE_MS);
    budget_learn(&budget, 150, 5, 0, START_MS + 10); /* they were counted */
    assert_int_equal(budget_wait(&budget, START_MS + 10), 0);
    budget_learn(&budget, 150, 3, 9, START_MS + 10);
    assert_true(budget_wait(&budget, START_MS + 10) > 0);
}

static void test_absent_headers_change_nothing(void **state)
{
    struct budget budget = budget_new(150, START_MS);
    (void)state;
    budget_learn(&budget, -1, -1, 0, START_MS);
    assert_int_equal(budget.limit, 150);
    assert_int_equal(budget.remaining, -1);
    budget_learn(&budget, 0, -1, 0, START_MS); /* a limit of none is no number to live by */
    assert_int_equal(budget.limit, 150);
    budget_learn(&budget, 40, -1, 0, START_MS);
    assert_int_equal(budget.limit, 40);
    budget_learn(&budget, 400, -1, 0, START_MS);
    assert_int_equal(budget.limit, 150);
    budget = budget_new(0, START_MS);
    struct history history = {0};
    assert_int_equal(spend_all(&budget, &history, START_MS), 2000000);
    free(history.times);
}

static void test_limited_with_retry_after(void **state)
{
    struct budget budget = budget_new(150, START_MS);
    (void)state;
    budget_limited(&budget, 20, START_MS);
    assert_int_equal(budget_wait(&budget, START_MS), 20000);
    /* A second one that says less does not shorten it, one that says more lengthens it. */
    budget_limited(&budget, 5, START_MS + 1000);
    assert_int_equal(budget_wait(&budget, START_MS + 1000), 19000);
    budget_limited(&budget, 30, START_MS + 1000);
    assert_int_equal(budget_wait(&budget, START_MS + 1000), 30000);
    assert_int_equal(budget_wait(&budget, START_MS + 31000), 0);
}

/* Without a word about how long, it looks again after 2, 4, 8 ... seconds, at most a minute; each
 * answer's headers are learned first, as the engine does. */
static void test_limited_without_retry_after(void **state)
{
    static const int64_t waits[] = {2000, 4000, 8000, 16000, 32000, 60000, 60000};
    static const int64_t told[] = {-1, 0};
    (void)state;
    for (size_t k = 0; k < ARRAY_LENGTH(told); k++) {
        struct budget budget = budget_new(150, START_MS);
        int64_t now_ms = START_MS;
        for (size_t i = 0; i < ARRAY_LENGTH(waits); i++) {
            budget_spend(&budget, now_ms);
            budget_learn(&budget, -1, told[k], 0, now_ms);
            budget_limited(&budget, -1, now_ms);
            assert_int_equal(budget_wait(&budget, now_ms), waits[i]);
            now_ms += waits[i];
            assert_int_equal(budget_wait(&budget, now_ms), 0);
        }
        /* A good while without one: the next begins anew. */
        now_ms += 10 * MINUTE_MS;
        budget_learn(&budget, -1, 50, 0, now_ms);
        budget_limited(&budget, -1, now_ms);
        assert_int_equal(budget_wait(&budget, now_ms), 2000);
    }
}

/* Many requests that were under way together are refused together: that is one refusal. */
static void test_limited_together(void **state)
{
    struct budget budget = budget_new(150, START_MS);
    (void)state;
    for (int i = 0; i < 16; i++) {
        budget_learn(&budget, -1, -1, 15 - i, START_MS + i);
        budget_limited(&budget, -1, START_MS + i);
    }
    assert_in_range(budget_wait(&budget, START_MS + 15), 1900, 2100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_burst),
        cmocka_unit_test(test_greedy),
        cmocka_unit_test(test_any_pattern),
        cmocka_unit_test(test_learns_the_servers_limit),
        cmocka_unit_test(test_others_spend_too),
        cmocka_unit_test(test_nothing_remaining_waits_for_the_minute),
        cmocka_unit_test(test_remaining_less_in_flight),
        cmocka_unit_test(test_absent_headers_change_nothing),
        cmocka_unit_test(test_limited_with_retry_after),
        cmocka_unit_test(test_limited_without_retry_after),
        cmocka_unit_test(test_limited_together),
    };
    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
