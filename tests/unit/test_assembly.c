/* Records put together from webhooks: whatever the order, the repeats and the gaps, the end is the
 * truth. */
#include "tests/unit/unit.h"

#include "bridge/base/memory.h"
#include "bridge/base/random.h"
#include "bridge/enricher/assembly.h"
#include "bridge/enricher/seen.h"

#define TEXT_MAXIMUM ((size_t)1 << 20)

static cJSON *json(const char *text)
{
    cJSON *value = cJSON_Parse(text);
    assert_non_null(value);
    return value;
}

static enum assembly_verdict take(struct assembly *assembly, const char *diff, const char *payload)
{
    cJSON *d = diff == NULL ? NULL : json(diff);
    cJSON *p = payload == NULL ? NULL : json(payload);
    enum assembly_verdict verdict = assembly_take(assembly, d, p);
    cJSON_Delete(d);
    cJSON_Delete(p);
    return verdict;
}

static void assert_field(const struct assembly *assembly, const char *name, const char *value)
{
    cJSON *record = assembly_record(assembly);
    cJSON *wanted = json(value);
    assert_true(cJSON_Compare(cJSON_GetObjectItemCaseSensitive(record, name), wanted, true));
    cJSON_Delete(wanted);
    cJSON_Delete(record);
}

/* What becomes of a field after a few events, without anything to settle. */
static void test_single_steps(void **state)
{
    static const struct {
        const char *payload; /* of a DATA_NEW that comes first; NULL = none */
        const char *diffs[3];
        enum assembly_verdict last;
        const char *value; /* of the field a */
    } rows[] = {
        {"{\"a\":1}", {NULL}, ASSEMBLY_CHANGED, "1"},
        {NULL, {"{\"new\":{\"a\":2},\"previous\":{\"a\":1}}"}, ASSEMBLY_CHANGED, "2"},
        {"{\"a\":1}", {"{\"new\":{\"a\":2},\"previous\":{\"a\":1}}"}, ASSEMBLY_CHANGED, "2"},
        /* does not follow on what is known */
        {"{\"a\":1}", {"{\"new\":{\"a\":3},\"previous\":{\"a\":2}}"}, ASSEMBLY_CONFLICT, "1"},
        /* tells nothing of the value before */
        {"{\"a\":1}", {"{\"new\":{\"a\":3}}"}, ASSEMBLY_CONFLICT, "1"},
        /* the same again, though it would match */
        {"{\"a\":1}",
         {"{\"new\":{\"a\":2},\"previous\":{\"a\":1}}",
          "{\"new\":{\"a\":1},\"previous\":{\"a\":2}}",
          "{\"new\":{\"a\":2},\"previous\":{\"a\":1}}"},
         ASSEMBLY_CONFLICT,
         "1"},
        /* no DATA_NEW told how the field began */
        {NULL,
         {"{\"new\":{\"a\":2},\"previous\":{\"a\":1}}",
          "{\"new\":{\"a\":3},\"previous\":{\"a\":2}}"},
         ASSEMBLY_CONFLICT,
         "2"},
        /* times decide */
        {NULL,
         {"{\"new\":{\"a\":3,\"updated_at\":\"2026-01-01T00:00:03Z\"},\"previous\":{\"a\":2}}",
          "{\"new\":{\"a\":2,\"updated_at\":\"2026-01-01T00:00:02Z\"},\"previous\":{\"a\":1}}"},
         ASSEMBLY_OLD,
         "3"},
        {NULL,
         {"{\"new\":{\"a\":3,\"updated_at\":\"2026-01-01T00:00:03Z\"},\"previous\":{\"a\":2}}",
          "{\"new\":{\"a\":5,\"updated_at\":\"2026-01-01T00:00:04Z\"},\"previous\":{\"a\":4}}"},
         ASSEMBLY_CHANGED,
         "5"},
        /* a replay of a timed one */
        {NULL,
         {"{\"new\":{\"a\":3,\"updated_at\":\"2026-01-01T00:00:03Z\"},\"previous\":{\"a\":2}}",
          "{\"new\":{\"a\":3,\"updated_at\":\"2026-01-01T00:00:03Z\"},\"previous\":{\"a\":2}}"},
         ASSEMBLY_OLD,
         "3"},
        /* two changes of one moment */
        {NULL,
         {"{\"new\":{\"a\":3,\"updated_at\":\"2026-01-01T00:00:03Z\"},\"previous\":{\"a\":2}}",
          "{\"new\":{\"a\":4,\"updated_at\":\"2026-01-01T00:00:03Z\"},\"previous\":{\"a\":3}}"},
         ASSEMBLY_CONFLICT,
         "3"},
        /* an equal value told later moves the field's time */
        {NULL,
         {"{\"new\":{\"a\":3,\"updated_at\":\"2026-01-01T00:00:03Z\"},\"previous\":{\"a\":2}}",
          "{\"new\":{\"a\":3,\"updated_at\":\"2026-01-01T00:00:09Z\"},\"previous\":{\"a\":4}}",
          "{\"new\":{\"a\":4,\"updated_at\":\"2026-01-01T00:00:05Z\"},\"previous\":{\"a\":3}}"},
         ASSEMBLY_OLD,
         "3"},
        /* an untimed one behind a timed one */
        {NULL,
         {"{\"new\":{\"a\":3,\"updated_at\":\"2026-01-01T00:00:03Z\"},\"previous\":{\"a\":2}}",
          "{\"new\":{\"a\":4},\"previous\":{\"a\":3}}"},
         ASSEMBLY_CONFLICT,
         "3"},
        {"{\"a\":1}", {"{\"new\":{},\"previous\":{}}"}, ASSEMBLY_OLD, "1"},
        {"{\"a\":1}", {"{\"new\":7}"}, ASSEMBLY_OLD, "1"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct assembly *assembly = assembly_new("r1", "i1");
        enum assembly_verdict verdict = ASSEMBLY_OLD;
        if (rows[i].payload != NULL)
            verdict = take(assembly, NULL, rows[i].payload);
        for (size_t k = 0; k < ARRAY_LENGTH(rows[i].diffs) && rows[i].diffs[k] != NULL; k++)
            verdict = take(assembly, rows[i].diffs[k], NULL);
        if (verdict != rows[i].last)
            fail_msg("row %zu: verdict %d", i, (int)verdict);
        assert_field(assembly, "a", rows[i].value);
        assembly_free(assembly);
    }
}

static void test_a_late_new_fills_in_only(void **state)
{
    struct assembly *assembly = assembly_new("r1", "i1");
    (void)state;
    assert_int_equal(take(assembly, "{\"new\":{\"a\":2},\"previous\":{\"a\":1}}", NULL),
                     ASSEMBLY_CHANGED);
    assert_int_equal(take(assembly, NULL, "{\"a\":1,\"b\":\"x\"}"), ASSEMBLY_CHANGED);
    assert_field(assembly, "a", "2");
    assert_field(assembly, "b", "\"x\"");
    assert_int_equal(take(assembly, NULL, "{\"a\":1,\"b\":\"x\"}"), ASSEMBLY_OLD);
    assembly_free(assembly);
}

static void test_clocks_only_rise(void **state)
{
    struct assembly *assembly = assembly_new("r1", "i1");
    (void)state;
    assert_int_equal(take(assembly, "{\"new\":{\"last_seen\":\"2026-01-02T00:00:00Z\"}}", NULL),
                     ASSEMBLY_CHANGED);
    assert_int_equal(take(assembly, "{\"new\":{\"last_seen\":\"2026-01-01T00:00:00Z\"}}", NULL),
                     ASSEMBLY_OLD);
    assert_int_equal(take(assembly, "{\"new\":{\"last_seen\":\"2026-01-03T00:00:00Z\"}}", NULL),
                     ASSEMBLY_CHANGED);
    assert_field(assembly, "last_seen", "\"2026-01-03T00:00:00Z\"");
    assembly_free(assembly);
}

static void hear(struct assembly *assembly, const char *item)
{
    cJSON *value = json(item);
    assembly_hear(assembly, value);
    cJSON_Delete(value);
}

static void test_settling(void **state)
{
    struct assembly *assembly = assembly_new("r1", "i1");
    (void)state;
    assert_int_equal(take(assembly, NULL, "{\"a\":1,\"b\":1,\"c\":1}"), ASSEMBLY_CHANGED);
    assert_int_equal(
        take(assembly, "{\"new\":{\"a\":7,\"b\":7,\"c\":2},\"previous\":{\"a\":6,\"b\":6,\"c\":1}}",
             NULL),
        ASSEMBLY_CONFLICT);
    assert_field(assembly, "c", "2"); /* only what is in doubt waits */
    assert_false(assembly_is_settled(assembly, 0));
    hear(assembly, "{\"created_at\":\"2026-01-01T00:00:09.000Z\",\"data_diff\":{\"new\":{\"a\":9},"
                   "\"previous\":{\"a\":7}}}");
    hear(assembly, "{\"created_at\":\"2026-01-01T00:00:08.000Z\",\"data_diff\":{\"new\":{\"a\":7,"
                   "\"b\":7},\"previous\":{\"a\":6,\"b\":6}}}");
    /* of one moment: the one that follows on the other is the newer */
    hear(assembly, "{\"created_at\":\"2026-01-01T00:00:08.000Z\",\"data_diff\":{\"new\":{\"b\":8},"
                   "\"previous\":{\"b\":7}}}");
    assert_false(assembly_is_settled(assembly, INT64_C(1767225608000)));
    assert_true(assembly_is_settled(assembly, INT64_C(1767225607999)));
    assert_int_equal(assembly_close(assembly), 0);
    assert_false(assembly_is_open(assembly));
    assert_field(assembly, "a", "9");
    assert_field(assembly, "b", "8");
    /* settled once: untimed changes go on being settled there */
    assert_int_equal(take(assembly, "{\"new\":{\"a\":10},\"previous\":{\"a\":9}}", NULL),
                     ASSEMBLY_CONFLICT);
    /* nothing heard: what follows on the known value is taken, and marked */
    assert_int_equal(assembly_close(assembly), 1);
    assert_field(assembly, "a", "10");
    assert_int_equal(assembly_marked(assembly), 1);
    assert_int_equal(take(assembly, "{\"new\":{\"a\":5},\"previous\":{\"a\":4}}", NULL),
                     ASSEMBLY_CONFLICT);
    assert_int_equal(assembly_close(assembly), 1);
    assert_field(assembly, "a", "10");
    assembly_free(assembly);
}

/* What takes time for each level must not take twice as long with each. */
static void test_deep_values(void **state)
{
    char text[4000] = "{\"new\":{\"a\":";
    size_t length = strlen(text);
    for (int i = 0; i < 300; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "{\"b\":");
    text[length++] = '1';
    for (int i = 0; i < 300; i++)
        text[length++] = '}';
    snprintf(text + length, sizeof text - length, "}}");
    struct assembly *assembly = assembly_new("r1", "i1");
    (void)state;
    assert_int_equal(take(assembly, text, NULL), ASSEMBLY_CHANGED);
    assert_int_equal(take(assembly, text, NULL), ASSEMBLY_CONFLICT);
    assembly_free(assembly);
}

static void test_the_record(void **state)
{
    struct assembly *assembly = assembly_new("r1", "i1");
    (void)state;
    assert_int_equal(
        take(assembly, NULL,
             "{\"id\":\"other\",\"x_id\":null,\"completeness\":3,\"m\":{\"k\":[1,null]}}"),
        ASSEMBLY_CHANGED);
    cJSON *record = assembly_record(assembly);
    char *text = cJSON_PrintUnformatted(record);
    assert_string_equal(text,
                        "{\"id\":\"r1\",\"integration_id\":\"i1\",\"completeness\":\"assembled\","
                        "\"fields_seen\":[\"id\",\"x_id\",\"completeness\",\"m\"],\"x_id\":null,"
                        "\"record.completeness\":3,\"m\":{\"k\":[1,null]}}");
    free(text);
    cJSON_Delete(record);
    assembly_free(assembly);
}

static void test_text_that_is_no_state(void **state)
{
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "{}",
                                        "{\"version\":2}",
                                        "{\"version\":1,\"id\":\"a\",\"integration_id\":\"i\"}"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        assert_null(assembly_read(texts[i], strlen(texts[i])));
    struct assembly *assembly = assembly_new("r1", "i1");
    assert_null(assembly_text(assembly, 20));
    assembly_free(assembly);
    assembly_free(NULL);
}

static void test_seen_never_forgets(void **state)
{
    struct random random = random_from_seed(11);
    cJSON *root = json("{\"seen\":[]}");
    uint64_t digests[300];
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(digests); i++) {
        digests[i] = random_next(&random);
        seen_add(root, digests[i], 32);
        for (size_t k = 0; k <= i; k++)
            assert_true(seen_has(root, digests[k]));
    }
    int wrong = 0;
    for (int i = 0; i < 10000; i++)
        wrong += seen_has(root, random_next(&random));
    assert_in_range(wrong, 0, 800); /* 4 in 100 expected */
    char *text = cJSON_PrintUnformatted(root);
    assert_in_range(strlen(text), 1, 700);
    free(text);
    cJSON_Delete(root);
}

