/* What is the next request when lists can be read by pages. */
#include "tests/unit/planner_stage.h"

/* A group waits until a page is full, or its oldest has waited max_delay_ms. */
static void test_waits_for_a_full_page(void **state)
{
    struct stage stage = new_stage();
    (void)state;
    add_many(&stage, PAGE - 1, 0, "a", false, 1000);
    assert_nothing(next(&stage, &busy, 1000));
    assert_nothing(next(&stage, &busy, 2999));
    (void)add(&stage, 0, "a", false, 2999);
    struct plan plan = next(&stage, &busy, 2999);
    assert_int_equal(plan.kind, PLAN_PAGE);
    assert_true(plan.page.offset < PAGE / 4);  /* some may lie deeper by now */
    assert_nothing(next(&stage, &busy, 2999)); /* all are on the way, or too few are not */
    answer(&stage, &plan.page, PAGE, 5000, true, false, 3000);
    assert_nothing(next(&stage, &busy, 9000));
    add_many(&stage, 5, 0, "a", false, 10000);
    assert_nothing(next(&stage, &busy, 11999));
    assert_page(next(&stage, &busy, 12000), PAGES_LIVE, 0, "a", 0);
    end_stage(&stage);
}

/* One record is not worth a page. */
static void test_one_goes_by_id(void **state)
{
    struct stage stage = new_stage();
    (void)state;
    const struct record *record = add(&stage, 0, "a", false, 1000);
    assert_nothing(next(&stage, &busy, 2999));
    struct plan plan = next(&stage, &busy, 3000);
    assert_int_equal(plan.kind, PLAN_ID);
    assert_ptr_equal(plan.record, record);
    end_stage(&stage);
}

/* Idle budget serves idle groups at once, a few of them. */
static void test_idle_is_served_at_once(void **state)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    struct stage stage = new_stage();
    size_t served = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        (void)add(&stage, 2, names[i], false, 1000);
        (void)add(&stage, 0, names[i], false, 1000);
    }
    for (struct plan plan = next(&stage, &idle, 1000); plan.kind != PLAN_NOTHING;
         plan = next(&stage, &idle, 1000))
        served += plan.kind == PLAN_ID && plan.record->place == 0;
    assert_true(served <= 4);
    assert_nothing(next(&stage, &idle, 1500));
    end_stage(&stage);
}

/* A few of each integration, many of the model: one page over all of them. */
static void test_a_page_over_all_integrations(void **state)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    struct stage stage = new_stage();
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        add_many(&stage, 3, 1, names[i], false, 1000);
    struct plan plan = next(&stage, &busy, 3000);
    assert_page(plan, PAGES_LIVE, 1, NULL, 0);
    assert_nothing(next(&stage, &busy, 3000));
    answer(&stage, &plan.page, 18, 5000, true, true, 3100);
    assert_nothing(next(&stage, &busy, 9000));
    end_stage(&stage);
}

/* From the oldest of what waits up to the top; several pages may be under way. */
static void test_from_below(void **state)
{
    struct stage stage = new_stage();
    struct plan plans[5];
    (void)state;
    add_many(&stage, 1000, 0, "a", false, 1000);
    (void)next(&stage, &busy, 1000);
    planner_clear(stage.planner);
    add_many(&stage, 1000, 0, "a", false, 50000);
    uint32_t wanted = 0;
    for (int i = 0; i < 5; i++) {
        plans[i] = next(&stage, &busy, 52000);
        assert_int_equal(plans[i].kind, PLAN_PAGE);
        assert_true(plans[i].page.offset >= 750 - (PAGE - 50) * i);
        assert_true(plans[i].page.offset <= 750 - (PAGE - 50) * i + 60);
        wanted += plans[i].page.wanted;
    }
    assert_int_equal(wanted, 1000);
    assert_int_equal(plans[4].page.offset, 0);
    assert_nothing(next(&stage, &busy, 52000));
    end_stage(&stage);
}

