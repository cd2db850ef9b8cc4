/* The text that a scrape gets, histograms, and what the process uses. */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/base/histogram.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/base/process.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"

static char *expose(enum metrics_format format)
{
    struct buffer out = buffer_new(1 << 20);
    metrics_expose(format, &out);
    assert_false(out.overflowed);
    return buffer_take(&out);
}

static void assert_line(const char *text, const char *line)
{
    char *whole = memory_format("\n%s\n", line);
    if (strstr(text, whole) == NULL)
        fail_msg("no line: %s", line);
    free(whole);
}

static void test_seconds(void **state)
{
    static const struct {
        int64_t us;
        const char *text;
    } rows[] = {{0, "0"},          {1, "0.000001"},
                {100, "0.0001"},   {250000, "0.25"},
                {1000000, "1"},    {1500000, "1.5"},
                {10000000, "10"},  {-1500000, "-1.5"},
                {-1, "-0.000001"}, {INT64_MAX, "9223372036854.775807"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buffer out = buffer_new(64);
        histogram_append_seconds(&out, rows[i].us);
        assert_string_equal(buffer_text(&out), rows[i].text);
        buffer_free(&out);
    }
}

static void test_both_formats(void **state)
{
    (void)state;
    metrics_set_labelled(METRIC_READY, "api", NULL, 1);
    metrics_set(METRIC_OLDEST_LIVE, 2500000);
    metrics_add(METRIC_WEBHOOKS_KEPT, 3);
    char *text = expose(METRICS_TEXT);
    char *open = expose(METRICS_OPEN);
    assert_line(text, "# TYPE bridge_webhooks_total counter");
    assert_line(open, "# TYPE bridge_webhooks counter");
    for (int i = 0; i < 2; i++) {
        const char *both = i == 0 ? text : open;
        assert_line(both, "bridge_webhooks_total{outcome=\"kept\"} 3");
        assert_line(both, "bridge_ready{condition=\"api\"} 1");
        assert_line(both, "bridge_oldest_waiting_seconds{lane=\"live\"} 2.5");
        assert_line(both, "bridge_build_info{version=\"" BRIDGE_VERSION "\"} 1");
    }
    assert_null(strstr(text, "# EOF"));
    assert_string_equal(open + strlen(open) - strlen("# EOF\n"), "# EOF\n");
    free(text);
    free(open);
}

static void test_histogram(void **state)
{
    static struct histogram histogram = HISTOGRAM_INITIALISER(histogram_short);
    struct buffer out = buffer_new(1 << 16);
    (void)state;
    histogram_observe(&histogram, -5, NULL);
    histogram_observe(&histogram, 100, "");
    histogram_observe(&histogram, 101, TRACE);
    histogram_observe(&histogram, INT64_C(61000000), TRACE);
    assert_int_equal(histogram_count(&histogram), 4);
    histogram_expose(&histogram, "x", false, &out);
    assert_non_null(strstr(out.data, "x_bucket{le=\"0.0001\"} 2\n"));
    assert_non_null(strstr(out.data, "x_bucket{le=\"0.00025\"} 3\n"));
    assert_non_null(strstr(out.data, "x_bucket{le=\"60\"} 3\n"));
    assert_non_null(strstr(out.data, "x_bucket{le=\"+Inf\"} 4\n"));
    assert_non_null(strstr(out.data, "\nx_sum 61.000201\nx_count 4\n"));
    assert_null(strstr(out.data, TRACE));
    buffer_clear(&out);
    histogram_expose(&histogram, "x", true, &out);
    assert_non_null(strstr(out.data, "x_bucket{le=\"0.0001\"} 2\n"));
    assert_non_null(
        strstr(out.data, "x_bucket{le=\"0.00025\"} 3 # {trace_id=\"" TRACE "\"} 0.000101 1"));
    buffer_free(&out);
    for (size_t i = 1; i < HISTOGRAM_BUCKETS - 1; i++) {
        assert_true(histogram_short[i] > histogram_short[i - 1]);
        assert_true(histogram_long[i] > histogram_long[i - 1]);
    }
}

static void test_process(void **state)
{
    struct process_figures before = process_figures();
    int fds[2];
    (void)state;
    assert_int_equal(pipe(fds), 0);
    struct process_figures after = process_figures();
    assert_int_equal(after.values[PROCESS_OPEN_FILES], before.values[PROCESS_OPEN_FILES] + 2);
    (void)close(fds[0]);
    (void)close(fds[1]);
    assert_true(after.values[PROCESS_CPU] >= before.values[PROCESS_CPU]);
    assert_true(after.values[PROCESS_RESIDENT] > 1 << 20);
    assert_true(after.values[PROCESS_VIRTUAL] >= after.values[PROCESS_RESIDENT]);
    assert_true(after.values[PROCESS_MAX_FILES] >= after.values[PROCESS_OPEN_FILES]);
    assert_int_equal(after.values[PROCESS_THREADS], 1);
    assert_int_equal(after.values[PROCESS_START], before.values[PROCESS_START]);
    int64_t since_us = clock_wall_ms() * 1000 - after.values[PROCESS_START];
    assert_in_range(since_us, 0, INT64_C(600000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seconds),
        cmocka_unit_test(test_both_formats),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_process),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
