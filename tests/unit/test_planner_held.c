/* The planner while some may not be asked for: others have their turns, and nothing spins. */
#include "tests/unit/planner_stage.h"

#include "bridge/enricher/planning.h"

#define NOW INT64_C(1000000)

/* Who is held: an integration, or a model of one. */
struct held {
    const char *integration;
    int place; /* -1: all models */
    int asked; /* how often the planner wanted to know of it */
};

static bool may(void *context, const char *integration_id, int place, int64_t now_ms)
{
    struct held *held = context;
    (void)now_ms;
    if (held->integration == NULL || strcmp(held->integration, integration_id) != 0 ||
        held->place != place)
        return true;
    held->asked++;
    return false;
}

static struct stage hold(struct held *held, const char *integration, int place)
{
    struct stage stage = {.tick = 10};
    struct planner_rules held_rules = rules;
    *held = (struct held){integration, place, 0};
    held_rules.may = may;
    held_rules.context = held;
    stage.planner = planner_new(PLACES, &held_rules);
    planner_allow_pages(stage.planner, 0, true);
    planner_allow_pages(stage.planner, 1, true);
    return stage;
}

static void release(struct stage *stage, struct held *held, int64_t now_ms)
{
    const char *integration = held->integration;
    held->integration = NULL;
    planner_release(stage->planner, integration, held->place, now_ms);
}

/* All that the planner gives by id until it has nothing; how many were of the integration. */
static int drain(struct stage *stage, const char *integration, int *others, int64_t now_ms)
{
    int count = 0;
    *others = 0;
    for (;;) {
        struct plan plan = next(stage, &busy, now_ms);
        if (plan.kind == PLAN_NOTHING) {
            assert_true(plan.wait_ms > 0);
            return count;
        }
        assert_int_equal(plan.kind, PLAN_ID);
        bool wanted = strcmp(plan.record->integration_id, integration) == 0;
        count += wanted;
        *others += !wanted;
    }
}

static void test_integration(void **state)
{
    struct held held;
    struct stage stage = hold(&held, "sick", -1);
    int others;
    (void)state;
    add_many(&stage, 30, 2, "sick", false, NOW);
    add_many(&stage, 10, 2, "a", false, NOW);
    add_many(&stage, 10, 2, "b", false, NOW);
    assert_int_equal(planner_backlog(stage.planner), 50);
    assert_int_equal(drain(&stage, "sick", &others, NOW), 0);
    assert_int_equal(others, 20);
    /* It is no backlog, and nobody looks at it again. */
    assert_int_equal(planner_backlog(stage.planner), 0);
    assert_int_equal(held.asked, 1);
    for (int i = 0; i < 100; i++) {
        (void)add(&stage, 2, "sick", false, NOW + i);
        assert_true(planner_wait(stage.planner, NOW + i) > 0);
        assert_nothing(next(&stage, &busy, NOW + i));
    }
    assert_int_equal(held.asked, 1);
    release(&stage, &held, NOW + 100);
    assert_int_equal(planner_backlog(stage.planner), 130);
    assert_int_equal(planner_wait(stage.planner, NOW + 100), 0);
    assert_int_equal(drain(&stage, "sick", &others, NOW + 100), 130);
    assert_int_equal(planner_backlog(stage.planner), 0);
    end_stage(&stage);
}

/* Pages, too: those of others go, and a page over all integrations has its records. */
static void test_pages(void **state)
{
    struct held held;
    struct stage stage = hold(&held, "sick", -1);
    (void)state;
    add_many(&stage, 100, 0, "sick", false, NOW);
    add_many(&stage, 100, 1, "sick", false, NOW);
    add_many(&stage, 100, 1, "a", false, NOW);
    struct plan plan = next(&stage, &busy, NOW + 2000);
    assert_page(plan, PAGES_LIVE, 1, NULL, 0); /* of all integrations, for the sake of "a" */
    answer(&stage, &plan.page, 200, 300, false, true, NOW + 2000);
    assert_nothing(next(&stage, &busy, NOW + 2000));
    assert_nothing(next(&stage, &busy, NOW + 60000));
    release(&stage, &held, NOW + 60000);
    assert_page(next(&stage, &busy, NOW + 60000), PAGES_LIVE, 0, "sick", 0);
    end_stage(&stage);
}

