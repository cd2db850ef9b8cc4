/* Where in a list the waiting records lie: rules, and whole syncs against a list that moves. */
#include "tests/unit/planner_stage.h"

/* Some are fetched from the middle: the others lie as deep as before. */
static void test_holes_change_nothing(void **state)
{
    struct stage stage = new_stage();
    (void)state;
    add_many(&stage, 600, 0, "a", false, 1000);
    for (size_t i = 100; i < 400; i++)
        planner_remove(stage.planner, stage.records[i]);
    struct plan plan = next(&stage, &busy, 9000);
    assert_int_equal(plan.kind, PLAN_PAGE);
    assert_int_equal(plan.page.offset, 0); /* where most are */
    assert_int_equal(plan.page.wanted, 200);
    plan = next(&stage, &busy, 9000);
    assert_int_equal(plan.kind, PLAN_PAGE);
    assert_true(plan.page.offset >= 600 - PAGE && plan.page.offset < 600 - PAGE + 50);
    assert_int_equal(plan.page.wanted, 100);
    assert_nothing(next(&stage, &busy, 9000));
    end_stage(&stage);
}

/* A record that changes again lies at the top. */
static void test_a_second_event(void **state)
{
    struct stage stage = new_stage();
    (void)state;
    struct record *record = add(&stage, 0, "a", false, 1000);
    add_many(&stage, 5000, 0, "a", false, 1000);
    planner_joined(stage.planner, record, 1000);
    assert_int_equal(record->rank[false], 5002);
    assert_int_equal(record->rank[true], 5002);
    end_stage(&stage);
}

/* A page that lies elsewhere than it should moves the next one, and gives nobody up. */
static void test_misplaced(void **state)
{
    static const struct {
        bool past;
        bool below;
        int64_t from;
        int64_t to;
    } rows[] = {{true, true, 0, 700}, {false, false, 1000, 1300}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct stage stage = new_stage();
        add_many(&stage, 1000, 0, "a", false, 1000);
        struct plan plan = next(&stage, &busy, 9000);
        assert_true(plan.page.offset >= 750 && plan.page.offset < 800);
        struct page_seen seen = {.rows = PAGE,
                                 .total = 100000,
                                 .more = true,
                                 .past = rows[i].past,
                                 .below = rows[i].below};
        planner_page_done(stage.planner, &plan.page, &seen, 9100);
        plan = next(&stage, &busy, 9100);
        assert_int_equal(plan.kind, PLAN_PAGE);
        assert_true(plan.page.offset >= rows[i].from && plan.page.offset <= rows[i].to);
        assert_true(plan.page.wanted >= 200);
        end_stage(&stage);
    }
}

/* Events of a partition that are taken in, one after the other. */
static void take_in(struct stage *stage, struct behind *partition, int count,
                    const char *const *integrations, int integration_count, int64_t now_ms)
{
    for (int i = 0; i < count; i++) {
        partition->taken++;
        partition->unseen -= partition->unseen > 0;
        planner_behind(add(stage, 0, integrations[i % integration_count], false, now_ms), partition,
                       partition);
    }
}

/* What Kafka still holds lies on top of what was taken in, and comes in without moving a row. */
static void test_below_what_kafka_holds(void **state)
{
    static const char *const names[] = {"a"};
    struct behind partition = {.unseen = 5000};
    struct stage stage = new_stage();
    (void)state;
    take_in(&stage, &partition, 1000, names, 1, 1000);
    struct plan plan = next(&stage, &busy, 3000);
    assert_int_equal(plan.kind, PLAN_PAGE);
    assert_int_equal(plan.page.top, 5000);
    assert_int_equal(plan.page.offset, 5000 - PAGE + PAGE / 10); /* the oldest, and a margin */
    assert_int_equal(plan.page.wanted, PAGE - 2 * PAGE / 10);
    answer(&stage, &plan.page, PAGE - PAGE / 10, 100000, true, false, 3000);
    take_in(&stage, &partition, 1000, names, 1, 3500);
    plan = next(&stage, &busy, 3500);
    assert_int_equal(plan.page.top, 5000);
    assert_true(plan.page.rate < 0.001F);
    assert_int_equal(plan.page.offset, 5000 - (PAGE - PAGE / 10) - PAGE + 3); /* it was exact */
    partition.unseen += 400;                                                  /* these are new */
    take_in(&stage, &partition, 1, names, 1, 4000);
    plan = next(&stage, &busy, 4000);
    assert_int_equal(plan.page.top, 5400);
    assert_true(plan.page.rate > 0.7F && plan.page.rate < 0.9F); /* in half a second */
    end_stage(&stage);
}

