/* How old the oldest open event of a partition is, from a few marks. */
#include "tests/unit/unit.h"

#include "bridge/base/random.h"
#include "bridge/enricher/age.h"

static void test_few(void **state)
{
    struct age age = {0};
    (void)state;
    assert_int_equal(age_oldest(&age, 0, 0), 0);
    age_take(&age, 10, 5000);
    age_take(&age, 11, 5500); /* too near for a mark of its own */
    age_take(&age, 12, 7000);
    assert_int_equal(age_oldest(&age, 10, 13), 5000);
    assert_int_equal(age_oldest(&age, 11, 13), 5000);
    assert_int_equal(age_oldest(&age, 12, 13), 7000);
    assert_int_equal(age_oldest(&age, 13, 13), 0);
    assert_int_equal(age_oldest(&age, 13, 14), 0); /* what is open told no time */
    age_take(&age, 14, 6000);                      /* the clock went back */
    assert_int_equal(age_oldest(&age, 14, 15), 6000);
}

/* Never younger than it is, and not much older: by as much as the marks lie apart. */
static void test_many(void **state)
{
    enum { EVENTS = 20000 };
    static int64_t times[EVENTS];
    struct random random = random_from_seed(3);
    struct age age = {0};
    int64_t watermark = 0;
    (void)state;
    for (int i = 0; i < EVENTS; i++) {
        times[i] = (i == 0 ? 1000000 : times[i - 1]) + random_between(&random, 0, 2000);
        age_take(&age, i, times[i]);
        if (random_between(&random, 0, 99) != 0)
            continue;
        watermark = random_between(&random, watermark, i);
        int64_t told = age_oldest(&age, watermark, i + 1);
        assert_in_range(told, 1, times[watermark]);
        assert_true(times[watermark] - told <= age.step_ms + 2000);
        assert_true(age.count <= AGE_MARKS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests_name("age", tests, NULL, NULL);
}
