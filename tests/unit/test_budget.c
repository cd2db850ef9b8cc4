/* The budget without a server: never more than the limit in any minute, no more waiting than that
 * takes, and what single answers do to it. The rest is test_budget_fleet.c. */
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
static size_t spend_all(struct budget *budget, enum budget_pace pace, struct history *history,
                        int64_t now_ms)
{
    size_t count = 0;
    while (count < 2000000 && budget_wait(budget, pace, 0, now_ms) == 0) {
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
        size_t thrifty;
        size_t full;
    } rows[] = {{1, 1, 1},  {2, 1, 1},     {9, 1, 1},        {10, 1, 1},
                {20, 2, 2}, {150, 15, 15}, {1000, 100, 100}, {1000000, 100000, 100000}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        for (enum budget_pace pace = 0; pace < BUDGET_PACES; pace++) {
            struct budget budget = budget_new(rows[i].limit, START_MS);
            struct history history = {0};
            assert_int_equal(spend_all(&budget, pace, &history, START_MS),
                             pace == BUDGET_FULL ? rows[i].full : rows[i].thrifty);
            free(history.times);
        }
    }
}

/* Most requests that 60 s may see: the part of the limit, and one at least. */
static size_t most_of(int64_t limit, enum budget_pace pace)
{
    size_t part = (size_t)limit * (pace == BUDGET_THRIFTY ? 80 : 97) / 100;
    return part < 1 ? 1 : part;
}

/* Asked every time as early as it allows, for ten minutes: never over the limit, and close to it.
 */
static void check_greedy(int64_t limit, enum budget_pace pace)
{
    struct budget budget = budget_new(limit, START_MS);
    struct history history = {0};
    int64_t now_ms = START_MS;
    while (now_ms < START_MS + 10 * MINUTE_MS) {
        int64_t wait = budget_wait(&budget, pace, 0, now_ms);
        assert_in_range(wait, 0, 2 * MINUTE_MS + 1);
        now_ms += wait;
        assert_int_equal(budget_wait(&budget, pace, 0, now_ms), 0); /* it keeps its word */
        budget_spend(&budget, now_ms);
        note(&history, now_ms);
        assert_true(in_last_minute(&history) <= most_of(limit, pace));
    }
    /* Nearly all of it, once the limit is not tiny: the thrifty pace keeps a burst in hand. */
    size_t least = (size_t)limit * 10 * (pace == BUDGET_THRIFTY ? 69 : 92) / 100;
    if (limit >= 60)
        assert_true(history.count >= least);
    free(history.times);
}

static void test_greedy(void **state)
{
    static const int64_t limits[] = {1, 2, 3, 7, 10, 11, 60, 149, 150, 151, 999, 5000};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(limits); i++)
        for (enum budget_pace pace = 0; pace < BUDGET_PACES; pace++)
            check_greedy(limits[i], pace);
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

/* Whenever it is asked, in any rhythm and at changing paces; the thrifty one also whatever the
 * server tells. */
static void check_pattern(int64_t limit, enum pattern pattern, bool told, struct random *random)
{
    struct budget budget = budget_new(limit, START_MS);
    struct history history = {0};
    int64_t now_ms = START_MS;
    for (int step = 0; step < 3000; step++) {
        now_ms += step_of(pattern, random);
        enum budget_pace pace =
            told || random_between(random, 0, 1) == 0 ? BUDGET_THRIFTY : BUDGET_FULL;
        if (spend_all(&budget, pace, &history, now_ms) > 0)
            assert_true(in_last_minute(&history) <=
                        most_of(limit, told ? BUDGET_THRIFTY : BUDGET_FULL));
        if (told && step % 3 == 0)
            budget_learn(&budget, random_between(random, -1, 2 * limit),
                         random_between(random, -1, limit), step % 17,
                         random_between(random, -1, 9000), now_ms);
        if (told && step % 50 == 0)
            budget_limited(&budget, random_between(random, -1, 5), now_ms);
        assert_in_range(budget_concurrency(&budget, 16), 2, 16);
        assert_in_range(budget_left(&budget, now_ms), 0, limit);
    }
    assert_true(history.count > 0);
    free(history.times);
}

