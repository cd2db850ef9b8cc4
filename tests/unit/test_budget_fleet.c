/* The budget against a server as documented: several bridges, another application, any phase. */
#include "tests/unit/unit.h"

#include <inttypes.h>

#include "tests/unit/budget_fleet.h"

#define RUNS 24 /* of each row, each with a phase and a seed of its own */

#define SETTLED_RUNS 40 /* the same, the phases 1.5 s apart */

/* What must come of a row. A part is per mille of what the other application's wish leaves of the
 * limit, counted over the minutes that are whole and of one limit. */
struct expected {
    int64_t mean;         /* at least */
    int64_t least;        /* in the worst minute */
    int64_t most;         /* in the best minute, at most */
    int64_t refused;      /* 429s of all bridges in a minute, at most */
    int64_t refused_1000; /* in 1000 minutes, at most */
    int64_t in_60_s;      /* started by one bridge, wherever the 60 s begin; 0 = not asked */
};

struct row {
    struct expected expected;
    struct fleet_case fleet;
};

/* clang-format off */
#define ONE        {{6, true}}
#define TWO        {{3, true}, {3, true}}
#define THREE      {{2, true}, {2, true}, {2, true}}
#define ONE_OF_2   {{3, true}, {3, false}}
#define ONE_OF_3   {{2, true}, {2, false}, {2, false}}
#define TWO_OF_3   {{2, true}, {2, true}, {2, false}}
#define UNEVEN     {{5, true}, {1, true}}
#define BIG_ALONE  {{5, true}, {1, false}}
#define TINY_ALONE {{5, false}, {1, true}}

#define F BUDGET_FULL
#define T BUDGET_THRIFTY

static const struct row alone[] = {
    {{970, 950, 990, 0, 0, 0},          {"full",                  150,  150,  0,   F, .maximum = 16,  .bridges = ONE}},
    {{700, 690, 800,  0, 0, 120},       {"thrifty",               150,  150,  0,   T, .maximum = 16,  .bridges = ONE}},
    {{940, 870, 970,  0, 0, 145},       {"full, no headers",      150,  150,  0,   F, .maximum = 16,  .bridges = ONE, .no_headers = true}},
    {{700, 690, 800,  0, 0, 120},       {"thrifty, no headers",   150,  150,  0,   T, .maximum = 16,  .bridges = ONE, .no_headers = true}},
    {{930, 0,   1000, 0, 0, 1},         {"full, 1",               1,    1,    0,   F, .maximum = 16,  .bridges = ONE}},
    {{700, 0,   1000, 0, 0, 1},         {"thrifty, 1",            1,    1,    0,   T, .maximum = 16,  .bridges = ONE}},
    {{880, 800, 900,  0, 0, 0},         {"full, 10",              10,   10,   0,   F, .maximum = 16,  .bridges = ONE}},
    {{780, 690, 800, 0, 0, 8},          {"thrifty, 10",           10,   10,   0,   T, .maximum = 16,  .bridges = ONE}},
    {{970, 930, 1000, 0, 0, 0},         {"full, 1500",            1500, 1500, 0,   F, .maximum = 128, .bridges = ONE}},
    {{690, 680, 800,  0, 0, 1200},      {"thrifty, 1500",         1500, 1500, 0,   T, .maximum = 128, .bridges = ONE}},
    {{970, 930, 1000, 0, 0, 0},         {"only headers tell",     0,    150,  0,   F, .maximum = 16,  .bridges = ONE}},
    {{960, 930, 1000, 0, 0, 0},         {"headers tell less",     150,  60,   0,   F, .maximum = 16,  .bridges = ONE}},
    {{380, 370, 400,  0, 0, 0},         {"headers tell more",     60,   150,  0,   F, .maximum = 16,  .bridges = ONE}},
    {{970, 930, 1000, 0, 0, 0},         {"less later",            150,  150,  60,  F, .maximum = 16,  .bridges = ONE}},
    {{960, 900, 1000, 0, 0, 0},         {"more later",            0,    150,  300, F, .maximum = 16,  .bridges = ONE}},
};

