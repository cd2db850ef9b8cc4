/* What the console shows: the board that is written only while somebody looks, and the last hour.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "bridge/base/board.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/console/history.h"

#define NOW 1000000

static void test_a_board_is_written_while_somebody_looks(void **state)
{
    int64_t age_ms = -1;
    (void)state;
    assert_false(board_wanted(NOW)); /* nobody ever looked */
    assert_null(board_look(NOW, &age_ms));
    assert_int_equal(age_ms, 0);
    assert_true(board_wanted(NOW));
    board_put(memory_text("one"), NOW + 5);
    assert_false(board_wanted(NOW + 5)); /* it was just made */
    char *text = board_look(NOW + 10, &age_ms);
    assert_string_equal(text, "one");
    assert_int_equal(age_ms, 5);
    free(text);
    assert_false(board_wanted(NOW + 5 + BOARD_EVERY_MS - 1));
    assert_true(board_wanted(NOW + 5 + BOARD_EVERY_MS));
    board_put(memory_text("two"), NOW + 5 + BOARD_EVERY_MS);
    assert_false(board_wanted(NOW + 10 + BOARD_LOOKS_MS)); /* nobody looks any more */
    text = board_look(NOW + 20 + BOARD_LOOKS_MS, &age_ms);
    assert_string_equal(text, "two");
    free(text);
    assert_true(board_wanted(NOW + 20 + BOARD_LOOKS_MS));
}

static int size_of(const cJSON *hour, const char *name)
{
    const cJSON *series = cJSON_GetObjectItemCaseSensitive(hour, "series");
    return cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(name == NULL ? hour : series,
                                                               name == NULL ? "ages_ms" : name));
}

static double value_of(const cJSON *hour, const char *name, int place)
{
    const cJSON *series = cJSON_GetObjectItemCaseSensitive(hour, "series");
    return cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(series, name), place)->valuedouble;
}

static void test_the_last_hour(void **state)
{
    (void)state;
    history_clear();
    cJSON *hour = history_hour(NOW);
    assert_int_equal(size_of(hour, NULL), 0);
    cJSON_Delete(hour);
    int64_t kept = metrics_get(METRIC_WEBHOOKS_KEPT);
    int64_t now_ms = NOW;
    for (int i = 0; i < HISTORY_SAMPLES + 100; i++, now_ms += HISTORY_STEP_MS) {
        metrics_add(METRIC_WEBHOOKS_KEPT, 3);
        history_tend(now_ms);
        history_tend(now_ms + HISTORY_STEP_MS / 2); /* too early for another one */
    }
    hour = history_hour(now_ms);
    assert_int_equal(size_of(hour, NULL), HISTORY_SAMPLES);
    assert_int_equal(size_of(hour, "webhooks"), HISTORY_SAMPLES);
    assert_int_equal(value_of(hour, "webhooks", 0), kept + 3 * 101);
    assert_int_equal(value_of(hour, "webhooks", HISTORY_SAMPLES - 1),
                     kept + 3 * (HISTORY_SAMPLES + 100));
    const cJSON *ages = cJSON_GetObjectItemCaseSensitive(hour, "ages_ms");
    assert_int_equal(cJSON_GetArrayItem(ages, HISTORY_SAMPLES - 1)->valuedouble, HISTORY_STEP_MS);
    assert_int_equal(cJSON_GetArrayItem(ages, 0)->valuedouble,
                     (double)HISTORY_STEP_MS * HISTORY_SAMPLES);
    cJSON_Delete(hour);
    cJSON *now = history_now();
    assert_int_equal(cJSON_GetObjectItemCaseSensitive(now, "webhooks")->valuedouble,
                     kept + 3 * (HISTORY_SAMPLES + 100));
    cJSON_Delete(now);
}

/* All outcomes of requests count, and nothing else. */
static void test_requests_are_summed(void **state)
{
    (void)state;
    for (int metric = METRIC_API_RECORD; metric <= METRIC_API_ODD_STATUS; metric++)
        metrics_add((enum metric)metric, 1);
    metrics_add(METRIC_API_RECEIVED, 1000);
    cJSON *now = history_now();
    assert_int_equal(cJSON_GetObjectItemCaseSensitive(now, "requests")->valuedouble,
                     METRIC_API_ODD_STATUS - METRIC_API_RECORD + 1);
    cJSON_Delete(now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_board_is_written_while_somebody_looks),
        cmocka_unit_test(test_the_last_hour),
        cmocka_unit_test(test_requests_are_summed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
