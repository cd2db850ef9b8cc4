/* The retry policy: who gives up after how many attempts, and what the delays are. */
#include "tests/unit/unit.h"

#include "bridge/base/random.h"
#include "bridge/enricher/policy.h"

static void test_table(void **state)
{
    static const struct {
        enum api_outcome outcome;
        enum policy_scope scope;
        int attempts;
        const char *code;
    } rows[] = {
        {API_RECORD, SCOPE_RECORD, 0, ""},
        {API_GONE, SCOPE_RECORD, 2, ""}, /* asked twice, apart */
        {API_LIMITED, SCOPE_BUDGET, 0, ""},
        {API_UNAUTHORIZED, SCOPE_TOKEN, 0, ""},
        {API_FORBIDDEN, SCOPE_RECORD, 5, "forbidden"},
        {API_REFUSED, SCOPE_RECORD, 4, "refused"},
        {API_WRONG_RECORD, SCOPE_RECORD, 4, "wrong-record"},
        {API_TOO_LARGE, SCOPE_RECORD, 2, "too-large"},
        {API_OUTAGE, SCOPE_API, 0, ""},
    };
    (void)state;
    assert_int_equal(ARRAY_LENGTH(rows), API_OUTCOMES);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct policy *policy = policy_for(rows[i].outcome);
        assert_int_equal(policy->scope, rows[i].scope);
        assert_int_equal(policy->attempts, rows[i].attempts);
        assert_string_equal(policy->code, rows[i].code);
    }
}

/* What says something about the API, the token or the budget never ends in a dead letter; what says
 * something about the record ends, and a dead letter has a code. */
static void test_who_gives_up(void **state)
{
    (void)state;
    for (int outcome = API_RECORD + 1; outcome < API_OUTCOMES; outcome++) {
        const struct policy *policy = policy_for((enum api_outcome)outcome);
        assert_int_equal(policy->attempts > 0, policy->scope == SCOPE_RECORD);
        if (outcome != API_GONE)
            assert_int_equal(policy->code[0] != '\0', policy->attempts > 0);
        assert_true(policy->first_delay_ms <= policy->last_delay_ms);
        /* Nothing is asked again at once, unless the budget does the waiting. */
        assert_int_equal(policy->first_delay_ms > 0, policy->scope != SCOPE_BUDGET);
    }
}

static void test_metrics_differ(void **state)
{
    static const enum metric metrics[] = {
        METRIC_API_OK,         METRIC_API_GONE,       METRIC_API_LIMITED,
        METRIC_API_REFUSED,    METRIC_API_REFUSED,    METRIC_API_REFUSED,
        METRIC_API_BAD_ANSWER, METRIC_API_BAD_ANSWER, METRIC_API_OUTAGE};
    (void)state;
    assert_int_equal(ARRAY_LENGTH(metrics), API_OUTCOMES);
    for (int outcome = 0; outcome < API_OUTCOMES; outcome++)
        assert_int_equal(policy_for((enum api_outcome)outcome)->metric, metrics[outcome]);
}

static void test_delays(void **state)
{
    static const struct {
        int64_t first;
        int64_t last;
        int attempts;
        int64_t delay;
    } rows[] = {
        {500, 60000, 1, 500},     {500, 60000, 2, 1000},  {500, 60000, 7, 32000},
        {500, 60000, 8, 60000},   {500, 60000, 9, 60000}, {500, 60000, INT32_MAX, 60000},
        {2000, 2000, 1, 2000},    {2000, 2000, 5, 2000},  {1, 1000, 3, 4},
        {1, INT64_MAX / 4, 4, 8}, {5000, 60000, 0, 5000},
    };
    struct random random = random_from_seed(9);
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct policy policy = {.first_delay_ms = rows[i].first, .last_delay_ms = rows[i].last};
        int64_t least = INT64_MAX;
        int64_t most = 0;
        for (int k = 0; k < 2000; k++) {
            int64_t delay = policy_delay(&policy, rows[i].attempts, &random);
            least = delay < least ? delay : least;
            most = delay > most ? delay : most;
        }
        /* Jitter over the upper half, and all of it. */
        assert_in_range(least, rows[i].delay / 2, rows[i].delay * 55 / 100);
        assert_in_range(most, rows[i].delay * 95 / 100, rows[i].delay);
    }
    struct policy none = {.first_delay_ms = 0, .last_delay_ms = 0};
    assert_int_equal(policy_delay(&none, 1, &random), 0);
    assert_int_equal(policy_delay(&none, 50, &random), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_who_gives_up),
        cmocka_unit_test(test_metrics_differ),
        cmocka_unit_test(test_delays),
    };
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
