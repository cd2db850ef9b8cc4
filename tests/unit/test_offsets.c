/* The watermark: it never passes an event whose work is open, and otherwise goes as far as it can.
 */
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "bridge/base/memory.h"
#include "bridge/base/random.h"
#include "bridge/enricher/offsets.h"

static void test_nothing_taken(void **state)
{
    struct offsets *offsets = offsets_new(3);
    (void)state;
    for (int slot = 0; slot < 3; slot++) {
        assert_int_equal(offsets_watermark(offsets, slot), -1);
        assert_int_equal(offsets_open(offsets, slot), 0);
    }
    assert_int_equal(offsets_open_in_all(offsets), 0);
    offsets_free(offsets);
    offsets_free(NULL);
}

/* Offsets are taken in this order, done in that; the watermark after each done is listed. */
static void test_orders(void **state)
{
    static const struct {
        size_t count;
        int64_t taken[5];
        int64_t done[5];
        int64_t watermarks[5];
    } rows[] = {
        {1, {0}, {0}, {1}},
        {1, {41}, {41}, {42}},
        {3, {5, 6, 7}, {5, 6, 7}, {6, 7, 8}},
        {3, {5, 6, 7}, {7, 6, 5}, {5, 5, 8}},
        {3, {5, 6, 7}, {6, 5, 7}, {5, 7, 8}},
        /* gaps, as transaction markers leave them */
        {3, {5, 7, 20}, {5, 7, 20}, {7, 20, 21}},
        {3, {5, 7, 20}, {20, 5, 7}, {5, 7, 21}},
        {5, {1, 2, 3, 4, 5}, {3, 5, 1, 2, 4}, {1, 1, 2, 4, 6}},
        {2,
         {INT64_C(1) << 40, (INT64_C(1) << 40) + 9},
         {INT64_C(1) << 40, (INT64_C(1) << 40) + 9},
         {(INT64_C(1) << 40) + 9, (INT64_C(1) << 40) + 10}},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct offsets *offsets = offsets_new(1);
        for (size_t k = 0; k < rows[i].count; k++) {
            offsets_take(offsets, 0, rows[i].taken[k], 1);
            assert_int_equal(offsets_watermark(offsets, 0), rows[i].taken[0]);
            assert_int_equal(offsets_open(offsets, 0), k + 1);
        }
        for (size_t k = 0; k < rows[i].count; k++) {
            offsets_done(offsets, 0, rows[i].done[k]);
            assert_int_equal(offsets_watermark(offsets, 0), rows[i].watermarks[k]);
            assert_int_equal(offsets_open(offsets, 0), rows[i].count - k - 1);
        }
        offsets_free(offsets);
    }
}

static void test_partitions_are_apart(void **state)
{
    struct offsets *offsets = offsets_new(2);
    (void)state;
    offsets_take(offsets, 0, 10, 1);
    offsets_take(offsets, 1, 10, 1);
    offsets_take(offsets, 1, 11, 1);
    assert_int_equal(offsets_open_in_all(offsets), 3);
    offsets_done(offsets, 1, 10);
    assert_int_equal(offsets_watermark(offsets, 0), 10);
    assert_int_equal(offsets_watermark(offsets, 1), 11);
    assert_int_equal(offsets_open(offsets, 0), 1);
    assert_int_equal(offsets_open(offsets, 1), 1);
    assert_int_equal(offsets_open_in_all(offsets), 2);
    offsets_clear(offsets);
    for (int slot = 0; slot < 2; slot++) {
        assert_int_equal(offsets_watermark(offsets, slot), -1);
        assert_int_equal(offsets_open(offsets, slot), 0);
    }
    assert_int_equal(offsets_open_in_all(offsets), 0);
    /* The same offsets may come again, also lower ones. */
    offsets_take(offsets, 1, 9, 1);
    offsets_done(offsets, 1, 9);
    assert_int_equal(offsets_watermark(offsets, 1), 10);
    offsets_free(offsets);
}

/* True when doing `offset` in a process of its own ends it by abort(). */
static bool aborts(struct offsets *offsets, int64_t offset)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)close(STDERR_FILENO);
        offsets_done(offsets, 0, offset);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_wrong_offsets_end_the_process(void **state)
{
    struct offsets *offsets = offsets_new(1);
    (void)state;
    assert_true(aborts(offsets, 0));
    for (int64_t offset = 10; offset <= 16; offset += 2)
        offsets_take(offsets, 0, offset, 1);
    offsets_done(offsets, 0, 10);
    offsets_done(offsets, 0, 14);
    for (int64_t offset = 8; offset <= 18; offset++)
        assert_int_equal(aborts(offsets, offset), offset != 12 && offset != 16);
    offsets_free(offsets);
}

/* One event stays open while many come and go; the gaps they leave do not move the watermark. */
static void test_one_holds_the_watermark(void **state)
{
    enum { MANY = 100000 };
    struct offsets *offsets = offsets_new(1);
    (void)state;
    offsets_take(offsets, 0, 0, 1);
    for (int64_t offset = 1; offset <= MANY; offset++) {
        offsets_take(offsets, 0, offset, 1);
        if (offset % 1000 != 0)
            offsets_done(offsets, 0, offset);
        assert_int_equal(offsets_watermark(offsets, 0), 0);
        assert_int_equal(offsets_open(offsets, 0), 1 + offset / 1000);
    }
    offsets_done(offsets, 0, 0);
    for (int64_t offset = 1000; offset <= MANY; offset += 1000) {
        assert_int_equal(offsets_watermark(offsets, 0), offset);
        offsets_done(offsets, 0, offset);
    }
    assert_int_equal(offsets_watermark(offsets, 0), MANY + 1);
    offsets_free(offsets);
}

