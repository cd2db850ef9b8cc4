/* Which changes webhooks have told of: windows, late and repeated ones, what cannot be known. */
#include "tests/unit/enricher_fixture.h"

#include "bridge/enricher/ledger.h"

#define HOUR (INT64_C(3600) * 1000)

static struct ledger fixture(const char *integration_id)
{
    return (struct ledger){open_cache(), 3, integration_id, 3 * HOUR};
}

static struct ledger_window window_of(const struct ledger *ledger, bool verified)
{
    struct ledger_window window;
    assert_true(ledger_window(ledger, &window));
    assert_int_equal(window.verified, verified);
    return window;
}

static void close_window(const struct ledger *ledger, uint32_t number, int64_t wall_ms)
{
    struct ledger_start start = {number, 1000, number * 10, 2000 + number};
    struct ledger_window window;
    assert_true(ledger_window(ledger, &window));
    ledger_close(ledger, &start, window.sequence, 1, false, wall_ms);
    ledger_closed(ledger, &start);
}

static void test_counts(void **state)
{
    struct ledger ledger = fixture("i");
    struct ledger other = {ledger.cache, 3, "i/units", 3 * HOUR};
    struct ledger_window window;
    (void)state;
    assert_false(ledger_window(&ledger, &window));
    assert_false(ledger_hear(&ledger, "units", "a", 1, false, 0)); /* without a window: nothing */
    ledger_open(&ledger, 1000, 0);
    ledger_open(&ledger, 5000, 0);
    ledger_open(&other, 7000, 0);
    assert_true(ledger_hear(&ledger, "units", "a", 1, false, 0));
    assert_true(ledger_hear(&ledger, "units", "a", 2, false, 0));
    assert_true(ledger_hear(&ledger, "units", "b", 1, false, 0));
    assert_true(ledger_hear(&other, "units", "a", 9, true, 0));
    window = window_of(&ledger, true);
    assert_int_equal(window.start.anchor_ms, 1000);
    assert_int_equal(window.heard, 3);
    assert_int_equal(window.records, 2);
    assert_int_equal(window.doubts, 0);
    assert_int_equal(window.seen, 0);
    assert_int_equal(window_of(&other, true).seen, 1);
    assert_int_equal(ledger_count(&ledger, "units", "a"), 2);
    assert_int_equal(ledger_count(&ledger, "units", "c"), 0);
    assert_int_equal(ledger_status(&ledger, "units", "a", 2), LEDGER_HEARD);
    assert_int_equal(ledger_status(&ledger, "units", "a", 9), LEDGER_UNKNOWN);
    assert_true(
        ledger_hear(&ledger, "units", "a", 1, false, 0)); /* there and back, or sent twice */
    assert_int_equal(window_of(&ledger, true).doubts, 1);
    assert_int_equal(ledger_count(&ledger, "units", "a"), 3);
    cache_drop_heard(ledger.cache, 3, 0, "i");
    assert_int_equal(ledger_count(&ledger, "units", "a"), 0);
    assert_int_equal(ledger_count(&other, "units", "a"), 1);
    cache_close(ledger.cache);
}

static void test_late_and_again(void **state)
{
    struct ledger ledger = fixture("i");
    (void)state;
    ledger_open(&ledger, 1000, 0);
    assert_true(ledger_hear(&ledger, "units", "a", 1, false, 0));
    ledger_owe(&ledger, "units", "b", 5);
    assert_int_equal(ledger_status(&ledger, "units", "b", 5), LEDGER_GOOD);
    assert_int_equal(ledger_count(&ledger, "units", "b"), 0);
    close_window(&ledger, 1, 1);
    assert_int_equal(window_of(&ledger, true).heard, 0);
    assert_int_equal(ledger_count(&ledger, "units", "a"), 0);
    assert_true(ledger_hear(&ledger, "units", "b", 5, false, 2)); /* late: it was made good */
    assert_int_equal(window_of(&ledger, true).heard, 0);
    assert_true(ledger_hear(&ledger, "units", "b", 5, false, 3)); /* now it is another change */
    assert_int_equal(window_of(&ledger, true).heard, 1);
    assert_int_equal(window_of(&ledger, true).doubts, 1);
    assert_true(ledger_hear(&ledger, "units", "a", 1, false, 3));
    assert_int_equal(window_of(&ledger, true).doubts, 2);
    assert_int_equal(ledger_count(&ledger, "units", "a"), 1);
    cache_close(ledger.cache);
}

