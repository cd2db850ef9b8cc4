/* What the process says of itself: log lines, metrics, health. */
#include "tests/unit/unit.h"

#include <cjson/cJSON.h>
#include <fcntl.h>

#include "bridge/base/health.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"

/* Standard error, caught in a pipe between these two calls. */
struct capture {
    int old;
    int pipe[2];
};

static struct capture capture_begin(void)
{
    struct capture capture = {.old = dup(STDERR_FILENO)};
    assert_true(capture.old >= 0);
    assert_int_equal(pipe2(capture.pipe, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(dup2(capture.pipe[1], STDERR_FILENO), STDERR_FILENO);
    return capture;
}

/* All that was written, at most what a pipe holds. The caller frees. */
static char *capture_end(struct capture *capture)
{
    char *text = memory_new(65536 + 1, 1);
    ssize_t length = read(capture->pipe[0], text, 65536);
    if (length < 0)
        length = 0;
    text[length] = '\0';
    assert_int_equal(dup2(capture->old, STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(close(capture->old), 0);
    assert_int_equal(close(capture->pipe[0]), 0);
    assert_int_equal(close(capture->pipe[1]), 0);
    return text;
}

static char *line_of(const struct log_field *fields, enum log_format format)
{
    struct capture capture = capture_begin();
    log_set_format(format);
    log_write(LOG_WARN, "something", fields);
    log_set_format(LOG_LOGFMT);
    return capture_end(&capture);
}

#define TIME_LENGTH 24 /* 2026-01-31T12:00:00.125Z */

static void assert_time(const char *text)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    for (size_t i = 0; i < TIME_LENGTH; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (form[i] == 'd' ? !digit : text[i] != form[i])
            fail_msg("no time: %s", text);
    }
}

static const struct {
    struct log_field field;
    const char *logfmt;
    const char *json; /* the value as it stands in the line */
} values[] = {
    {{.key = "k", .text = "plain"}, "plain", "\"plain\""},
    {{.key = "k", .text = "a/b:c.d-e_f?g&h"}, "a/b:c.d-e_f?g&h", "\"a/b:c.d-e_f?g&h\""},
    {{.key = "k", .text = "two words"}, "\"two words\"", "\"two words\""},
    {{.key = "k", .text = "a=b"}, "\"a=b\"", "\"a=b\""},
    {{.key = "k", .text = ""}, "\"\"", "\"\""},
    {{.key = "k", .text = NULL}, "\"\"", "\"\""},
    {{.key = "k", .text = "say \"no\""}, "\"say \\\"no\\\"\"", "\"say \\\"no\\\"\""},
    {{.key = "k", .text = "c:\\x"}, "\"c:\\\\x\"", "\"c:\\\\x\""},
    {{.key = "k", .text = "one\ntwo"}, "\"one\\ntwo\"", "\"one\\ntwo\""},
    {{.key = "k", .text = "a\r\tb\x01\x1f\x7f"},
     "\"a\\u000d\\u0009b\\u0001\\u001f\\u007f\"",
     "\"a\\u000d\\u0009b\\u0001\\u001f\\u007f\""},
    {{.key = "k", .text = "gr\xc3\xbc\xc3\x9f"}, "gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""},
    {{.key = "k", .number = 0, .is_number = true}, "0", "0"},
    {{.key = "k", .number = INT64_MAX, .is_number = true},
     "9223372036854775807",
     "9223372036854775807"},
    {{.key = "k", .number = INT64_MIN, .is_number = true},
     "-9223372036854775808",
     "-9223372036854775808"},
};

/* No text, whatever is in it, can end the line or begin another field. */
static void test_log_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        const struct log_field fields[] = {values[i].field, LOG_NUMBER("after", 7), LOG_END};
        char *wanted =
            memory_format(" level=warn event=something k=%s after=7\n", values[i].logfmt);
        char *line = line_of(fields, LOG_LOGFMT);
        assert_memory_equal(line, "ts=", 3);
        assert_time(line + 3);
        assert_string_equal(line + 3 + TIME_LENGTH, wanted);
        free(wanted);
        free(line);

        wanted = memory_format("\",\"level\":\"warn\",\"event\":\"something\",\"k\":%s,"
                               "\"after\":7}\n",
                               values[i].json);
        line = line_of(fields, LOG_JSON);
        assert_memory_equal(line, "{\"ts\":\"", 7);
        assert_time(line + 7);
        assert_string_equal(line + 7 + TIME_LENGTH, wanted);
        cJSON *json = cJSON_Parse(line);
        assert_non_null(json);
        const cJSON *value = cJSON_GetObjectItem(json, "k");
        if (!values[i].field.is_number)
            assert_string_equal(value->valuestring,
                                values[i].field.text == NULL ? "" : values[i].field.text);
        cJSON_Delete(json);
        free(wanted);
        free(line);
    }
}

/* What would make a line longer than 8 KiB is left out; the line stays what it is. */
static void test_long_lines(void **state)
{
    size_t left_out = 0;
    (void)state;
    for (size_t length = 8000; length < 8300; length += 7) {
        char *text = memory_new(length + 1, 1);
        memset(text, 'x', length);
        const struct log_field fields[] = {LOG_TEXT("k", text), LOG_TEXT("quoted", "a b"),
                                           LOG_TEXT("long", text), LOG_NUMBER("n", 5), LOG_END};
        for (int format = LOG_LOGFMT; format <= LOG_JSON; format++) {
            char *line = line_of(fields, (enum log_format)format);
            bool has_text = strstr(line, "xxx") != NULL;
            left_out += !has_text;
            assert_in_range(strlen(line), has_text ? length : 50, has_text ? 8192 + 2 : 200);
            assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
            assert_null(strstr(line, "long"));
            cJSON *json = cJSON_Parse(line);
            assert_int_equal(json != NULL, format == LOG_JSON);
            cJSON_Delete(json);
            /* What comes behind it is there when it fits. */
            if (!has_text)
                assert_non_null(strstr(line, format == LOG_JSON ? ",\"quoted\":\"a b\",\"n\":5}"
                                                                : " quoted=\"a b\" n=5\n"));
            free(line);
        }
        free(text);
    }
    assert_in_range(left_out, 2, 80);
}

static void test_levels(void **state)
{
    static const struct {
        const char *name;
        enum log_level level;
    } rows[] = {{"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"warn", LOG_WARN}, {"error", LOG_ERROR}};
    static const char *const wrong[] = {"", "INFO", "warning", "info ", "0"};
    enum log_level level = LOG_DEBUG;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_true(log_level_parse(rows[i].name, &level));
        assert_int_equal(level, rows[i].level);
        log_set_level(level);
        for (size_t k = 0; k < ARRAY_LENGTH(rows); k++) {
            struct capture capture = capture_begin();
            log_event(rows[k].level, "x", LOG_TEXT("a", "b"));
            char *text = capture_end(&capture);
            assert_int_equal(log_enabled(rows[k].level), k >= i);
            assert_int_equal(text[0] != '\0', k >= i);
            free(text);
        }
    }
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        assert_false(log_level_parse(wrong[i], &level));
    log_set_level(LOG_INFO);
    struct capture capture = capture_begin();
    log_debug("not shown");
    log_info("without_fields");
    char *text = capture_end(&capture);
    assert_string_equal(text + 3 + TIME_LENGTH, " level=info event=without_fields\n");
    free(text);
}

static void test_gate(void **state)
{
    static const struct {
        int64_t now_ms;
        bool open;
        int64_t suppressed;
    } rows[] = {
        {5000, true, 0}, {5000, false, 0}, {5999, false, 0}, {6000, true, 2},  {6001, false, 0},
        {9000, true, 1}, {9500, false, 0}, {9999, false, 0}, {10000, true, 2}, {11000, true, 0},
    };
    static struct log_gate gate;
    static struct log_gate other;
    int64_t suppressed = -1;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(log_gate_open(&gate, rows[i].now_ms, 1000, &suppressed), rows[i].open);
        if (rows[i].open)
            assert_int_equal(suppressed, rows[i].suppressed);
    }
    assert_true(log_gate_open(&other, 11000, 1000, &suppressed));
    assert_int_equal(suppressed, 0);
}

static size_t count_of(const char *text, const char *piece)
{
    size_t count = 0;
    for (const char *p = strstr(text, piece); p != NULL; p = strstr(p + 1, piece))
        count++;
    return count;
}

/* One sample for each metric; HELP and TYPE once for each name, in front of all its samples. */
static void test_metrics(void **state)
{
    struct buffer out = buffer_new(1 << 20);
    char name[128] = "";
    char type[16] = "";
    size_t samples = 0;
    (void)state;
    metrics_add(METRIC_WEBHOOKS_KEPT, 5);
    metrics_add(METRIC_WEBHOOKS_KEPT, 2);
    metrics_set(METRIC_WAITING_RECORDS, 41);
    metrics_add(METRIC_WAITING_RECORDS, -1);
    assert_int_equal(metrics_get(METRIC_WEBHOOKS_KEPT), 7);
    metrics_expose(METRICS_TEXT, &out);
    assert_false(out.overflowed);
    assert_non_null(strstr(out.data, "\nbridge_webhooks_total{outcome=\"kept\"} 7\n"));
    assert_non_null(strstr(out.data, "\nbridge_waiting_records 40\n"));
    for (char *rest = out.data, *line; (line = strsep(&rest, "\n")) != NULL && rest != NULL;) {
        char help[256] = "";
        int read = 0;
        if (sscanf(line, "# HELP %127s %255[^\n]", name, help) == 2) {
            line = strsep(&rest, "\n");
            char *wanted = memory_format("# TYPE %s ", name);
            assert_memory_equal(line, wanted, strlen(wanted));
            assert_int_equal(sscanf(line + strlen(wanted), "%15s%n", type, &read), 1);
            assert_true(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0 ||
                        strcmp(type, "histogram") == 0);
            /* As the conventions have it. */
            size_t length = strlen(name);
            assert_int_equal(strcmp(type, "counter") == 0,
                             length > 6 && strcmp(name + length - 6, "_total") == 0);
            assert_true(strncmp(name, "bridge_", 7) == 0 || strncmp(name, "process_", 8) == 0);
            free(wanted);
            continue;
        }
        assert_memory_equal(line, name, strlen(name)); /* a sample of the name at hand */
        assert_true(strchr(strcmp(type, "histogram") == 0 ? "_" : " {", line[strlen(name)]) !=
                    NULL);
        assert_non_null(strchr(line, ' '));
        samples++;
    }
    assert_true(samples > METRIC_COUNT + HISTOGRAM_METRIC_COUNT * HISTOGRAM_BUCKETS);
    buffer_clear(&out);
    metrics_expose(METRICS_TEXT, &out);
    char *again = buffer_take(&out);
    assert_int_equal(count_of(again, "# HELP "), count_of(again, "# TYPE "));
    assert_int_equal(count_of(again, "# HELP bridge_webhooks_total "), 1);
    assert_int_equal(count_of(again, "# HELP bridge_api_requests_total "), 1);
    free(again);
    buffer_free(&out);
}

static bool report(const char *wanted)
{
    struct buffer out = buffer_new(1 << 16);
    bool ready = health_report(&out);
    assert_string_equal(buffer_text(&out), wanted);
    cJSON *json = cJSON_Parse(buffer_text(&out));
    assert_int_equal(cJSON_IsTrue(cJSON_GetObjectItem(json, "ready")), ready);
    cJSON_Delete(json);
    buffer_free(&out);
    return ready;
}

/* Conditions that nobody set do not count; one that is not well is enough; draining is for good. */
static void test_health(void **state)
{
    (void)state;
    assert_true(report("{\"draining\":false,\"conditions\":{},\"ready\":true}\n"));
    health_set(HEALTH_API, false, "the token was refused");
    assert_false(report(
        "{\"draining\":false,\"conditions\":{\"api\":{\"ok\":false,\"needed\":true,\"reason\":"
        "\"the token was refused\"}},\"ready\":false}\n"));
    health_set(HEALTH_RECEIVER, true, "");
    assert_false(report(
        "{\"draining\":false,\"conditions\":{\"receiver\":{\"ok\":true,\"needed\":true,\"reason\":"
        "\"\"},\"api\":{\"ok\":false,\"needed\":true,\"reason\":\"the token was refused\"}},"
        "\"ready\":false}\n"));
    health_set(HEALTH_API, true, "ignored when all is well");
    assert_true(report(
        "{\"draining\":false,\"conditions\":{\"receiver\":{\"ok\":true,\"needed\":true,\"reason\":"
        "\"\"},\"api\":{\"ok\":true,\"needed\":true,\"reason\":\"\"}},\"ready\":true}\n"));
    char reason[] = "it says \"no\"\n\\ caf\xc3\xa9";
    health_set(HEALTH_API, false, reason);
    memset(reason, 'x', sizeof reason - 1); /* it was copied */
    assert_false(report(
        "{\"draining\":false,\"conditions\":{\"receiver\":{\"ok\":true,\"needed\":true,\"reason\":"
        "\"\"},\"api\":{\"ok\":false,\"needed\":true,\"reason\":\"it says \\\"no\\\"\\n\\\\ "
        "caf\xc3\xa9\"}},\"ready\":false}\n"));
    health_set(HEALTH_API, false, "caf\xe9");
    assert_false(report(
        "{\"draining\":false,\"conditions\":{\"receiver\":{\"ok\":true,\"needed\":true,\"reason\":"
        "\"\"},\"api\":{\"ok\":false,\"needed\":true,\"reason\":\"caf?\"}},\"ready\":false}\n"));
    health_set(HEALTH_API, true, "");
    health_set(HEALTH_SPOOL, false, "the disk is full");
    assert_true(report(
        "{\"draining\":false,\"conditions\":{\"receiver\":{\"ok\":true,\"needed\":true,\"reason\":"
        "\"\"},\"api\":{\"ok\":true,\"needed\":true,\"reason\":\"\"},\"spool\":{\"ok\":false,"
        "\"needed\":false,\"reason\":\"the disk is full\"}},\"ready\":true}\n"));
    health_set(HEALTH_SPOOL, true, "");
    health_drain();
    assert_false(report(
        "{\"draining\":true,\"conditions\":{\"receiver\":{\"ok\":true,\"needed\":true,\"reason\":"
        "\"\"},\"api\":{\"ok\":true,\"needed\":true,\"reason\":\"\"},\"spool\":{\"ok\":true,"
        "\"needed\":false,"
        "\"reason\":\"\"}},\"ready\":false}\n"));
}

/* A loop that has begun to turn must go on; after the drain none is looked at. */
static void test_loops(void **state)
{
    (void)state;
    assert_null(health_hangs(1000000));
    health_turned(HEALTH_LOOP_NONE, 1);
    health_turned(HEALTH_LOOP_RECEIVER, 1000);
    health_turned(HEALTH_LOOP_ENRICHER, 1000);
    assert_null(health_hangs(31000));
    assert_string_equal(health_hangs(31001), "receiver");
    health_turned(HEALTH_LOOP_RECEIVER, 181001);
    assert_string_equal(health_hangs(181001), "enricher");
    health_turned(HEALTH_LOOP_ENRICHER, 181001);
    assert_null(health_hangs(181001));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_values), cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_levels),     cmocka_unit_test(test_gate),
        cmocka_unit_test(test_metrics),    cmocka_unit_test(test_loops),
        cmocka_unit_test(test_health),
    };
    return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