static const struct row fleets[] = {
    {{960, 930, 1000, 1, 10, 0},        {"two",                   150,  150,  0,   F, .maximum = 16,  .bridges = TWO}},
    {{940, 900, 1000, 1, 10, 0},        {"three",                 150,  150,  0,   F, .maximum = 16,  .bridges = THREE}},
    {{700, 690, 800,  0, 0, 40},        {"three, thrifty",        150,  150,  0,   T, .maximum = 16,  .bridges = THREE}},
    {{970, 930, 1000, 0, 0, 0},         {"one of two",            150,  150,  0,   F, .maximum = 16,  .bridges = ONE_OF_2}},
    {{970, 930, 1000, 0, 0, 0},         {"one of three",          150,  150,  0,   F, .maximum = 16,  .bridges = ONE_OF_3}},
    {{960, 920, 1000, 1, 10, 0},        {"two of three",          150,  150,  0,   F, .maximum = 16,  .bridges = TWO_OF_3}},
    {{960, 930, 1000, 1, 10, 0},        {"5/6 and 1/6",           150,  150,  0,   F, .maximum = 16,  .bridges = UNEVEN}},
    {{970, 930, 1000, 0, 0, 0},         {"5/6, 1/6 idle",         150,  150,  0,   F, .maximum = 16,  .bridges = BIG_ALONE}},
    {{950, 840, 1000, 0, 0, 0},         {"1/6, 5/6 idle",         150,  150,  0,   F, .maximum = 16,  .bridges = TINY_ALONE}},
};

/* Without headers nobody takes what others leave. */
static const struct row untold[] = {
    {{930, 850, 970, 0, 0, 48},         {"three, no headers",     150,  150,  0,   F, .maximum = 16,  .bridges = THREE,      .no_headers = true}},
    {{770, 710, 810, 0, 0, 121},        {"5/6 alone, no headers", 150,  150,  0,   F, .maximum = 16,  .bridges = BIG_ALONE,  .no_headers = true}},
    {{145, 130, 167, 0, 0, 24},         {"1/6 alone, no headers", 150,  150,  0,   F, .maximum = 16,  .bridges = TINY_ALONE, .no_headers = true}},
};

/* With an application that wants half of the limit. */
static const struct row foreign[] = {
    {{950, 900, 1000, 1, 10, 0},        {"even",                  150,  150,  0,   F, FOREIGN_EVEN,  .maximum = 16, .bridges = ONE}},
    {{950, 900, 1000, 1, 10, 120},      {"even, thrifty",         150,  150,  0,   T, FOREIGN_EVEN,  .maximum = 16, .bridges = ONE}},
    {{900, 850, 950, 1, 10, 0},         {"burst",                 150,  150,  0,   F, FOREIGN_BURST, .maximum = 16, .bridges = ONE}},
    {{920, 850, 1010, 1, 10, 0},        {"even, three bridges",   150,  150,  0,   F, FOREIGN_EVEN,  .maximum = 16, .bridges = THREE}},
    {{870, 780, 1010, 1, 10, 0},        {"burst, three bridges",  150,  150,  0,   F, FOREIGN_BURST, .maximum = 16, .bridges = THREE}},
    {{1250, 1200, 1340, 1, 1000, 145},  {"even, no headers",      150,  150,  0,   F, FOREIGN_EVEN,  .maximum = 16, .bridges = ONE, .no_headers = true}},
    {{900, 250, 1340, 12, 1500, 0},     {"even, nothing told",    150,  150,  0,   F, FOREIGN_EVEN,  .maximum = 16, .bridges = ONE, .no_headers = true, .no_retry_after = true}},
};
/* clang-format on */

/* What the runs of a row came to. */
struct seen {
    int64_t minutes;
    int64_t sum;
    int64_t least;
    int64_t most;
    int64_t refused;
    int64_t refused_most;
    int64_t in_60_s;
    int64_t started;
    int in_flight;
};

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void look_at_minute(struct seen *seen, const struct fleet_minute *minute)
{
    assert_true(minute->answered + minute->foreign <= minute->limit);
    int64_t wanted = minute->foreign + minute->foreign_refused;
    int64_t part = minute->answered * 1000 / (minute->limit - wanted);
    seen->minutes++;
    seen->sum += part;
    seen->least = part < seen->least ? part : seen->least;
    seen->most = larger(seen->most, part);
    seen->refused += minute->refused;
    seen->refused_most = larger(seen->refused_most, minute->refused);
}