/* What pages should have had and did not is asked for by itself. */
static void test_the_missed_go_by_id(void **state)
{
    struct stage stage = new_stage();
    (void)state;
    add_many(&stage, PAGE, 0, "a", false, 1000);
    struct plan plan = next(&stage, &busy, 3000);
    assert_page(plan, PAGES_LIVE, 0, "a", PAGE / 10); /* some rows below the deepest */
    stage.tick += 5;
    answer(&stage, &plan.page, 247, 1000000, true, false, 1100);
    for (int i = 0; i < 3; i++) {
        plan = next(&stage, &busy, 3000);
        assert_int_equal(plan.kind, PLAN_PAGE);
        answer(&stage, &plan.page, 0, 1000000, true, true, 3100);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(next(&stage, &busy, 3100).kind, PLAN_ID);
    assert_nothing(next(&stage, &busy, 3100));
    end_stage(&stage);
}

static uint32_t waiting_for(const struct stage *stage, uint32_t most)
{
    uint32_t count = 0;
    for (size_t i = 0; i < stage->count && count < most; i++)
        count += planner_has(stage->records[i]);
    return count;
}

/* Records that pages never have: each for itself, or a scan when the list is shorter than they are
 * many. */
static void test_pages_that_never_pay(void **state)
{
    static const struct {
        int64_t total;
        bool scans;
    } rows[] = {{1000, true}, {1000000, false}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct stage stage = new_stage();
        int64_t now_ms = 1000;
        int kinds[3] = {0};
        for (int turn = 0; turn < 400; turn++) {
            if (turn % 100 == 0)
                add_many(&stage, 60, 0, "a", false, now_ms);
            now_ms += 3000;
            stage.tick += 2;
            struct plan plan = next(&stage, &busy, now_ms);
            if (plan.kind == PLAN_NOTHING)
                continue;
            bool page = plan.kind == PLAN_PAGE;
            bool scan = page && plan.page.kind == PAGES_SCAN;
            kinds[scan ? 2 : page ? 1 : 0]++;
            uint32_t hits = scan ? waiting_for(&stage, 15) : 0;
            if (page)
                answer(&stage, &plan.page, hits, rows[i].total, !scan || plan.page.offset < 750,
                       !scan, now_ms);
        }
        assert_true(kinds[1] < 30);
        if (rows[i].scans)
            assert_true(kinds[2] >= 4 && kinds[0] < 60);
        else
            assert_true(kinds[2] == 0 && kinds[0] > 200);
        end_stage(&stage);
    }
}

/* The API does not give the list, or rows of it cannot be read: each by itself. */
static void test_a_list_that_fails(void **state)
{
    static const struct {
        enum page_failure failure;
        int limit; /* of the next page; 0 = none */
    } rows[] = {{PAGE_REFUSED, 0}, {PAGE_UNREADABLE, 50}, {PAGE_AGAIN, 250}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct stage stage = new_stage();
        add_many(&stage, 40, 0, "a", false, 1000);
        struct plan plan = next(&stage, &busy, 3000);
        assert_page(plan, PAGES_LIVE, 0, "a", 0);
        planner_page_failed(stage.planner, &plan.page, rows[i].failure, 500, 3100);
        plan = next(&stage, &busy, 3700);
        if (rows[i].limit == 0) {
            assert_int_equal(plan.kind, PLAN_ID);
        } else {
            assert_page(plan, PAGES_LIVE, 0, "a", 0);
            assert_int_equal(plan.page.limit, rows[i].limit);
        }
        end_stage(&stage);
    }
}

/* A list that fails again and again is asked for less often; an answer makes up for it. */
static void test_a_list_that_keeps_failing(void **state)
{
    static const int64_t pauses[] = {500, 1000, 2000, 4000, 4000, 4000};
    struct stage stage = new_stage();
    int64_t now_ms = 3000;
    (void)state;
    add_many(&stage, 40, 0, "a", false, 1000);
    for (int round = 0; round < 2; round++) {
        struct plan plan = next(&stage, &busy, now_ms);
        for (size_t i = 0; i < ARRAY_LENGTH(pauses); i++) {
            assert_page(plan, PAGES_LIVE, 0, "a", 0);
            planner_page_failed(stage.planner, &plan.page, PAGE_AGAIN, 500, now_ms);
            plan = next(&stage, &busy, now_ms + pauses[i] - 1);
            assert_int_equal(plan.kind, PLAN_ID);
            planner_add(stage.planner, plan.record, now_ms + pauses[i] - 1);
            now_ms += pauses[i];
            plan = next(&stage, &busy, now_ms);
        }
        answer(&stage, &plan.page, 0, 1000, true, false, now_ms);
        now_ms += 1000;
    }
    end_stage(&stage);
}

/* The low lane has time. */
static void test_the_low_lane(void **state)
{
    static const struct {
        int count;
        bool idle;
        int64_t after_ms;
        bool served;
    } rows[] = {
        {10, false, 100000, false}, {10, false, 900000, true}, {10, true, 1999, false},
        {10, true, 2000, true},     {1, true, 2000, true},     {5000, false, 4999, false},
        {5000, false, 5000, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct stage stage = new_stage();
        add_many(&stage, rows[i].count, 0, "a", true, 1000);
        struct plan plan = next(&stage, rows[i].idle ? &idle : &busy, 1000 + rows[i].after_ms);
        assert_int_equal(plan.kind != PLAN_NOTHING, rows[i].served);
        end_stage(&stage);
    }
}

/* Once pages were seen not to have them, and the list's length is known, many low ones are worth a
 * scan, when no more come. */
static void test_many_low_ones_are_scanned(void **state)
{
    struct stage stage = new_stage();
    (void)state;
    add_many(&stage, 5000, 0, "a", true, 2000);
    assert_nothing(next(&stage, &busy, 6999));
    struct plan plan = next(&stage, &busy, 7000);
    assert_int_equal(plan.kind, PLAN_PAGE);
    assert_int_equal(plan.page.kind, PAGES_LOW);
    assert_true(plan.page.offset > 4000);
    answer(&stage, &plan.page, 20, 20000, true, true, 7100);
    plan = next(&stage, &busy, 7200);
    assert_page(plan, PAGES_SCAN, 0, "a", 0);
    end_stage(&stage);
}

/* A live change of a record that waited in the low lane. */
static void test_low_becomes_live(void **state)
{
    struct stage stage = new_stage();
    (void)state;
    struct record *record = add(&stage, 0, "a", true, 1000);
    assert_nothing(next(&stage, &busy, 4000));
    record->now.tells_more = true;
    planner_joined(stage.planner, record, 4000);
    assert_ptr_equal(next(&stage, &busy, 4000).record, record);
    end_stage(&stage);
}

/* A record that changes faster than pages are read comes to its turn by itself. */
static void test_passed_over(void **state)
{
    struct stage stage = new_stage();
    (void)state;
    struct record *record = add(&stage, 0, "a", false, 1000);
    add_many(&stage, 20, 0, "a", false, 1000);
    for (int i = 0; i < 3; i++)
        planner_passed_over(stage.planner, record);
    assert_int_equal(record->queue, QUEUE_SINGLE);
    end_stage(&stage);
}

static void test_urged(void **state)
{
    struct stage stage = new_stage();
    (void)state;
    add_many(&stage, 1000, 0, "a", false, 1000);
    struct record *record = add(&stage, 0, "a", false, 1000);
    planner_urge(stage.planner, record, 1000);
    assert_ptr_equal(next(&stage, &busy, 1000).record, record);
    end_stage(&stage);
}

/* A hundred thousand changes of one integration do not starve three of another. */
static void test_no_starvation(void **state)
{
    struct stage stage = new_stage();
    int served = 0;
    (void)state;
    add_many(&stage, 20000, 0, "large", false, 1000);
    add_many(&stage, 3, 1, "small", false, 1000);
    for (int i = 0; i < 4; i++) {
        struct plan plan = next(&stage, &busy, 3000);
        assert_int_equal(plan.kind, PLAN_PAGE);
        served += plan.page.place == 1;
        answer(&stage, &plan.page, plan.page.place == 1 ? 3 : PAGE, 50000, true, false, 3000);
    }
    assert_int_equal(served, 1);
    end_stage(&stage);
}

/* While many wait, a page that brings few is put off, not for ever. */
static void test_thin_pages_are_put_off(void **state)
{
    struct stage stage = new_stage();
    (void)state;
    add_many(&stage, 10, 1, "a", false, 1000);
    add_many(&stage, 200, 0, "a", false, 1000);
    struct plan plan = next(&stage, &busy, 3000);
    assert_page(plan, PAGES_LIVE, 0, "a", 0);
    assert_nothing(next(&stage, &busy, 3000));
    assert_page(next(&stage, &busy, 9000), PAGES_LIVE, 1, "a", 0);
    end_stage(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_list_that_keeps_failing),
        cmocka_unit_test(test_waits_for_a_full_page),
        cmocka_unit_test(test_one_goes_by_id),
        cmocka_unit_test(test_idle_is_served_at_once),
        cmocka_unit_test(test_a_page_over_all_integrations),
        cmocka_unit_test(test_from_below),
        cmocka_unit_test(test_the_missed_go_by_id),
        cmocka_unit_test(test_pages_that_never_pay),
        cmocka_unit_test(test_a_list_that_fails),
        cmocka_unit_test(test_the_low_lane),
        cmocka_unit_test(test_many_low_ones_are_scanned),
        cmocka_unit_test(test_low_becomes_live),
        cmocka_unit_test(test_passed_over),
        cmocka_unit_test(test_urged),
        cmocka_unit_test(test_no_starvation),
        cmocka_unit_test(test_thin_pages_are_put_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