/* Random histories. A record changes and its webhooks come in any order, some twice, while it goes
 * on changing; conflicts are settled by the history as far as it goes then. */

#define FIELDS  4
#define CHANGES 24

struct change_made {
    cJSON *diff; /* or the payload of the first */
    bool is_new;
    int left; /* deliveries still to come */
};

struct history {
    struct random random;
    int values[FIELDS];
    struct change_made changes[CHANGES];
    size_t count;
    bool timed; /* diffs tell updated_at; some do, when `mixed` */
    bool mixed;
    int domain; /* values of a field: few of them repeat often */
};

static const char *const names[FIELDS] = {"a", "b", "c", "d"};

static int below(struct history *history, int limit)
{
    return (int)(random_next(&history->random) % (uint64_t)limit);
}

static void make_change(struct history *history)
{
    struct change_made *change = &history->changes[history->count];
    cJSON *after = cJSON_CreateObject();
    cJSON *before = cJSON_CreateObject();
    char time[64];
    int first = below(history, FIELDS);
    int count = 1 + below(history, 2);
    for (int i = 0; i < count; i++) {
        int field = (first + i) % FIELDS;
        int value =
            (history->values[field] + 1 + below(history, history->domain - 1)) % history->domain;
        cJSON_AddNumberToObject(after, names[field], value);
        cJSON_AddNumberToObject(before, names[field], history->values[field]);
        history->values[field] = value;
    }
    snprintf(time, sizeof time, "2026-01-01T00:00:%02zu.000Z", history->count);
    if (history->timed && (!history->mixed || below(history, 2) == 0))
        cJSON_AddStringToObject(after, "updated_at", time);
    change->diff = cJSON_CreateObject();
    cJSON_AddItemToObject(change->diff, "new", after);
    cJSON_AddItemToObject(change->diff, "previous", before);
    change->left = below(history, 5) == 0 ? 2 : 1;
    history->count++;
}

