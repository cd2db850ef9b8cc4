/* W3C Trace Context: what is a traceparent, what follows from one, and which are recorded. */
#include "tests/unit/unit.h"

#include "bridge/base/trace.h"

#define ID    "0af7651916cd43dd8448eb211c80319c"
#define SPAN  "b7ad6b7169203331"
#define ZEROS "00000000000000000000000000000000"

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        bool good;
        bool sampled;
    } rows[] = {
        {"00-" ID "-" SPAN "-01", true, true},
        {"00-" ID "-" SPAN "-00", true, false},
        {"00-" ID "-" SPAN "-ff", true, true},
        {"00-" ID "-" SPAN "-02", true, false},
        {"01-" ID "-" SPAN "-01", true, true},
        {"cc-" ID "-" SPAN "-01-what-comes", true, true},
        {"00-" ID "-" SPAN "-01-what-comes", false, false},
        {"cc-" ID "-" SPAN "-01.what-comes", false, false},
        {"ff-" ID "-" SPAN "-01", false, false},
        {"00-" ZEROS "-" SPAN "-01", false, false},
        {"00-" ID "-0000000000000000-01", false, false},
        {"00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01", false, false},
        {"00-" ID "-" SPAN "-0g", false, false},
        {"00-" ID "-" SPAN "-1", false, false},
        {"00_" ID "-" SPAN "-01", false, false},
        {"00-" ID "_" SPAN "-01", false, false},
        {"00-" ID "-" SPAN "_01", false, false},
        {"0-" ID "-" SPAN "-01", false, false},
        {" 00-" ID "-" SPAN "-01", false, false},
        {"00-" ID "-" SPAN "-01 ", false, false},
        {"", false, false},
        {NULL, false, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct trace trace = {.id = "untouched"};
        if (trace_parse(rows[i].text, &trace) != rows[i].good)
            fail_msg("%s", rows[i].text);
        assert_string_equal(trace.id, rows[i].good ? ID : "untouched");
        assert_string_equal(trace.span, rows[i].good ? SPAN : "");
        assert_int_equal(trace.sampled, rows[i].sampled);
    }
}

static void test_children(void **state)
{
    struct random random = random_from_seed(1);
    char text[TRACE_PARENT_SIZE];
    struct trace read;
    (void)state;
    struct trace root = trace_new(&random, true);
    struct trace child = trace_child(&root, &random);
    assert_string_equal(root.parent, "");
    assert_string_equal(child.id, root.id);
    assert_string_equal(child.parent, root.span);
    assert_string_not_equal(child.span, root.span);
    assert_true(trace_parse(trace_text(&child, text), &read));
    assert_string_equal(read.span, child.span);
    assert_true(read.sampled);
}

static void test_choice(void **state)
{
    struct random random = random_from_seed(2);
    int chosen = 0;
    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct trace trace = trace_new(&random, false);
        assert_false(trace_is_chosen(&trace, 0));
        assert_true(trace_is_chosen(&trace, 1000000));
        bool tenth = trace_is_chosen(&trace, 100000);
        assert_true(!tenth || trace_is_chosen(&trace, 500000));
        chosen += tenth;
    }
    assert_in_range(chosen, 1800, 2200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_children),
        cmocka_unit_test(test_choice),
    };
    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
