/* The stale rule: no copy whose request started before the last published copy's request ended. */
#include "tests/unit/unit.h"

#include "bridge/base/memory.h"
#include "bridge/base/random.h"
#include "bridge/enricher/recency.h"

static bool publish(struct recency *recency, const char *key, uint64_t start, uint64_t end)
{
    return recency_publish(recency, key, strlen(key), start, end);
}

static void test_one_after_the_other(void **state)
{
    struct recency *recency = recency_new();
    (void)state;
    for (int i = 0; i < 3; i++) {
        uint64_t start = recency_start(recency);
        uint64_t end = recency_end(recency);
        assert_true(start < end);
        assert_true(publish(recency, "r", start, end));
        recency_close(recency, start);
        assert_int_equal(recency_kept(recency), 0);
    }
    recency_free(recency);
    recency_free(NULL);
}

/* The second started before the first ended: whichever is published first, the other is stale. */
static void test_overlapping(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        struct recency *recency = recency_new();
        uint64_t start[2];
        uint64_t end[2];
        for (int i = 0; i < 2; i++)
            start[i] = recency_start(recency);
        end[first] = recency_end(recency);
        assert_true(publish(recency, "r", start[first], end[first]));
        recency_close(recency, start[first]);
        assert_int_equal(recency_kept(recency), 1);
        end[!first] = recency_end(recency);
        assert_false(publish(recency, "r", start[!first], end[!first]));
        assert_true(publish(recency, "another", start[!first], end[!first]));
        recency_close(recency, start[!first]);
        assert_int_equal(recency_kept(recency), 0);
        recency_free(recency);
    }
}

/* A copy that was refused is not the last published one. */
static void test_refused_counts_for_nothing(void **state)
{
    struct recency *recency = recency_new();
    (void)state;
    uint64_t slow = recency_start(recency);
    uint64_t quick = recency_start(recency);
    assert_true(publish(recency, "r", quick, recency_end(recency)));
    recency_close(recency, quick);
    uint64_t late = recency_start(recency);
    assert_false(publish(recency, "r", slow, recency_end(recency)));
    recency_close(recency, slow);
    assert_true(publish(recency, "r", late, recency_end(recency)));
    recency_close(recency, late);
    assert_int_equal(recency_kept(recency), 0);
    recency_free(recency);
}

/* A page: many records of one request; keys are bytes, and one may begin another. */
static void test_many_records_of_one_request(void **state)
{
    static const struct {
        const char *key;
        size_t length;
    } keys[] = {{"a", 1}, {"a\0b", 3}, {"a\0c", 3}, {"ab", 2}, {"", 0}};
    struct recency *recency = recency_new();
    (void)state;
    uint64_t old = recency_start(recency);
    uint64_t page = recency_start(recency);
    uint64_t end = recency_end(recency);
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        assert_true(recency_publish(recency, keys[i].key, keys[i].length, page, end));
        assert_int_equal(recency_kept(recency), i + 1);
    }
    recency_close(recency, page);
    assert_int_equal(recency_kept(recency), ARRAY_LENGTH(keys));
    end = recency_end(recency);
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
        assert_false(recency_publish(recency, keys[i].key, keys[i].length, old, end));
    recency_close(recency, old);
    assert_int_equal(recency_kept(recency), 0);
    recency_free(recency);
}

static void test_clear(void **state)
{
    struct recency *recency = recency_new();
    (void)state;
    uint64_t slow = recency_start(recency);
    uint64_t quick = recency_start(recency);
    assert_true(publish(recency, "r", quick, recency_end(recency)));
    recency_clear(recency);
    assert_int_equal(recency_kept(recency), 0);
    /* Ticks go on, so nothing from before can be taken for something from after. */
    uint64_t after = recency_start(recency);
    assert_true(after > slow && after > quick);
    assert_true(publish(recency, "r", after, recency_end(recency)));
    recency_close(recency, after);
    assert_int_equal(recency_kept(recency), 0);
    recency_free(recency);
}

#define RECORDS  20
#define REQUESTS 12
#define STEPS    30000

/* Random requests under way, each about one record or all, against the rule with a memory that
 * forgets nothing. */
static void test_against_model(void **state)
{
    struct recency *recency = recency_new();
    struct random random = random_from_seed(4);
    uint64_t last_end[RECORDS] = {0};
    uint64_t under_way[REQUESTS] = {0};
    size_t refused = 0;
    (void)state;
    for (int step = 0; step < STEPS; step++) {
        uint64_t *start = &under_way[random_between(&random, 0, REQUESTS - 1)];
        if (*start == 0) {
            *start = recency_start(recency);
            continue;
        }
        uint64_t end = recency_end(recency);
        int64_t from = random_between(&random, 0, RECORDS - 1);
        int64_t to = random_between(&random, 0, 9) == 0 ? RECORDS - 1 : from;
        for (int64_t i = from; i <= to; i++) {
            bool allowed = *start >= last_end[i];
            assert_int_equal(recency_publish(recency, (char *)&i, sizeof i, *start, end), allowed);
            if (allowed)
                last_end[i] = end;
            refused += !allowed;
        }
        recency_close(recency, *start);
        *start = 0;
        assert_true(recency_kept(recency) <= RECORDS);
    }
    assert_true(refused > STEPS / 100);
    for (size_t i = 0; i < REQUESTS; i++) {
        if (under_way[i] != 0)
            recency_close(recency, under_way[i]);
    }
    assert_int_equal(recency_kept(recency), 0);
    recency_free(recency);
}

/* What is kept follows the requests under way, not the records ever published. */
static void test_kept_is_bounded(void **state)
{
    struct recency *recency = recency_new();
    (void)state;
    uint64_t previous = recency_start(recency);
    for (int i = 0; i < 10000; i++) {
        uint64_t start = recency_start(recency);
        assert_true(recency_publish(recency, (char *)&i, sizeof i, previous, recency_end(recency)));
        recency_close(recency, previous);
        assert_true(recency_kept(recency) <= 2);
        previous = start;
    }
    recency_close(recency, previous);
    assert_int_equal(recency_kept(recency), 0);
    recency_free(recency);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_after_the_other),
        cmocka_unit_test(test_overlapping),
        cmocka_unit_test(test_refused_counts_for_nothing),
        cmocka_unit_test(test_many_records_of_one_request),
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_kept_is_bounded),
    };
    return cmocka_run_group_tests_name("recency", tests, NULL, NULL);
}