#define EVENTS 4000

struct model {
    int64_t offset[EVENTS];
    bool done[EVENTS];
    size_t first; /* not done */
    size_t count;
};

static int64_t model_watermark(const struct model *model)
{
    for (size_t i = model->first; i < model->count; i++) {
        if (!model->done[i])
            return model->offset[i];
    }
    return model->count == 0 ? -1 : model->offset[model->count - 1] + 1;
}

/* Some open event of the model, mostly an early one; SIZE_MAX when there is none. */
static size_t choose_open(struct model *model, struct random *random)
{
    while (model->first < model->count && model->done[model->first])
        model->first++;
    if (model->first == model->count)
        return SIZE_MAX;
    int64_t last = (int64_t)model->count - 1;
    int64_t limit = (int64_t)model->first + random_between(random, 0, 300);
    size_t i = (size_t)random_between(random, (int64_t)model->first, limit < last ? limit : last);
    while (model->done[i])
        i = i == model->first ? model->count - 1 : i - 1;
    return i;
}

/* Random taking and finishing in two partitions, against a list of everything. */
static void test_against_model(void **state)
{
    struct random random = random_from_seed(2);
    struct offsets *offsets = offsets_new(2);
    struct model *models = memory_new(2, sizeof *models);
    int64_t next[2] = {0, 1000000};
    size_t open[2] = {0, 0};
    (void)state;
    for (int step = 0; step < 4 * EVENTS || open[0] + open[1] > 0; step++) {
        int slot = (int)random_between(&random, 0, 1);
        struct model *model = &models[slot];
        bool take = model->count < EVENTS && random_between(&random, 0, 99) < 55;
        size_t i = take ? SIZE_MAX : choose_open(model, &random);
        if (take) {
            offsets_take(offsets, slot, next[slot], 1);
            model->offset[model->count++] = next[slot];
            next[slot] += random_between(&random, 0, 9) == 0 ? 3 : 1;
            open[slot]++;
        } else if (i != SIZE_MAX) {
            offsets_done(offsets, slot, model->offset[i]);
            model->done[i] = true;
            open[slot]--;
        }
        assert_int_equal(offsets_watermark(offsets, slot), model_watermark(model));
        assert_int_equal(offsets_open(offsets, slot), open[slot]);
        assert_int_equal(offsets_open_in_all(offsets), open[0] + open[1]);
    }
    assert_int_equal(models[0].count, EVENTS);
    assert_int_equal(offsets_watermark(offsets, 1), models[1].offset[EVENTS - 1] + 1);
    free(models);
    offsets_free(offsets);
}

/* An event that changes several records is done with the last of them. */
static void test_parts(void **state)
{
    struct offsets *offsets = offsets_new(1);
    (void)state;
    offsets_take(offsets, 0, 5, 2);
    offsets_take(offsets, 0, 6, 1);
    assert_int_equal(offsets_open(offsets, 0), 3);
    offsets_done(offsets, 0, 5);
    assert_int_equal(offsets_watermark(offsets, 0), 5);
    offsets_done(offsets, 0, 6);
    assert_int_equal(offsets_watermark(offsets, 0), 5);
    assert_int_equal(offsets_open_in_all(offsets), 1);
    offsets_done(offsets, 0, 5);
    assert_int_equal(offsets_watermark(offsets, 0), 7);
    assert_int_equal(offsets_open_in_all(offsets), 0);
    offsets_free(offsets);
}

/* Of one owner, what is open before an offset. */
static void test_open_of_an_owner(void **state)
{
    struct offsets *offsets = offsets_new(2);
    (void)state;
    assert_int_equal(offsets_reached(offsets, 1), -1);
    offsets_begin(offsets, 1, 10);
    assert_int_equal(offsets_reached(offsets, 1), 10);
    assert_int_equal(offsets_watermark(offsets, 1), 10);
    for (int64_t offset = 10; offset < 20; offset++) {
        offsets_take(offsets, 1, offset, 1);
        offsets_tag(offsets, 1, offset, offset % 2 == 0 ? 7 : 8);
    }
    offsets_tag(offsets, 1, 12, 8); /* not the last: nothing changes */
    assert_int_equal(offsets_reached(offsets, 1), 20);
    assert_int_equal(offsets_open_from(offsets, 1, 0, 20, 7), 10);
    assert_int_equal(offsets_open_from(offsets, 1, 11, 20, 7), 12);
    assert_int_equal(offsets_open_from(offsets, 1, 11, 12, 7), -1);
    assert_int_equal(offsets_open_from(offsets, 1, 0, 20, 9), -1);
    assert_int_equal(offsets_open_from(offsets, 0, 0, 20, 7), -1);
    offsets_done(offsets, 1, 12);
    offsets_done(offsets, 1, 10);
    assert_int_equal(offsets_open_from(offsets, 1, 0, 20, 7), 14);
    offsets_done(offsets, 1, 14);
    offsets_done(offsets, 1, 16);
    offsets_done(offsets, 1, 18);
    assert_int_equal(offsets_open_from(offsets, 1, 0, 20, 7), -1);
    assert_int_equal(offsets_open_from(offsets, 1, 0, 20, 8), 11);
    offsets_free(offsets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_taken),
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_partitions_are_apart),
        cmocka_unit_test(test_wrong_offsets_end_the_process),
        cmocka_unit_test(test_one_holds_the_watermark),
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_open_of_an_owner),
    };
    return cmocka_run_group_tests_name("offsets", tests, NULL, NULL);
}
