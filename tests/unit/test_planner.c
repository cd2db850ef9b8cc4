/* What is the next request when each record is asked for by itself: integrations take turns, nobody
 * is served before it is due. Pages are test_planner_pages.c. */
#include "tests/unit/unit.h"

#include "bridge/base/memory.h"
#include "bridge/base/random.h"
#include "bridge/enricher/planner.h"

static char *const integrations[] = {NULL, (char[]){"a"}, (char[]){"b"}, (char[]){"c"},
                                     (char[]){"d"}};

static const struct planner_rules rules = {.max_delay_ms = 2000, .low_max_delay_ms = 900000};
static const struct planner_budget unlimited = {.unlimited = true};

static struct record record_of(int integration, int64_t due_ms)
{
    return (struct record){.integration_id = integrations[integration], .due_ms = due_ms};
}

static void assert_next(struct planner *planner, int64_t now_ms, const struct record *wanted)
{
    assert_int_equal(planner_wait(planner, now_ms), 0);
    struct plan plan = planner_next(planner, &unlimited, 0, now_ms);
    assert_int_equal(plan.kind, PLAN_ID);
    assert_ptr_equal(plan.record, wanted);
}

static void assert_nothing(struct planner *planner, int64_t now_ms, int64_t wait_ms)
{
    struct plan plan = planner_next(planner, &unlimited, 0, now_ms);
    assert_int_equal(plan.kind, PLAN_NOTHING);
    assert_null(plan.record);
    assert_true(plan.wait_ms == wait_ms);
    assert_true(planner_wait(planner, now_ms) == wait_ms);
}

static void test_empty(void **state)
{
    struct planner *planner = planner_new(1, &rules);
    (void)state;
    assert_nothing(planner, 0, INT64_MAX);
    planner_clear(planner);
    assert_nothing(planner, 5, INT64_MAX);
    planner_free(planner);
    planner_free(NULL);
}

/* Who was added, by integration, and who is served in which order. */
static void test_turns(void **state)
{
    static const struct {
        const char *added;
        const char *served; /* places in `added` */
    } rows[] = {
        {"aaa", "012"},
        {"ab", "01"},
        {"aaab", "0312"},
        {"aaaabb", "041523"},
        {"aaabbbccc", "036147258"},
        {"aabac", "024"
                  "13"},
        {"-a-a", "0123"}, /* those without an integration take turns as one */
        {"---a", "0312"},
        {"dcba", "0123"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct planner *planner = planner_new(1, &rules);
        size_t count = strlen(rows[i].added);
        struct record *records = memory_new(count, sizeof *records);
        for (size_t k = 0; k < count; k++) {
            char c = rows[i].added[k];
            records[k] = record_of(c == '-' ? 0 : c - 'a' + 1, 0);
            planner_add(planner, &records[k], 1000);
        }
        for (size_t k = 0; k < count; k++)
            assert_next(planner, 1000, &records[rows[i].served[k] - '0']);
        assert_nothing(planner, 1000, INT64_MAX);
        free(records);
        planner_free(planner);
    }
}

/* Three of a small integration do not wait for a hundred thousand of a large one. */
static void test_no_starvation(void **state)
{
    enum { MANY = 100000 };
    struct planner *planner = planner_new(1, &rules);
    struct record *records = memory_new(MANY, sizeof *records);
    struct record small[3];
    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        records[i] = record_of(1, 0);
        planner_add(planner, &records[i], 0);
    }
    for (size_t i = 0; i < 3; i++) {
        small[i] = record_of(2, 0);
        planner_add(planner, &small[i], 0);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_next(planner, 0, &records[i]);
        assert_next(planner, 0, &small[i]);
    }
    for (size_t i = 3; i < MANY; i++)
        assert_next(planner, 0, &records[i]);
    assert_nothing(planner, 0, INT64_MAX);
    free(records);
    planner_free(planner);
}

static void test_due_times(void **state)
{
    struct planner *planner = planner_new(1, &rules);
    struct record later = record_of(1, 500);
    struct record soon = record_of(1, 200);
    struct record now = record_of(1, 100);
    (void)state;
    planner_add(planner, &later, 100);
    planner_add(planner, &soon, 100);
    assert_nothing(planner, 100, 100);
    planner_add(planner, &now, 100);
    assert_next(planner, 100, &now);
    assert_nothing(planner, 199, 1);
    assert_next(planner, 200, &soon);
    assert_nothing(planner, 200, 300);
    /* Long asleep: both are due, the earlier first. */
    soon.due_ms = 450;
    planner_add(planner, &soon, 200);
    assert_int_equal(planner_wait(planner, 10000), 0);
    assert_next(planner, 10000, &soon);
    assert_next(planner, 10000, &later);
    assert_nothing(planner, 10000, INT64_MAX);
    /* Added again, after it was due already. */
    planner_add(planner, &later, 10000);
    assert_next(planner, 10000, &later);
    planner_free(planner);
}