/* A partition's events are of several integrations: each has its part of what is there. */
static void test_a_part_of_what_kafka_holds(void **state)
{
    static const char *const names[] = {"a", "b", "a", "c"};
    struct behind partition = {.unseen = 8000};
    struct stage stage = new_stage();
    (void)state;
    take_in(&stage, &partition, 2000, names, 4, 1000);
    for (int i = 0; i < 3; i++) {
        struct plan plan = next(&stage, &busy, 3000);
        bool a = strcmp(plan.page.integration_id, "a") == 0;
        assert_int_equal(plan.kind, PLAN_PAGE);
        assert_in_range(plan.page.top, a ? 3980 : 1980, a ? 4020 : 2020);
    }
    end_stage(&stage);
}

/* A page shows that the list's part is another than the events so far told. */
static void test_the_part_is_learnt(void **state)
{
    static const char *const names[] = {"a", "b"};
    struct behind partition = {.unseen = 8000};
    struct stage stage = new_stage();
    (void)state;
    take_in(&stage, &partition, 600, names, 2, 1000);
    struct plan plan = next(&stage, &busy, 3000);
    const char *integration = plan.page.integration_id;
    assert_in_range(plan.page.top, 3980, 4020);
    struct page_seen seen = {.rows = PAGE, .total = 100000, .more = true};
    for (size_t i = 0; i < 100; i++) { /* those looked for, 100 rows above where they should be */
        struct record *record = stage.records[2 * i + (*integration == 'b')];
        uint32_t depth = plan.page.top - record->rank[false];
        planner_found(&plan.page, record, depth - 100 - (uint32_t)plan.page.offset, &seen);
        planner_remove(stage.planner, record);
        seen.live_hits++;
    }
    planner_page_done(stage.planner, &plan.page, &seen, 3000);
    do
        plan = next(&stage, &busy, 3000);
    while (plan.kind == PLAN_PAGE && strcmp(plan.page.integration_id, integration) != 0);
    assert_int_equal(plan.kind, PLAN_PAGE);
    assert_in_range(plan.page.top, 3880, 3920);
    end_stage(&stage);
}

/* Two pages that show nobody, and by their rows' times where those lie that they looked for: that
 * is put right once, and the next page looks there. */
static void test_a_page_tells_where_they_lie(void **state)
{
    static const char *const names[] = {"a", "b"};
    struct behind partition = {.unseen = 20000};
    struct stage stage = new_stage();
    struct plan plans[2];
    (void)state;
    take_in(&stage, &partition, 1000, names, 2, 1000);
    for (size_t i = 1; i < stage.count; i += 2) /* those of b are done with */
        planner_remove(stage.planner, stage.records[i]);
    for (int i = 0; i < 2; i++) {
        plans[i] = next(&stage, &busy, 3000);
        assert_int_equal(plans[i].kind, PLAN_PAGE);
        assert_string_equal(plans[i].page.integration_id, "a");
    }
    for (int i = 0; i < 2; i++) {
        struct page_seen seen = {.rows = PAGE,
                                 .total = 100000,
                                 .more = true,
                                 .past = true,
                                 .placed = true,
                                 .row = 12000 - (i == 0 ? 0 : 200)};
        planner_page_done(stage.planner, &plans[i].page, &seen, 3000);
    }
    struct plan plan = next(&stage, &busy, 3000);
    assert_int_equal(plan.kind, PLAN_PAGE);
    assert_string_equal(plan.page.integration_id, "a");
    assert_in_range(plan.page.offset, 12000 - PAGE, 12000);
    assert_true(plan.page.wanted > 0);
    end_stage(&stage);
}