static void test_forgets(void **state)
{
    struct ledger ledger = fixture("i");
    (void)state;
    ledger_open(&ledger, 1000, 0);
    assert_true(ledger_hear(&ledger, "units", "a", 1, false, 0));
    close_window(&ledger, 1, 2 * HOUR);
    assert_int_equal(ledger_status(&ledger, "units", "a", 1), LEDGER_BEFORE);
    close_window(&ledger, 2, 4 * HOUR);
    assert_int_equal(ledger_status(&ledger, "units", "a", 1),
                     LEDGER_BEFORE); /* the generation before */
    close_window(&ledger, 3, 8 * HOUR);
    assert_int_equal(ledger_status(&ledger, "units", "a", 1), LEDGER_UNKNOWN);
    for (uint64_t hash = 1; hash <= 100; hash++)
        assert_true(ledger_hear(&ledger, "units", "many", hash, false, 8 * HOUR));
    assert_int_equal(ledger_status(&ledger, "units", "many", 100), LEDGER_HEARD);
    assert_int_equal(ledger_status(&ledger, "units", "many", 1), LEDGER_UNKNOWN);
    assert_int_equal(window_of(&ledger, true).heard, 100);
    cache_close(ledger.cache);
}

static void test_blind(void **state)
{
    struct ledger ledger = fixture("i");
    struct ledger later = {ledger.cache, 3, "later", 3 * HOUR};
    struct ledger elsewhere = {ledger.cache, 4, "elsewhere", 3 * HOUR};
    (void)state;
    ledger_open(&ledger, 1000, 0);
    ledger_open(&elsewhere, 1000, 0);
    ledger_blind(ledger.cache, 3);
    ledger_open(&later, 1000, 0);
    (void)window_of(&ledger, false);
    (void)window_of(&later, false);
    (void)window_of(&elsewhere, true);
    close_window(&ledger, 1, 1);
    (void)window_of(&ledger, true);
    ledger_blind(ledger.cache, 3);
    (void)window_of(&ledger, false);
    cache_close(ledger.cache);
}

/* What is heard while an answer is on its way may be on either side. */
static void test_carries(void **state)
{
    struct ledger ledger = fixture("i");
    struct ledger_start next = {1, 1000, 2, 2000};
    (void)state;
    ledger_open(&ledger, 1000, 0);
    assert_true(ledger_hear(&ledger, "units", "a", 1, false, 0));
    assert_true(ledger_hear(&ledger, "units", "b", 1, false, 0));
    uint64_t asked = window_of(&ledger, true).sequence;
    assert_true(ledger_hear(&ledger, "units", "b", 2, false, 0));
    ledger_close(&ledger, &next, asked, 1, false, 0);
    assert_int_equal(window_of(&ledger, true).heard, 1);
    assert_int_equal(window_of(&ledger, true).doubts, 1);
    assert_int_equal(ledger_count(&ledger, "units", "a"), 0);
    assert_int_equal(ledger_count(&ledger, "units", "b"), 1);
    assert_int_equal(ledger_status(&ledger, "units", "b", 1), LEDGER_BEFORE);
    assert_int_equal(ledger_status(&ledger, "units", "b", 2), LEDGER_HEARD);
    cache_close(ledger.cache);
}

static void test_restores(void **state)
{
    struct ledger ledger = fixture("i");
    struct ledger_start committed = {1, 1000, 10, 2000};
    struct ledger_start next = {2, 1000, 20, 3000};
    struct ledger_start last = {3, 1000, 30, 4000};
    (void)state;
    ledger_restore(&ledger, &committed, 0); /* another instance's */
    assert_int_equal(window_of(&ledger, false).start.counted, 10);
    ledger_close(&ledger, &next, 0, 7, false, 1);
    assert_true(ledger_hear(&ledger, "units", "a", 1, false, 0));
    ledger_settle(&ledger, 7); /* under way */
    assert_int_equal(window_of(&ledger, true).start.counted, 20);
    ledger_close(&ledger, &last, 1, 7, false, 1);
    ledger_settle(&ledger, 8); /* neither was committed */
    assert_int_equal(window_of(&ledger, false).start.counted, 10);
    ledger_close(&ledger, &next, 1, 8, false, 1);
    ledger_close(&ledger, &last, 1, 8, false, 1);
    ledger_closed(&ledger, &next); /* the first of them was */
    ledger_settle(&ledger, 9);
    assert_int_equal(window_of(&ledger, false).start.counted, 20);
    ledger_close(&ledger, &last, 1, 9, false, 1);
    ledger_restore(&ledger, &last, 2); /* it was, and the process ended before it knew */
    assert_int_equal(window_of(&ledger, true).closing, 0);
    ledger_restore(&ledger, &committed, 2);
    assert_int_equal(window_of(&ledger, false).start.counted, 10);
    cache_close(ledger.cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),  cmocka_unit_test(test_late_and_again),
        cmocka_unit_test(test_forgets), cmocka_unit_test(test_blind),
        cmocka_unit_test(test_carries), cmocka_unit_test(test_restores),
    };
    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
