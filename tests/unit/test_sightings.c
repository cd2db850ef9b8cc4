/* What was seen of a record is found again, however long its id is. */
#include "tests/unit/unit.h"

#include "bridge/commands/sightings.h"

static struct sightings *open_sightings(void)
{
    struct error error;
    struct sightings *sightings = sightings_open(&error);
    if (sightings == NULL)
        fail_msg("%s", error.message);
    return sightings;
}

/* Ids of all lengths; two of each that differ in their last byte. */
static void make_id(size_t number, char id[WEBHOOK_ID_MAXIMUM + 1])
{
    size_t length = number / 2 + 1;
    memset(id, 'i', length);
    id[length - 1] = number % 2 == 0 ? 'a' : 'b';
    id[length] = '\0';
}

#define IDS ((size_t)2 * WEBHOOK_ID_MAXIMUM)

static void test_ids_of_all_lengths(void **state)
{
    struct sightings *sightings = open_sightings();
    struct sightings_cursor cursor = {0};
    struct sighting sighting;
    struct error error;
    char id[WEBHOOK_ID_MAXIMUM + 1];
    size_t count = 0;
    (void)state;
    for (size_t i = 0; i < IDS; i++) {
        make_id(i, id);
        assert_false(sightings_get(sightings, id, &sighting));
        assert_string_equal(sighting.id, id);
        sighting.standing.topic = i;
        sighting.early = i % 3 == 0;
        sighting.in_scope = i % 5 == 0;
        sighting_name(sighting.integration_id, id);
        sightings_put(sightings, &sighting);
        suspects_put(sightings, id, (struct standing){i, i + 1});
    }
    for (size_t i = 0; i < IDS; i++) {
        make_id(i, id);
        assert_true(sightings_get(sightings, id, &sighting));
        assert_int_equal(sighting.standing.topic, i);
        assert_int_equal(sighting.early, i % 3 == 0);
        assert_int_equal(sighting.in_scope, i % 5 == 0);
        assert_string_equal(sighting.integration_id, id);
    }
    while (sightings_next(sightings, &cursor, &sighting)) {
        make_id((size_t)sighting.standing.topic, id);
        assert_string_equal(sighting.id, id);
        count++;
    }
    assert_int_equal(count, IDS);
    assert_true(sightings_work(sightings, &error));
    sightings_close(sightings);
}

static void test_suspects(void **state)
{
    struct sightings *sightings = open_sightings();
    struct sightings_cursor cursor = {0};
    struct sighting sighting;
    struct standing standing;
    char id[WEBHOOK_ID_MAXIMUM + 1];
    size_t count = 0;
    (void)state;
    for (size_t i = 0; i < IDS; i++) {
        make_id(i, id);
        (void)sightings_get(sightings, id, &sighting);
        sighting.standing.api = i;
        sightings_put(sightings, &sighting);
        if (i % 2 == 0)
            suspects_put(sightings, id, (struct standing){1, i});
    }
    suspects_put(sightings, "a", (struct standing){2, 2});
    assert_int_equal(suspects_count(sightings), IDS / 2);
    assert_true(suspects_get(sightings, "a", &standing));
    assert_int_equal(standing.topic, 2);
    assert_false(suspects_get(sightings, "b", &standing));
    while (suspects_next(sightings, &cursor, &sighting)) { /* the one at hand goes */
        assert_int_equal(sighting.standing.api % 2, 0);
        suspects_remove(sightings, sighting.id);
        count++;
    }
    assert_int_equal(count, IDS / 2);
    assert_int_equal(suspects_count(sightings), 0);
    suspects_remove(sightings, "a");
    assert_int_equal(suspects_count(sightings), 0);
    sightings_close(sightings);
    sightings_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_of_all_lengths),
        cmocka_unit_test(test_suspects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