/* Where requests cost nothing a page is no longer than what waits, and few records are worth one.
 */
static void test_short_pages(void **state)
{
    static const struct planner_budget unlimited = {.unlimited = true};
    static const char *const names[] = {"a"};
    struct behind partition = {.unseen = 1000};
    struct stage stage = new_stage();
    (void)state;
    take_in(&stage, &partition, 40, names, 1, 1000);
    struct plan plan = next(&stage, &unlimited, 1000);
    assert_int_equal(plan.kind, PLAN_PAGE);
    assert_int_equal(plan.page.limit, 40 + 2 * PAGE / 10); /* and margins */
    assert_int_equal(plan.page.offset, 1000 - 40 - PAGE / 10);
    assert_int_equal(plan.page.wanted, 40);
    answer(&stage, &plan.page, 40, 100000, true, false, 1000);
    partition.unseen = 0;
    take_in(&stage, &partition, 4, names, 1, 1100);
    plan = next(&stage, &unlimited, 1100);
    assert_page(plan, PAGES_LIVE, 0, "a", 0);
    assert_in_range(plan.page.limit, 4, 10);
    answer(&stage, &plan.page, 4, 100000, true, false, 1100);
    take_in(&stage, &partition, 1, names, 1, 1200);
    assert_int_equal(next(&stage, &unlimited, 1200).kind, PLAN_ID);
    end_stage(&stage);
}

/* After an assignment was taken away nothing of it is on top of what the next one brings. */
static void test_what_kafka_held_is_forgotten(void **state)
{
    static const char *const names[] = {"a"};
    struct behind partition = {.unseen = 5000};
    struct stage stage = new_stage();
    (void)state;
    take_in(&stage, &partition, 1000, names, 1, 1000);
    planner_clear(stage.planner);
    partition.unseen = 0;
    take_in(&stage, &partition, 100, names, 1, 2000);
    struct plan plan = next(&stage, &busy, 4000);
    assert_int_equal(plan.page.offset, 0);
    assert_int_equal(plan.page.wanted, 100);
    end_stage(&stage);
}

/* A whole sync: records change and are told of, pages show the list as it is when they are read. */
struct sync {
    int integrations;
    int rows; /* of the list, in all integrations */
    int changes;
    int records; /* among so many; 0 = each another */
    int low_percent;
    bool low_moves;
    int latency_ms;
    int delay_ms; /* of events */
    int requests_most;
    int64_t live_wait_most_ms;
};

#define ARRIVAL_MS  10000
#define REQUEST_MS  400 /* 150 a minute */
#define UNDER_WAY   8
#define LAST_ROW    (-1)
#define CHANGED_MS  1000000
#define LONG_ENOUGH 600000

struct row {
    struct record record;
    int next; /* in the list, the newest first */
    int previous;
    int64_t changed_ms;
    int64_t told_ms; /* 0 = nothing is to be told */
    bool low;
};

struct world {
    const struct sync *sync;
    struct stage stage;
    struct row *rows;
    int first;
    int changed;
    int open; /* changes not yet told or found */
    int requests;
    int64_t worst_ms; /* a live change's wait */
    struct random random;
    struct plan under_way[UNDER_WAY];
    int64_t due_ms[UNDER_WAY];
    uint64_t started[UNDER_WAY];
};

static const char *const integrations[] = {"a", "b", "c", "d", "e"};

static void to_top(struct world *world, int number)
{
    struct row *row = &world->rows[number];
    if (world->first == number)
        return;
    world->rows[row->previous].next = row->next;
    if (row->next != LAST_ROW)
        world->rows[row->next].previous = row->previous;
    row->next = world->first;
    world->rows[world->first].previous = number;
    world->first = number;
}