static void test_model(void **state)
{
    struct held held;
    struct stage stage = hold(&held, "sick", 2);
    int others;
    (void)state;
    add_many(&stage, 10, 2, "sick", false, NOW);
    add_many(&stage, 10, 2, "a", false, NOW);
    add_many(&stage, 10, 1, "sick", false, NOW);
    assert_int_equal(drain(&stage, "sick", &others, NOW), 0);
    assert_int_equal(others, 10);
    for (int i = 0; i < 50; i++) {
        (void)add(&stage, 2, "sick", false, NOW + i);
        assert_nothing(next(&stage, &busy, NOW + i));
    }
    assert_page(next(&stage, &busy, NOW + 2000), PAGES_LIVE, 1, "sick", 0);
    release(&stage, &held, NOW + 2000);
    assert_int_equal(drain(&stage, "sick", &others, NOW + 2000), 60);
    end_stage(&stage);
}

/* The low lane's are held as well, and looked at once a second at most. */
static void test_low(void **state)
{
    struct held held;
    struct stage stage = hold(&held, "sick", -1);
    int others;
    (void)state;
    add_many(&stage, 10, 2, "sick", false, NOW);
    add_many(&stage, 10, 0, "sick", true, NOW);
    add_many(&stage, 10, 0, "a", true, NOW);
    for (int64_t now_ms = NOW; now_ms < NOW + 1000000;) {
        struct plan plan = next(&stage, &idle, now_ms);
        if (plan.kind == PLAN_NOTHING) {
            assert_true(plan.wait_ms >= 100);
            if (plan.wait_ms >= NOW + 1000000 - now_ms) /* INT64_MAX: nothing more comes */
                break;
            now_ms += plan.wait_ms;
        } else if (plan.kind == PLAN_ID) {
            assert_string_equal(plan.record->integration_id, "a");
        } else {
            answer(&stage, &plan.page, 0, 20, false, true, now_ms);
        }
    }
    release(&stage, &held, NOW + 1000000);
    assert_int_equal(drain(&stage, "sick", &others, NOW + 1000000) > 0, true);
    end_stage(&stage);
}

/* Its groups that were idle take none of the idle budget that serves others at once. */
static void test_eager(void **state)
{
    struct held held;
    struct stage stage = hold(&held, "sick", -1);
    (void)state;
    (void)add(&stage, 2, "sick", false, NOW); /* so that it is found out */
    assert_nothing(next(&stage, &idle, NOW));
    (void)add(&stage, 0, "sick", false, NOW);
    (void)add(&stage, 1, "sick", false, NOW);
    assert_nothing(next(&stage, &idle, NOW));
    assert_int_equal(stage.planner->eager_credit, EAGER_AT_ONCE);
    release(&stage, &held, NOW);
    for (int place = 0; place < PLACES; place++)
        assert_int_equal(next(&stage, &idle, NOW).kind, PLAN_ID);
    assert_nothing(next(&stage, &idle, NOW));
    end_stage(&stage);
}

/* What is released was not always there. */
static void test_release_of_nobody(void **state)
{
    struct held held;
    struct stage stage = hold(&held, "sick", -1);
    (void)state;
    planner_release(stage.planner, "unknown", -1, NOW);
    planner_release(stage.planner, "unknown", 1, NOW);
    (void)add(&stage, 2, "a", false, NOW);
    planner_release(stage.planner, "a", 0, NOW);
    planner_release(stage.planner, "a", -1, NOW);
    assert_int_equal(planner_backlog(stage.planner), 1);
    assert_int_equal(next(&stage, &busy, NOW).kind, PLAN_ID);
    add_many(&stage, 3, 2, "sick", false, NOW);
    assert_nothing(next(&stage, &busy, NOW));
    planner_clear(stage.planner);
    assert_int_equal(planner_backlog(stage.planner), 0);
    assert_true(planner_wait(stage.planner, NOW) == INT64_MAX);
    end_stage(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integration), cmocka_unit_test(test_pages),
        cmocka_unit_test(test_model),       cmocka_unit_test(test_low),
        cmocka_unit_test(test_eager),       cmocka_unit_test(test_release_of_nobody),
    };
    return cmocka_run_group_tests_name("planner, some held", tests, NULL, NULL);
}