static void make_new(struct history *history)
{
    struct change_made *change = &history->changes[history->count++];
    change->diff = cJSON_CreateObject();
    change->is_new = true;
    change->left = 1 + (below(history, 5) == 0);
    for (int i = 0; i < FIELDS; i++) {
        if (below(history, 2) == 0)
            cJSON_AddNumberToObject(change->diff, names[i], history->values[i]);
    }
}

static void settle(const struct history *history, struct assembly *assembly)
{
    for (size_t i = history->count; i-- > 0;) {
        cJSON *item = cJSON_CreateObject();
        char time[64];
        snprintf(time, sizeof time, "2026-01-01T00:00:%02zu.000Z", i);
        cJSON_AddStringToObject(item, "created_at", time);
        cJSON_AddItemReferenceToObject(item, "data_diff", history->changes[i].diff);
        assembly_hear(assembly, item);
        cJSON_Delete(item);
    }
    assert_int_equal(assembly_close(assembly), 0);
}

/* Through its text and back, as after a restart. */
static struct assembly *reload(struct assembly *assembly)
{
    char *text = assembly_text(assembly, TEXT_MAXIMUM);
    assert_non_null(text);
    struct assembly *copy = assembly_read(text, strlen(text));
    assert_non_null(copy);
    free(text);
    assembly_free(assembly);
    return copy;
}