static struct world new_world(const struct sync *sync)
{
    struct world world = {.sync = sync, .stage = new_stage(), .random = random_from_seed(7)};
    world.rows = memory_new((size_t)sync->rows, sizeof *world.rows);
    for (int i = 0; i < sync->rows; i++) {
        world.rows[i].record.integration_id = integrations[i % sync->integrations];
        world.rows[i].next = i + 1 < sync->rows ? i + 1 : LAST_ROW;
        world.rows[i].previous = i - 1;
    }
    return world;
}

/* Each record once, in an order that has nothing to do with the list's; or any of some. */
static int choose(struct world *world)
{
    const struct sync *sync = world->sync;
    if (sync->records == 0)
        return (int)((int64_t)world->changed * 7919 % sync->rows);
    return (int)(random_next(&world->random) % (uint64_t)sync->records);
}

static void change(struct world *world, int64_t now_ms)
{
    int number = choose(world);
    struct row *row = &world->rows[number];
    bool low = (int)(random_next(&world->random) % 1000) < world->sync->low_percent * 10;
    world->changed++;
    if (row->told_ms == 0 && row->record.now.count == 0)
        world->open++;
    row->low = low;
    row->told_ms = now_ms + world->sync->delay_ms + (int64_t)(random_next(&world->random) % 40);
    if (!low || world->sync->low_moves) {
        row->changed_ms = now_ms;
        to_top(world, number);
    }
}

static void tell(struct world *world, struct row *row, int64_t now_ms)
{
    struct record *record = &row->record;
    row->told_ms = 0;
    record->joined = world->stage.tick;
    record->now.tells_more |= !row->low;
    if (record->now.count++ == 0) {
        record->now.first_ms = record->now.arrived_ms = now_ms;
        planner_add(world->stage.planner, record, now_ms);
    } else {
        planner_joined(world->stage.planner, record, now_ms);
    }
}

static void found(struct world *world, struct row *row, int64_t now_ms)
{
    int64_t waited = now_ms - row->record.now.first_ms;
    if (row->record.now.tells_more && waited > world->worst_ms)
        world->worst_ms = waited;
    row->record = (struct record){.integration_id = row->record.integration_id};
    world->open -= row->told_ms == 0;
}

static void read_page(struct world *world, int slot, int64_t now_ms)
{
    const struct page_ask *ask = &world->under_way[slot].page;
    struct page_seen seen = {.total = world->sync->rows};
    int64_t skipped = 0;
    int number = ask->kind == PAGES_SCAN ? 0 : world->first;
    int64_t at_ms = 0;
    for (; number != LAST_ROW && seen.rows < (uint32_t)ask->limit;
         number = ask->kind == PAGES_SCAN ? (number + 1 < world->sync->rows ? number + 1 : LAST_ROW)
                                          : world->rows[number].next) {
        struct row *row = &world->rows[number];
        if ((ask->integration_id != NULL && row->record.integration_id != ask->integration_id) ||
            skipped++ < ask->offset)
            continue;
        at_ms = row->changed_ms;
        if (seen.rows == 0)
            seen.below = at_ms < ask->since_ms - 5000;
        uint32_t place = seen.rows++;
        if (!planner_has(&row->record))
            continue;
        if (row->record.joined >= world->started[slot]) {
            seen.early++;
            if (row->record.now.count > 1)
                planner_passed_over(world->stage.planner, &row->record);
            continue;
        }
        bool low = row->record.queue == QUEUE_LOW;
        seen.low_hits += low;
        seen.live_hits += !low;
        planner_found(ask, &row->record, place, &seen);
        planner_remove(world->stage.planner, &row->record);
        found(world, row, now_ms);
    }
    seen.past = seen.rows == 0 || at_ms < ask->since_ms - 5000;
    seen.more = number != LAST_ROW;
    planner_page_done(world->stage.planner, ask, &seen, now_ms);
}

static void answer_due(struct world *world, int64_t now_ms)
{
    for (int slot = 0; slot < UNDER_WAY; slot++) {
        struct plan *plan = &world->under_way[slot];
        if (plan->kind == PLAN_NOTHING || now_ms < world->due_ms[slot])
            continue;
        world->stage.tick++;
        if (plan->kind == PLAN_PAGE)
            read_page(world, slot, now_ms);
        else
            found(world, (struct row *)(void *)plan->record, now_ms);
        plan->kind = PLAN_NOTHING;
    }
}