static void test_any_pattern(void **state)
{
    static const int64_t limits[] = {1, 5, 30, 150, 1200};
    struct random random = random_from_seed(21);
    (void)state;
    for (int round = 0; round < PATTERNS * 5 * 2; round++)
        check_pattern(limits[round % 5], (enum pattern)(round / 5 % PATTERNS),
                      round >= PATTERNS * 5, &random);
}

/* The part of each in ten minutes of asking. A bucket gives whole requests a minute: what a small
 * share loses by that is left to be spent as extra. */
static void test_share(void **state)
{
    static const struct {
        int owned;
        int all;
        size_t least;
        size_t most;
    } rows[] = {{6, 6, 1380, 1460}, {3, 6, 690, 730}, {2, 6, 450, 490},  {1, 6, 220, 245},
                {1, 84, 9, 11},     {0, 6, 50, 63},   {0, 0, 1380, 1460}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct budget budget = budget_new(150, START_MS);
        struct history history = {0};
        budget_set_share(&budget, rows[i].owned, rows[i].all);
        for (int64_t now_ms = START_MS; now_ms < START_MS + 10 * MINUTE_MS; now_ms += 50)
            (void)spend_all(&budget, BUDGET_FULL, &history, now_ms);
        assert_in_range(history.count, rows[i].least, rows[i].most);
        free(history.times);
    }
}