static void test_clear(void **state)
{
    struct planner *planner = planner_new(1, &rules);
    struct record records[6];
    (void)state;
    for (int i = 0; i < 6; i++) {
        records[i] = record_of(i % 3, i < 3 ? 0 : 1000);
        planner_add(planner, &records[i], 0);
    }
    planner_clear(planner);
    assert_nothing(planner, 2000, INT64_MAX);
    planner_add(planner, &records[5], 2000);
    assert_next(planner, 2000, &records[5]);
    assert_nothing(planner, 2000, INT64_MAX);
    planner_free(planner);
}

#define RECORDS 500

enum where { OUTSIDE, NOT_DUE, DUE };

struct model {
    struct record records[RECORDS];
    enum where where[RECORDS];
    int integration[RECORDS];
    int64_t asked[ARRAY_LENGTH(integrations)]; /* turns of others since its last, while due */
};

static void model_wake(struct model *model, int64_t now_ms)
{
    for (size_t i = 0; i < RECORDS; i++) {
        if (model->where[i] == NOT_DUE && model->records[i].due_ms <= now_ms)
            model->where[i] = DUE;
    }
}

static int64_t model_wait(const struct model *model, int64_t now_ms)
{
    int64_t wait = INT64_MAX;
    for (size_t i = 0; i < RECORDS; i++) {
        int64_t due = model->records[i].due_ms;
        if (model->where[i] == OUTSIDE)
            continue;
        if (model->where[i] == DUE || due <= now_ms)
            return 0;
        wait = due - now_ms < wait ? due - now_ms : wait;
    }
    return wait;
}

/* Whoever has something due is served after at most one turn of each other. */
static void model_turn(struct model *model, int served)
{
    bool has_due[ARRAY_LENGTH(integrations)] = {false};
    for (size_t i = 0; i < RECORDS; i++)
        has_due[model->integration[i]] |= model->where[i] == DUE;
    for (size_t i = 0; i < ARRAY_LENGTH(integrations); i++) {
        bool waits = has_due[i] && (int)i != served;
        model->asked[i] = waits ? model->asked[i] + 1 : 0;
        assert_true(model->asked[i] < (int64_t)ARRAY_LENGTH(integrations));
    }
}

static void model_add(struct model *model, struct planner *planner, struct random *random,
                      int64_t now_ms)
{
    size_t i = (size_t)random_between(random, 0, RECORDS - 1);
    if (model->where[i] != OUTSIDE)
        return;
    int64_t due_ms = random_between(random, 0, 2) == 0 ? now_ms - random_between(random, 0, 50)
                                                       : now_ms + random_between(random, 1, 3000);
    model->integration[i] = (int)random_between(random, 0, 9) % 5;
    model->records[i] = record_of(model->integration[i], due_ms);
    model->where[i] = due_ms <= now_ms ? DUE : NOT_DUE;
    planner_add(planner, &model->records[i], now_ms);
}