static bool deliver(struct history *history, struct assembly *assembly)
{
    size_t waiting[CHANGES];
    size_t count = 0;
    for (size_t i = 0; i < history->count; i++) {
        if (history->changes[i].left > 0)
            waiting[count++] = i;
    }
    if (count == 0)
        return false;
    struct change_made *change = &history->changes[waiting[below(history, (int)count)]];
    change->left--;
    enum assembly_verdict verdict = assembly_take(assembly, change->is_new ? NULL : change->diff,
                                                  change->is_new ? change->diff : NULL);
    assert_int_equal(verdict == ASSEMBLY_CONFLICT, assembly_is_open(assembly));
    return true;
}

static void assert_truth(const struct history *history, const struct assembly *assembly)
{
    cJSON *record = assembly_record(assembly);
    for (int i = 0; i < FIELDS; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(record, names[i]);
        if (value != NULL)
            assert_int_equal((int)value->valuedouble, history->values[i]);
    }
    cJSON_Delete(record);
}

static void one_history(struct history *history, bool created)
{
    struct assembly *assembly = assembly_new("r1", "i1");
    for (int i = 0; i < FIELDS; i++)
        history->values[i] = below(history, history->domain);
    if (created)
        make_new(history);
    bool more = true;
    while (more) {
        if (history->count < CHANGES && below(history, 2) == 0)
            make_change(history);
        else
            more = deliver(history, assembly) || history->count < CHANGES;
        if (assembly_is_open(assembly) && below(history, 3) == 0)
            settle(history, assembly);
        if (!assembly_is_open(assembly) && below(history, 4) == 0)
            assembly = reload(assembly);
    }
    settle(history, assembly);
    assert_truth(history, assembly);
    assembly_free(assembly);
    for (size_t i = 0; i < history->count; i++)
        cJSON_Delete(history->changes[i].diff);
}

static void test_random_histories_end_in_the_truth(void **state)
{
    static const struct {
        bool timed;
        bool mixed;
        bool created;
        int domain;
    } kinds[] = {
        {false, false, true, 2}, {false, false, true, 50}, {false, false, false, 2},
        {true, false, true, 3},  {true, true, false, 3},   {true, true, true, 2},
    };
    (void)state;
    for (size_t k = 0; k < ARRAY_LENGTH(kinds); k++) {
        for (uint64_t seed = 0; seed < 2000; seed++) {
            struct history history = {.random = random_from_seed(seed * 31 + k),
                                      .timed = kinds[k].timed,
                                      .mixed = kinds[k].mixed,
                                      .domain = kinds[k].domain};
            one_history(&history, kinds[k].created);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_steps),
        cmocka_unit_test(test_a_late_new_fills_in_only),
        cmocka_unit_test(test_clocks_only_rise),
        cmocka_unit_test(test_settling),
        cmocka_unit_test(test_deep_values),
        cmocka_unit_test(test_the_record),
        cmocka_unit_test(test_text_that_is_no_state),
        cmocka_unit_test(test_seen_never_forgets),
        cmocka_unit_test(test_random_histories_end_in_the_truth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