/* What is not the own share may be spent when the server's word shows it, at full pace only. */
static void test_extra(void **state)
{
    static const struct {
        const char *name;
        enum budget_pace pace;
        int64_t configured;
        int64_t remaining;
        int64_t after_ms; /* the first word, which begins the minute */
        bool may;
    } rows[] = {
        {"all is left, half of the minute", BUDGET_FULL, 150, 149, 30000, true},
        {"the same, thrifty", BUDGET_THRIFTY, 150, 149, 30000, false},
        {"on the course", BUDGET_FULL, 150, 75, 30000, false},
        {"behind", BUDGET_FULL, 150, 90, 30000, true},
        {"ahead", BUDGET_FULL, 150, 60, 30000, false},
        {"little, at the end", BUDGET_FULL, 150, 20, 58000, true},
        {"so little that others want it", BUDGET_FULL, 150, 3, 59900, false},
        {"a lower limit of our own", BUDGET_FULL, 80, 110, 30000, false},
        {"the same, and all is left", BUDGET_FULL, 80, 149, 30000, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct budget budget = budget_new(rows[i].configured, START_MS);
        struct history history = {0};
        budget_set_share(&budget, 1, 6);
        budget_learn(&budget, 150, 150, 0, 100, START_MS);
        int64_t now_ms = START_MS + rows[i].after_ms;
        (void)spend_all(&budget, BUDGET_THRIFTY, &history, now_ms - 200);
        budget_learn(&budget, 150, rows[i].remaining, 0, 100, now_ms);
        if ((budget_wait(&budget, rows[i].pace, 0, now_ms) == 0) != rows[i].may)
            fail_msg("%s", rows[i].name);
        free(history.times);
    }
}

static void test_nothing_remaining_waits_for_the_minute(void **state)
{
    struct budget budget = budget_new(150, START_MS);
    int64_t now_ms = START_MS + 5000;
    (void)state;
    budget_spend(&budget, now_ms);
    budget_learn(&budget, 150, 100, 0, 100, now_ms); /* the minute is seen from here */
    budget_spend(&budget, now_ms + 10000);
    budget_learn(&budget, 150, 0, 0, 100, now_ms + 10000);
    assert_int_equal(budget_wait(&budget, BUDGET_FULL, 0, now_ms + 10000), 50000);
    assert_int_equal(budget_wait(&budget, BUDGET_FULL, 0, now_ms + 59999), 1);
    assert_int_equal(budget_wait(&budget, BUDGET_FULL, 0, now_ms + 60000), 0);
    assert_int_equal(budget_left(&budget, now_ms + 60000), 150);
    /* One request looks whether the minute is over, the others wait for its answer. */
    budget_spend(&budget, now_ms + 60000);
    assert_in_range(budget_wait(&budget, BUDGET_FULL, 1, now_ms + 60000), 1, 1000);
    budget_learn(&budget, 150, 149, 0, 100, now_ms + 60100);
    assert_int_equal(budget_wait(&budget, BUDGET_FULL, 0, now_ms + 60100), 0);
    assert_int_equal(budget_left(&budget, now_ms + 60100), 149);
}

/* Late words of the minute before, and words out of order, are not taken for the present state. */
static void test_words_out_of_order(void **state)
{
    struct budget budget = budget_new(150, START_MS);
    (void)state;
    budget_learn(&budget, 150, 20, 5, 100, START_MS);
    budget_learn(&budget, 150, 22, 4, 150, START_MS + 10); /* was counted before that one */
    assert_in_range(budget_left(&budget, START_MS + 10), 19, 20);
    /* A new minute begins; answers of the old one, delayed by 2 s, come after its first. */
    budget_learn(&budget, 150, 148, 3, 50, START_MS + 30000);
    budget_learn(&budget, 150, 15, 2, 2100, START_MS + 30500);
    budget_learn(&budget, 150, 14, 1, 2100, START_MS + 31000);
    assert_in_range(budget_left(&budget, START_MS + 31000), 146, 148);
    assert_int_equal(budget_wait(&budget, BUDGET_FULL, 1, START_MS + 31000), 0);
    /* Its end is known by that: it lasts until 90 s, not until 60 s. */
    budget_learn(&budget, 150, 0, 0, 50, START_MS + 50000);
    assert_int_equal(budget_wait(&budget, BUDGET_FULL, 0, START_MS + 50000), 40000);
}

/* The limit grows while answers are under way: theirs, of the old limit, begin no new minute. */
static void test_words_of_the_old_limit(void **state)
{
    struct budget budget = budget_new(0, START_MS);
    (void)state;
    budget_learn(&budget, 150, 100, 0, 50, START_MS);
    budget_learn(&budget, 300, 240, 3, 50, START_MS + 30000);
    budget_learn(&budget, 150, 91, 2, 90, START_MS + 30010); /* 59 spent, 241 left of 300 */
    assert_int_equal(budget.limit, 300);
    assert_int_equal(budget_left(&budget, START_MS + 30010), 240);
    budget_learn(&budget, 300, 0, 0, 50, START_MS + 40000);
    assert_int_equal(budget_wait(&budget, BUDGET_FULL, 0, START_MS + 40000), 20000);
    /* And less: what remains is less by as much. */
    budget_learn(&budget, 300, 299, 0, 50, START_MS + 70000);
    budget_learn(&budget, 60, 50, 0, 50, START_MS + 80000);
    assert_int_equal(budget.limit, 60);
    assert_int_equal(budget_left(&budget, START_MS + 80000), 50);
}

/* What is under way may not be counted in the server's word yet. */
static void test_remaining_less_in_flight(void **state)
{
    static const struct {
        int64_t remaining;
        int in_flight;
        bool may;
    } rows[] = {{9, 4, true},  {6, 4, true},  {5, 4, false}, {2, 0, true},
                {1, 0, false}, {0, 0, false}, {3, 9, false}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct budget budget = budget_new(0, START_MS); /* no bucket: only the word counts */
        budget_learn(&budget, -1, rows[i].remaining, rows[i].in_flight, 100, START_MS);
        int64_t wait = budget_wait(&budget, BUDGET_FULL, rows[i].in_flight, START_MS);
        assert_int_equal(wait, rows[i].may ? 0 : MINUTE_MS);
    }
}

static void test_absent_headers_change_nothing(void **state)
{
    static const struct {
        int64_t configured;
        int64_t told;
        int64_t limit;
    } rows[] = {{150, -1, 150},  {150, 0, 150}, {150, 40, 40},
                {150, 400, 150}, {0, -1, 0},    {0, 400, 400}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct budget budget = budget_new(rows[i].configured, START_MS);
        budget_learn(&budget, rows[i].told, -1, 0, 100, START_MS);
        assert_int_equal(budget.limit, rows[i].limit);
        assert_int_equal(budget_left(&budget, START_MS), rows[i].limit == 0 ? -1 : rows[i].limit);
    }
    /* Words that end are not waited for. */
    struct budget budget = budget_new(150, START_MS);
    budget_learn(&budget, 150, 0, 0, 100, START_MS);
    budget_spend(&budget, START_MS + MINUTE_MS);
    budget_learn(&budget, -1, -1, 0, 0, START_MS + MINUTE_MS);
    assert_int_equal(budget_wait(&budget, BUDGET_FULL, 0, START_MS + MINUTE_MS), 0);
    budget = budget_new(0, START_MS);
    struct history history = {0};
    assert_int_equal(spend_all(&budget, BUDGET_FULL, &history, START_MS), 2000000);
    free(history.times);
}

static void test_concurrency(void **state)
{
    static const struct {
        int64_t limit;
        int64_t took_ms;
        int maximum;
        int least;
        int most;
    } rows[] = {{150, 100, 16, 2, 2},     {150, 2000, 16, 6, 9}, {150, 30000, 16, 16, 16},
                {1, 2000, 16, 2, 2},      {1500, 100, 16, 4, 6}, {1500, 2000, 16, 16, 16},
                {1500, 2000, 80, 60, 80}, {0, 100, 16, 16, 16},  {150, 100, 1, 1, 1},
                {150, 0, 16, 2, 2},       {150, -5, 16, 2, 2}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct budget budget = budget_new(rows[i].limit, START_MS);
        for (int k = 0; k < 20; k++)
            budget_learn(&budget, -1, -1, 0, rows[i].took_ms, START_MS + k);
        assert_in_range(budget_concurrency(&budget, rows[i].maximum), rows[i].least, rows[i].most);
    }
    /* It follows at once when answers are delayed, and forgets that within a minute's answers. */
    struct budget budget = budget_new(150, START_MS);
    budget_learn(&budget, -1, -1, 0, 100, START_MS);
    budget_learn(&budget, -1, -1, 0, 2100, START_MS);
    assert_in_range(budget_concurrency(&budget, 16), 5, 9);
    for (int k = 0; k < 120; k++)
        budget_learn(&budget, -1, -1, 0, 100, START_MS);
    assert_int_equal(budget_concurrency(&budget, 16), 2);
}

static void test_idle(void **state)
{
    struct budget budget = budget_new(150, START_MS);
    (void)state;
    assert_true(budget_is_idle(&budget, START_MS));
    for (int i = 0; i < 5; i++)
        budget_spend(&budget, START_MS);
    assert_false(budget_is_idle(&budget, START_MS));
    assert_true(budget_is_idle(&budget, START_MS + 5000));
    budget_learn(&budget, 150, 20, 0, 100, START_MS + 5000); /* others spend */
    assert_false(budget_is_idle(&budget, START_MS + 5000));
    assert_true(budget_is_idle(&budget, START_MS + 5000 + MINUTE_MS));
    budget_limited(&budget, 20, START_MS + 70000);
    assert_false(budget_is_idle(&budget, START_MS + 70000));
    assert_int_equal(budget_left(&budget, START_MS + 70000), 0);
    budget = budget_new(0, START_MS);
    assert_true(budget_is_idle(&budget, START_MS));
    assert_int_equal(budget_left(&budget, START_MS), -1);
}

static void test_limited_with_retry_after(void **state)
{
    struct budget budget = budget_new(150, START_MS);
    (void)state;
    budget_limited(&budget, 20, START_MS);
    assert_int_equal(budget_wait(&budget, BUDGET_FULL, 0, START_MS), 20000);
    /* A second one that says less does not shorten it, one that says more lengthens it. */
    budget_limited(&budget, 5, START_MS + 1000);
    assert_int_equal(budget_wait(&budget, BUDGET_FULL, 0, START_MS + 1000), 19000);
    budget_limited(&budget, 30, START_MS + 1000);
    assert_int_equal(budget_wait(&budget, BUDGET_FULL, 0, START_MS + 1000), 30000);
    assert_int_equal(budget_wait(&budget, BUDGET_FULL, 0, START_MS + 31000), 0);
}

static void test_retry_after_out_of_range(void **state)
{
    static const int64_t rows[][2] = {
        {0, 1000}, {1, 1000}, {300, 300000}, {301, 300000}, {INT64_MAX, 300000}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct budget budget = budget_new(150, START_MS);
        budget_limited(&budget, rows[i][0], START_MS);
        assert_int_equal(budget_wait(&budget, BUDGET_FULL, 0, START_MS), rows[i][1]);
    }
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
            budget_learn(&budget, -1, told[k], 0, 100, now_ms);
            budget_limited(&budget, -1, now_ms);
            assert_int_equal(budget_wait(&budget, BUDGET_FULL, 0, now_ms), waits[i]);
            now_ms += waits[i];
            assert_int_equal(budget_wait(&budget, BUDGET_FULL, 0, now_ms), 0);
        }
        /* A good while without one: the next begins anew. */
        now_ms += 10 * MINUTE_MS;
        budget_learn(&budget, -1, 50, 0, 100, now_ms);
        budget_limited(&budget, -1, now_ms);
        assert_int_equal(budget_wait(&budget, BUDGET_FULL, 0, now_ms), 2000);
    }
}