/* Random adding and asking while the clock goes on, against a plain list. */
static void test_against_model(void **state)
{
    struct planner *planner = planner_new(1, &rules);
    struct model *model = memory_new(1, sizeof *model);
    struct random random = random_from_seed(3);
    int64_t now_ms = 1000000;
    size_t served = 0;
    (void)state;
    for (int step = 0; step < 40000; step++) {
        now_ms += random_between(&random, 0, 3) == 0 ? random_between(&random, 1, 20) : 0;
        if (random_between(&random, 0, 1) == 0) {
            model_add(model, planner, &random, now_ms);
            continue;
        }
        int64_t wait = model_wait(model, now_ms);
        assert_true(planner_wait(planner, now_ms) == wait);
        struct plan plan = planner_next(planner, &unlimited, 0, now_ms);
        model_wake(model, now_ms);
        assert_int_equal(plan.kind, wait == 0 ? PLAN_ID : PLAN_NOTHING);
        assert_true(plan.wait_ms == wait);
        if (plan.kind == PLAN_NOTHING)
            continue;
        size_t i = (size_t)(plan.record - model->records);
        assert_true(i < RECORDS && model->where[i] == DUE);
        model->where[i] = OUTSIDE;
        model_turn(model, model->integration[i]);
        served++;
    }
    assert_true(served > 5000);
    now_ms += 100000;
    model_wake(model, now_ms);
    for (size_t i = 0; i < RECORDS; i++)
        served += model->where[i] == DUE;
    for (struct plan plan = planner_next(planner, &unlimited, 0, now_ms); plan.kind == PLAN_ID;
         plan = planner_next(planner, &unlimited, 0, now_ms)) {
        assert_int_equal(model->where[plan.record - model->records], DUE);
        model->where[plan.record - model->records] = OUTSIDE;
        served--;
    }
    for (size_t i = 0; i < RECORDS; i++)
        assert_int_equal(model->where[i], OUTSIDE);
    assert_nothing(planner, now_ms, INT64_MAX);
    free(model);
    planner_free(planner);
}

/* Thousands that are not due come out by their due time. */
static void test_heap_order(void **state)
{
    enum { COUNT = 5000 };
    struct planner *planner = planner_new(1, &rules);
    struct random random = random_from_seed(8);
    struct record *records = memory_new(COUNT, sizeof *records);
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        records[i] = record_of(1, random_between(&random, 1, 100000));
        planner_add(planner, &records[i], 0);
    }
    int64_t last = 0;
    for (size_t i = 0; i < COUNT; i++) {
        struct plan plan = planner_next(planner, &unlimited, 0, 100000);
        assert_int_equal(plan.kind, PLAN_ID);
        assert_true(plan.record->due_ms >= last);
        last = plan.record->due_ms;
    }
    assert_nothing(planner, 100000, INT64_MAX);
    free(records);
    planner_free(planner);
}

static bool is_marked(const struct record *record, const struct record *like)
{
    (void)like;
    return record->reread;
}

/* Who of an integration is taken out, by marks, and who is served afterwards. */
static void test_take(void **state)
{
    static const struct {
        const char *marks; /* of the records of integration a; x = is taken */
        const char *left;  /* places in `marks` that are served then */
    } rows[] = {
        {"xxx", ""}, {"---", "012"}, {"x--", "12"}, {"-x-", "02"}, {"--x", "01"}, {"x-x-x", "13"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct planner *planner = planner_new(1, &rules);
        struct record records[8];
        struct record before = record_of(2, 0);
        struct record after = record_of(3, 0);
        size_t count = strlen(rows[i].marks);
        size_t taken = 0;
        planner_add(planner, &before, 0);
        for (size_t k = 0; k < count; k++) {
            records[k] = record_of(1, (int64_t)(k % 2) * 10); /* some become due by now */
            records[k].reread = rows[i].marks[k] == 'x';
            planner_add(planner, &records[k], 10);
        }
        planner_add(planner, &after, 0);
        for (struct record *record = planner_take(planner, &records[0], is_marked, 10);
             record != NULL; record = record->next) {
            assert_true(record->reread);
            taken++;
        }
        assert_int_equal(taken, count - strlen(rows[i].left));
        bool served[8] = {false};
        size_t number = 0;
        for (struct plan plan = planner_next(planner, &unlimited, 0, 10); plan.kind == PLAN_ID;
             plan = planner_next(planner, &unlimited, 0, 10), number++) {
            for (size_t k = 0; k < count; k++)
                served[k] |= plan.record == &records[k];
        }
        assert_int_equal(number, strlen(rows[i].left) + 2);
        for (size_t k = 0; k < count; k++)
            assert_int_equal(served[k], rows[i].marks[k] == '-');
        assert_null(planner_take(planner, &records[0], is_marked, 10));
        planner_add(planner, &records[0], 10); /* the planner is whole */
        assert_next(planner, 10, &records[0]);
        assert_nothing(planner, 10, INT64_MAX);
        planner_free(planner);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),         cmocka_unit_test(test_turns),
        cmocka_unit_test(test_take),          cmocka_unit_test(test_no_starvation),
        cmocka_unit_test(test_due_times),     cmocka_unit_test(test_clear),
        cmocka_unit_test(test_against_model), cmocka_unit_test(test_heap_order),
    };
    return cmocka_run_group_tests_name("planner", tests, NULL, NULL);
}