static struct seen run_row(const struct fleet_case *fleet)
{
    struct seen seen = {.least = INT64_MAX};
    for (int run = 0; run < RUNS; run++) {
        struct fleet_result result = fleet_run(fleet, run * 7919 % WINDOW_MS, (uint64_t)run + 1);
        seen.in_60_s = larger(seen.in_60_s, result.most_in_60_s);
        seen.in_flight =
            result.most_in_flight > seen.in_flight ? result.most_in_flight : seen.in_flight;
        seen.started += result.started;
        for (int i = 1; i < result.whole; i++)
            if (!result.minutes[i].changed)
                look_at_minute(&seen, &result.minutes[i]);
    }
    return seen;
}

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct expected *expected = &rows[i].expected;
        struct seen seen = run_row(&rows[i].fleet);
        int64_t mean = seen.sum / seen.minutes;
        int64_t refused = seen.refused * 1000 / seen.minutes;
        print_message("%-22s mean %4" PRId64 " least %4" PRId64 " most %4" PRId64
                      " per mille; 429s in a minute %" PRId64 ", in 1000 %3" PRId64
                      "; in 60 s %4" PRId64 "; in flight %d\n",
                      rows[i].fleet.name, mean, seen.least, seen.most, seen.refused_most, refused,
                      seen.in_60_s, seen.in_flight);
        assert_true(seen.minutes >= RUNS * (FLEET_MINUTES - 2));
        assert_true(mean >= expected->mean);
        assert_true(seen.least >= expected->least);
        assert_true(seen.most <= expected->most);
        assert_true(seen.refused_most <= expected->refused);
        assert_true(refused <= expected->refused_1000);
        assert_true(expected->in_60_s == 0 || seen.in_60_s <= expected->in_60_s);
        assert_true(seen.in_flight <= rows[i].fleet.maximum);
    }
}

static void test_alone(void **state)
{
    (void)state;
    check_rows(alone, ARRAY_LENGTH(alone));
}

static void test_fleets(void **state)
{
    (void)state;
    check_rows(fleets, ARRAY_LENGTH(fleets));
}

static void test_untold(void **state)
{
    (void)state;
    check_rows(untold, ARRAY_LENGTH(untold));
}

/* The least used, per mille, from the third minute on in which anything was spent. */
static int64_t least_settled(const struct fleet_result *result)
{
    int64_t least = INT64_MAX;
    int spent = 0;
    for (int i = 0; i < result->whole; i++) {
        const struct fleet_minute *minute = &result->minutes[i];
        int64_t part = minute->answered * 1000 / minute->limit;
        spent += minute->answered > 0;
        if (spent > 2 && part < least)
            least = part;
    }
    return least;
}

/* Two minutes are enough to find the phase, whatever it is and whoever is idle. */
static void test_settled(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(fleets); i++) {
        const struct fleet_case *fleet = &fleets[i].fleet;
        if (fleet->pace == BUDGET_THRIFTY) /* leaves more, all the time */
            continue;
        int64_t least = INT64_MAX;
        for (int run = 0; run < SETTLED_RUNS; run++) {
            struct fleet_result result =
                fleet_run(fleet, run * WINDOW_MS / SETTLED_RUNS, (uint64_t)run + 1000);
            int64_t part = least_settled(&result);
            least = part < least ? part : least;
        }
        print_message("%-22s least %4" PRId64 " per mille, settled\n", fleet->name, least);
        assert_in_range(least, 850, 1000);
    }
}

static void test_foreign(void **state)
{
    (void)state;
    check_rows(foreign, ARRAY_LENGTH(foreign));
}

/* Nobody tells a limit: only the requests in flight are counted. */
static void test_no_limit(void **state)
{
    static const struct fleet_case fleet = {
        .name = "none", .pace = BUDGET_FULL, .maximum = 16, .bridges = ONE};
    struct fleet_result result = fleet_run(&fleet, 12345, 7);
    (void)state;
    assert_int_equal(result.started, FLEET_STARTS);
    assert_int_equal(result.most_in_flight, 16);
    assert_int_equal(result.refused, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),   cmocka_unit_test(test_fleets),
        cmocka_unit_test(test_settled), cmocka_unit_test(test_untold),
        cmocka_unit_test(test_foreign), cmocka_unit_test(test_no_limit),
    };
    return cmocka_run_group_tests_name("budget, fleet", tests, NULL, NULL);
}