/* Many requests that were under way together are refused together: that is one refusal. */
static void test_limited_together(void **state)
{
    struct budget budget = budget_new(150, START_MS);
    (void)state;
    for (int i = 0; i < 16; i++) {
        budget_learn(&budget, -1, -1, 15 - i, 100, START_MS + i);
        budget_limited(&budget, -1, START_MS + i);
    }
    assert_in_range(budget_wait(&budget, BUDGET_FULL, 0, START_MS + 15), 1900, 2100);
}

/* When the end of the minute is known, a 429 that does not say how long waits for it. */
static void test_limited_until_the_known_end(void **state)
{
    struct budget budget = budget_new(150, START_MS);
    (void)state;
    budget_learn(&budget, 150, 20, 0, 100, START_MS);
    budget_learn(&budget, 150, 149, 0, 100, START_MS + 1000);
    budget_learn(&budget, 150, 0, 0, 100, START_MS + 41000);
    budget_limited(&budget, -1, START_MS + 41000);
    assert_int_equal(budget_wait(&budget, BUDGET_FULL, 0, START_MS + 41000), 20000);
    assert_int_equal(budget_wait(&budget, BUDGET_FULL, 0, START_MS + 61000), 0);
    /* The one that looks is refused: the minute is not where we believed it. */
    budget_spend(&budget, START_MS + 61000);
    budget_learn(&budget, 150, 0, 0, 100, START_MS + 61100);
    budget_limited(&budget, -1, START_MS + 61100);
    assert_int_equal(budget_wait(&budget, BUDGET_FULL, 0, START_MS + 61100), 4000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_burst),
        cmocka_unit_test(test_greedy),
        cmocka_unit_test(test_any_pattern),
        cmocka_unit_test(test_share),
        cmocka_unit_test(test_extra),
        cmocka_unit_test(test_nothing_remaining_waits_for_the_minute),
        cmocka_unit_test(test_words_out_of_order),
        cmocka_unit_test(test_words_of_the_old_limit),
        cmocka_unit_test(test_remaining_less_in_flight),
        cmocka_unit_test(test_absent_headers_change_nothing),
        cmocka_unit_test(test_concurrency),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_limited_with_retry_after),
        cmocka_unit_test(test_retry_after_out_of_range),
        cmocka_unit_test(test_limited_without_retry_after),
        cmocka_unit_test(test_limited_together),
        cmocka_unit_test(test_limited_until_the_known_end),
    };
    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
