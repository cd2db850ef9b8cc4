/* What the enricher keeps on disk: by partition number, so that what is given up can be caught up.
 */
#include "tests/unit/enricher_fixture.h"

static void assert_state(struct cache *cache, int number, const char *id, const char *wanted)
{
    const char *text = NULL;
    size_t length = 0;
    bool found = cache_state(cache, number, "m", id, &text, &length);
    assert_int_equal(found, wanted != NULL);
    if (found) {
        assert_int_equal(length, strlen(wanted));
        assert_memory_equal(text, wanted, length);
    }
}

static void test_states(void **state)
{
    struct cache *cache = open_cache();
    char id[3][600];
    (void)state;
    for (int i = 0; i < 3;
         i++) { /* longer than a key of the store may be, and different at the end */
        memset(id[i], 'i', sizeof id[i] - 1);
        id[i][598] = (char)('0' + i);
        id[i][599] = '\0';
    }
    cache_put_state(cache, 1, "m", "a", "one", 3);
    cache_put_state(cache, 2, "m", "a", "two", 3);
    cache_put_state(cache, 1, "m", id[0], "long", 4);
    cache_put_state(cache, 1, "m", id[1], "longer", 6);
    assert_state(cache, 1, "a", "one");
    assert_state(cache, 2, "a", "two");
    assert_state(cache, 3, "a", NULL);
    assert_state(cache, 1, id[0], "long");
    assert_state(cache, 1, id[1], "longer");
    assert_state(cache, 1, id[2], NULL);
    cache_put_state(cache, 2, "m", "a", NULL, 0);
    assert_state(cache, 2, "a", NULL);
    cache_drop_states(cache, 1);
    assert_state(cache, 1, "a", NULL);
    assert_state(cache, 1, id[0], NULL);
    assert_true(cache_flush(cache));
    cache_close(cache);
    cache_close(NULL);
}

static void test_parents_and_offsets(void **state)
{
    struct cache *cache = open_cache();
    cJSON *parents = cJSON_Parse("{\"resident_id\":\"r\"}");
    (void)state;
    assert_null(cache_parents(cache, 0, "m", "a"));
    cache_put_parents(cache, 0, "m", "a", parents);
    cache_put_parents(cache, 0, "n", "a", parents);
    cJSON *found = cache_parents(cache, 0, "m", "a");
    assert_true(cJSON_Compare(found, parents, true));
    cJSON_Delete(found);
    cache_drop_parents(cache, 0, "m");
    assert_null(cache_parents(cache, 0, "m", "a"));
    found = cache_parents(cache, 0, "n", "a");
    assert_non_null(found);
    cJSON_Delete(found);
    cJSON_Delete(parents);
    assert_true(cache_offset(cache, "t", 0) == 0);
    cache_put_offset(cache, "t", 0, INT64_C(1) << 40);
    cache_put_offset(cache, "t", 1, 7);
    assert_true(cache_offset(cache, "t", 0) == INT64_C(1) << 40);
    assert_true(cache_offset(cache, "t", 1) == 7);
    assert_true(cache_offset(cache, "u", 1) == 0);
    cache_close(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_parents_and_offsets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