static void ask(struct world *world, int64_t now_ms)
{
    int slot = 0;
    while (slot < UNDER_WAY && world->under_way[slot].kind != PLAN_NOTHING)
        slot++;
    if (slot == UNDER_WAY)
        return;
    world->under_way[slot] = next(&world->stage, &busy, now_ms);
    if (world->under_way[slot].kind == PLAN_NOTHING)
        return;
    world->requests++;
    if (world->under_way[slot].kind == PLAN_ID)
        world->under_way[slot].record->state = RECORD_FETCHING;
    world->started[slot] = ++world->stage.tick;
    world->due_ms[slot] = now_ms + world->sync->latency_ms;
}

static void run(struct world *world)
{
    int64_t now_ms = CHANGED_MS;
    int64_t end_ms = CHANGED_MS + LONG_ENOUGH;
    do {
        int64_t passed = now_ms - CHANGED_MS;
        while (world->changed < world->sync->changes &&
               (int64_t)world->changed * ARRIVAL_MS < passed * world->sync->changes)
            change(world, now_ms);
        for (int i = 0; i < world->sync->rows; i++) {
            if (world->rows[i].told_ms != 0 && world->rows[i].told_ms <= now_ms &&
                world->rows[i].record.state == RECORD_WAITING)
                tell(world, &world->rows[i], now_ms);
        }
        answer_due(world, now_ms);
        if (passed % REQUEST_MS == 0)
            ask(world, now_ms);
        now_ms += 20;
    } while ((world->open > 0 || world->changed < world->sync->changes) && now_ms < end_ms);
}

static void test_whole_syncs(void **state)
{
    static const struct sync syncs[] = {
        {5, 40000, 10000, 0, 0, true, 100, 100, 55, 15000},     /* each record once */
        {1, 40000, 10000, 0, 0, true, 100, 100, 60, 25000},     /* all of one integration */
        {5, 40000, 10000, 20000, 0, true, 100, 100, 55, 20000}, /* a quarter of them again */
        {5, 40000, 10000, 5000, 0, true, 100, 100, 100, 40000}, /* each twice and more */
        {5, 40000, 10000, 0, 20, true, 100, 100, 55, 20000},    /* a fifth is low, and moves rows */
        {1, 10000, 10000, 0, 98, false, 100, 100, 75, 10000},   /* the low ones do not */
        {5, 10000, 10000, 0, 98, false, 100, 100, 75, 10000},
        {5, 40000, 10000, 0, 0, true, 2000, 100, 65, 25000},  /* a slow API */
        {5, 40000, 10000, 0, 0, true, 100, 2000, 65, 25000},  /* slow events */
        {5, 40000, 10000, 0, 0, true, 1000, 1000, 65, 25000}, /* both */
        {5, 40000, 1000, 0, 0, true, 100, 100, 30, 20000},    /* few of each */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(syncs); i++) {
        struct world world = new_world(&syncs[i]);
        run(&world);
        print_message("%d requests, a live change waited %d ms at most\n", world.requests,
                      (int)world.worst_ms);
        assert_int_equal(world.open, 0);
        assert_true(world.requests <= syncs[i].requests_most);
        assert_true(world.worst_ms <= syncs[i].live_wait_most_ms);
        end_stage(&world.stage);
        free(world.rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holes_change_nothing),
        cmocka_unit_test(test_a_second_event),
        cmocka_unit_test(test_misplaced),
        cmocka_unit_test(test_below_what_kafka_holds),
        cmocka_unit_test(test_a_part_of_what_kafka_holds),
        cmocka_unit_test(test_the_part_is_learnt),
        cmocka_unit_test(test_a_page_tells_where_they_lie),
        cmocka_unit_test(test_short_pages),
        cmocka_unit_test(test_what_kafka_held_is_forgotten),
        cmocka_unit_test(test_whole_syncs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
