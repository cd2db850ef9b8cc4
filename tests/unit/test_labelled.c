/* The counter whose labels are learnt: its bound, and how it stands in the text format. */
#include "tests/unit/unit.h"

#include "bridge/base/labelled.h"
#include "bridge/base/metrics.h"

#define LIMIT 3

static struct labelled counter = LABELLED_INITIALISER("model", "field", LIMIT);

static bool add(struct labelled *labelled, const char *first, const char *second, int64_t amount)
{
    bool added = false;
    *labelled_slot(labelled, first, second, &added) += amount;
    return added;
}

static void show(struct buffer *out, int64_t value)
{
    (void)buffer_append_format(out, "%lld", (long long)value);
}

static void assert_exposed(const char *wanted)
{
    struct buffer out = buffer_new(1 << 16);
    labelled_expose(&counter, "x_total", show, &out);
    assert_string_equal(buffer_text(&out), wanted);
    buffer_free(&out);
}

static void test_counts(void **state)
{
    (void)state;
    assert_exposed("");
    assert_true(add(&counter, "a", "b", 1));
    assert_false(add(&counter, "a", "b", 41));
    assert_true(add(&counter, "ab", "", 5));
    assert_int_equal(labelled_get(&counter, "a", "b"), 42);
    assert_int_equal(labelled_get(&counter, "ab", ""), 5);
    assert_int_equal(labelled_get(&counter, "", "ab"), 0);
    assert_exposed("x_total{model=\"a\",field=\"b\"} 42\nx_total{model=\"ab\",field=\"\"} 5\n");
    labelled_clear(&counter);
    assert_exposed("");
}

/* Beyond the limit nothing is lost but the second value; beyond twice the limit both. */
static void test_bound(void **state)
{
    static const struct {
        const char *first;
        const char *second;
        bool added;
        const char *counted_first;
        const char *counted_second;
    } rows[] = {
        {"a", "1", true, "a", "1"},          {"a", "2", true, "a", "2"},
        {"b", "1", true, "b", "1"},          {"a", "3", false, "a", "other"},
        {"a", "1", false, "a", "1"},         {"b", "2", false, "b", "other"},
        {"c", "1", false, "c", "other"},     {"d", "1", false, "other", "other"},
        {"e", "1", false, "other", "other"}, {"a", "4", false, "a", "other"},
        {"a", NULL, false, "a", "other"},    {"e", NULL, false, "other", "other"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int64_t before = labelled_get(&counter, rows[i].counted_first, rows[i].counted_second);
        bool added = add(&counter, rows[i].first, rows[i].second, 1);
        assert_int_equal(added, rows[i].added);
        assert_int_equal(labelled_get(&counter, rows[i].counted_first, rows[i].counted_second),
                         before + 1);
    }
    assert_int_equal(counter.count, 2 * LIMIT + 1);
    for (int i = 0; i < 10000; i++) {
        char value[16];
        (void)snprintf(value, sizeof value, "v%d", i);
        (void)add(&counter, value, value, 1);
    }
    assert_int_equal(counter.count, 2 * LIMIT + 1);
    assert_int_equal(labelled_get(&counter, "other", "other"), 10003);
    labelled_clear(&counter);
}

static void test_escapes(void **state)
{
    (void)state;
    (void)add(&counter, "a\"b\\", "c\nd} \xc3\xa9=,\\n", 1);
    assert_exposed("x_total{model=\"a\\\"b\\\\\",field=\"c\\nd} \xc3\xa9=,\\\\n\"} 1\n");
    labelled_clear(&counter);
}

static void test_one_label(void **state)
{
    static struct labelled one = LABELLED_INITIALISER("code", NULL, 2);
    static struct labelled none = LABELLED_INITIALISER("code", NULL, 0);
    struct buffer out = buffer_new(1 << 16);
    (void)state;
    _Atomic int64_t *slot = labelled_slot(&one, "a", NULL, NULL);
    assert_true(add(&one, "b", NULL, 2));
    assert_false(add(&one, "c", NULL, 3));
    assert_false(add(&one, "d", "no such label", 4));
    *slot += 1;
    labelled_expose(&one, "x", show, &out);
    assert_string_equal(buffer_text(&out),
                        "x{code=\"a\"} 1\nx{code=\"b\"} 2\nx{code=\"other\"} 7\n");
    assert_int_equal(labelled_get(&one, "other", NULL), 7);
    assert_false(add(&none, "a", NULL, 1));
    buffer_clear(&out);
    labelled_expose(&none, "x", show, &out);
    assert_string_equal(buffer_text(&out), "");
    buffer_free(&out);
    labelled_clear(&one);
}

/* As one of the program's metrics: 200 pairs of 101 bytes and 112 models fit a scrape. */
static void test_metric(void **state)
{
    struct buffer out = buffer_new(1 << 20);
    char field[101];
    (void)state;
    for (int i = 0; i < 500; i++) {
        char model[8];
        (void)snprintf(field, sizeof field, "%0100d", i);
        (void)snprintf(model, sizeof model, "m%d", i % 112);
        bool added = metrics_add_labelled(METRIC_UNMAPPED_FIELDS, model, field, 1);
        assert_int_equal(added, i < 200);
    }
    metrics_expose(METRICS_TEXT, &out);
    assert_false(out.overflowed);
    assert_non_null(strstr(out.data, "\n# TYPE bridge_unmapped_fields_total counter\n"));
    assert_non_null(
        strstr(out.data, "\nbridge_unmapped_fields_total{model=\"m0\",field=\"other\"} 3\n"));
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),  cmocka_unit_test(test_bound),
        cmocka_unit_test(test_escapes), cmocka_unit_test(test_one_label),
        cmocka_unit_test(test_metric),
    };
    return cmocka_run_group_tests_name("labelled", tests, NULL, NULL);
}
