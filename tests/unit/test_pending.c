/* Coalescing and the dirty rule; what the events of a record announced. */
#include "tests/unit/unit.h"

#include "bridge/base/buffer.h"
#include "bridge/base/memory.h"
#include "bridge/base/random.h"
#include "bridge/enricher/pending.h"
#include "bridge/propexo/api.h"

static struct record *record_of(struct pending *pending, int place, bool orphan, const char *id,
                                bool wanted_new)
{
    bool created = !wanted_new;
    struct record *record = pending_record(pending, place, orphan, id, &created);
    assert_int_equal(created, wanted_new);
    return record;
}

static const struct claim *later_of(const struct record *record)
{
    static const struct claim none;
    return record->later == NULL ? &none : record->later;
}

static void add(struct record *record, int64_t offset)
{
    claim_add(record_claim(record), (struct event_ref){1, offset}, 100 + offset);
}

static void assert_claim(const struct claim *claim, const char *offsets, int64_t first_ms)
{
    struct buffer found = buffer_new(1000);
    for (size_t i = 0; i < claim->count; i++) {
        assert_int_equal(claim_events(claim)[i].slot, 1);
        assert_true(buffer_append_format(&found, "%d ", (int)claim_events(claim)[i].offset));
    }
    assert_string_equal(buffer_text(&found), offsets);
    if (claim->count > 0)
        assert_int_equal(claim->first_ms, first_ms);
    buffer_free(&found);
}

static void test_one_entry_for_each_record(void **state)
{
    static const struct {
        int place;
        bool orphan;
        const char *id;
    } rows[] = {
        {0, false, "r"}, {1, false, "r"},  {0, true, "r"},   {0, false, "R"},
        {0, false, ""},  {0, false, ":r"}, {1, false, "1:"}, {11, false, ":"},
        {1, true, "?r"}, {1, false, "?r"}, {1, true, ":r"},  {10, false, "r"},
    };
    struct pending pending = PENDING_EMPTY;
    struct record *records[ARRAY_LENGTH(rows)];
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        records[i] = record_of(&pending, rows[i].place, rows[i].orphan, rows[i].id, true);
        assert_int_equal(records[i]->state, RECORD_WAITING);
        assert_int_equal(records[i]->place, rows[i].place);
        assert_int_equal(records[i]->orphan, rows[i].orphan);
        assert_string_equal(records[i]->id, rows[i].id);
        assert_int_equal(records[i]->due_ms, 0);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_ptr_equal(record_of(&pending, rows[i].place, rows[i].orphan, rows[i].id, false),
                         records[i]);
    assert_int_equal(pending.records.count, ARRAY_LENGTH(rows));
    pending_clear(&pending);
    assert_int_equal(pending.records.count, 0);
    (void)record_of(&pending, 0, false, "r", true);
    pending_clear(&pending);
}

static void test_waiting_events_join(void **state)
{
    struct pending pending = PENDING_EMPTY;
    struct record *record = record_of(&pending, 0, false, "r", true);
    (void)state;
    for (int64_t offset = 3; offset < 8; offset++)
        add(record, offset);
    assert_claim(&record->now, "3 4 5 6 7 ", 103);
    assert_claim(later_of(record), "", 0);
    record->state = RECORD_FETCHING;
    assert_false(pending_settle(&pending, record));
    assert_int_equal(pending.records.count, 0);
    pending_clear(&pending);
}

/* What comes while the request is under way is not satisfied by its answer. */
static void test_dirty(void **state)
{
    struct pending pending = PENDING_EMPTY;
    struct record *record = record_of(&pending, 0, false, "r", true);
    (void)state;
    add(record, 1);
    record->state = RECORD_FETCHING;
    record->attempts = 3;
    record->failed_s = 7;
    record->reread = true;
    add(record, 2);
    record->later->is_new = true;
    add(record, 3);
    assert_claim(&record->now, "1 ", 101);
    assert_claim(later_of(record), "2 3 ", 102);
    assert_true(pending_settle(&pending, record));
    assert_claim(&record->now, "2 3 ", 102);
    assert_claim(later_of(record), "", 0);
    assert_true(record->now.is_new);
    assert_int_equal(record->state, RECORD_WAITING);
    assert_int_equal(record->attempts, 0);
    assert_int_equal(record->failed_s, 0);
    assert_false(record->reread);
    assert_int_equal(record->due_ms, 0);
    add(record, 4);
    assert_claim(&record->now, "2 3 4 ", 102);
    record->state = RECORD_FETCHING;
    assert_false(pending_settle(&pending, record));
    assert_int_equal(pending.records.count, 0);
    pending_clear(&pending);
}

/* The answer's taker may take the claim's content along before it settles. */
static void test_settle_after_the_claim_was_taken(void **state)
{
    struct pending pending = PENDING_EMPTY;
    struct record *record = record_of(&pending, 0, false, "r", true);
    (void)state;
    add(record, 1);
    record->state = RECORD_FETCHING;
    add(record, 2);
    struct claim taken = record->now;
    record->now = (struct claim){0};
    assert_true(pending_settle(&pending, record));
    assert_claim(&taken, "1 ", 101);
    assert_claim(&record->now, "2 ", 102);
    claim_free(&taken);
    assert_int_equal(taken.count, 0);
    pending_clear(&pending);
}

/* A failed request is made again, and started after `later` was taken in: they join. */
static void test_wait_again(void **state)
{
    struct pending pending = PENDING_EMPTY;
    struct record *record = record_of(&pending, 0, false, "r", true);
    (void)state;
    add(record, 1);
    record->now.traceparent = memory_text("first");
    record->now.is_new = true;
    record->state = RECORD_FETCHING;
    record->attempts = 2;
    record_wait(record, 500);
    assert_claim(&record->now, "1 ", 101);
    assert_string_equal(record->now.traceparent, "first");
    assert_true(record->now.is_new);
    assert_false(record->now.forwarded);

    record->state = RECORD_FETCHING;
    add(record, 2);
    add(record, 3);
    record->later->forwarded = true;
    record_wait(record, 700);
    assert_claim(&record->now, "1 2 3 ", 101);
    assert_claim(later_of(record), "", 0);
    assert_string_equal(record->now.traceparent, "first");
    assert_false(record->now.is_new); /* the newest is none */
    assert_true(record->now.forwarded);
    assert_int_equal(record->state, RECORD_WAITING);
    assert_int_equal(record->due_ms, 700);
    assert_int_equal(record->attempts, 2);

    record->state = RECORD_FETCHING;
    add(record, 4);
    record->later->traceparent = memory_text("newest");
    record->later->is_new = true;
    record_wait(record, 0);
    assert_claim(&record->now, "1 2 3 4 ", 101);
    assert_string_equal(record->now.traceparent, "newest");
    assert_true(record->now.is_new);
    assert_true(record->now.forwarded);
    pending_clear(&pending);
}

/* What was found before news came is looked for anew; an outage is an outage all the same. */
static void test_news_begin_anew(void **state)
{
    static const struct {
        enum api_outcome outcome;
        bool news;
        bool reread;
        int attempts;
    } rows[] = {
        {API_GONE, true, false, 0},
        {API_GONE, false, true, 1},
        {API_TIMEOUT, true, false, 1},
        {API_TIMEOUT, false, true, 1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct pending pending = PENDING_EMPTY;
        struct record *record = record_of(&pending, 0, false, "r", true);
        add(record, 1);
        record->state = RECORD_FETCHING;
        record->outcome = (uint8_t)rows[i].outcome;
        record->attempts = 1;
        record->reread = true;
        if (rows[i].news)
            add(record, 2);
        record_wait(record, 0);
        assert_int_equal(record->reread, rows[i].reread);
        assert_int_equal(record->attempts, rows[i].attempts);
        pending_clear(&pending);
    }
}

static cJSON *json_of(const char *text)
{
    cJSON *json = cJSON_Parse(text);
    if (json == NULL)
        fail_msg("not JSON: %s", text);
    return json;
}

static void announce(struct changes *changes, struct change_names *names, const char *diff)
{
    cJSON *json = json_of(diff);
    changes_add(changes, names, json);
    cJSON_Delete(json);
}

/* The record is unconfirmed only while it shows what a diff says was there before. */
/* A record that keeps changing is published all the same. */
static void test_news_have_an_end(void **state)
{
    struct pending pending = PENDING_EMPTY;
    struct record *record = record_of(&pending, 0, false, "a", true);
    (void)state;
    add(record, 0);
    for (int i = 1; i <= PENDING_NEWS + 2; i++) {
        record->reread = true;
        add(record, i);
        assert_int_equal(record->reread, i > PENDING_NEWS);
    }
    record->outcome = API_GONE;
    record->attempts = 1;
    add(record, 99);
    assert_int_equal(record->attempts, 1);
    pending_clear(&pending);
}

static void test_split(void **state)
{
    struct claim claim = {0};
    (void)state;
    for (int i = 0; i < 5; i++)
        claim_add(&claim, (struct event_ref){1, i}, 100);
    claim.is_new = true;
    struct claim part = claim_split(&claim, 2);
    assert_claim(&part, "0 1 ", 100);
    assert_claim(&claim, "2 3 4 ", 100);
    assert_true(part.is_new);
    claim_add(&part, (struct event_ref){1, 9}, 200);
    assert_claim(&part, "0 1 9 ", 100);
    claim_free(&part);
    claim_free(&claim);
}

static void test_find(void **state)
{
    struct pending pending = PENDING_EMPTY;
    struct record *record = record_of(&pending, 3, false, "a", true);
    (void)state;
    assert_ptr_equal(pending_find(&pending, 3, "a"), record);
    assert_null(pending_find(&pending, 2, "a"));
    assert_null(pending_find(&pending, 3, "b"));
    (void)record_of(&pending, 3, true, "b", true); /* an orphan is not the record */
    assert_null(pending_find(&pending, 3, "b"));
    pending_clear(&pending);
}

static void test_unconfirmed(void **state)
{
    static const struct {
        const char *diffs[3];
        const char *record;
        bool unconfirmed;
        const char *list;
    } rows[] = {
        {{"{\"new\":{\"a\":2},\"previous\":{\"a\":1}}"}, "{\"a\":1}", true, "a"},
        {{"{\"new\":{\"a\":2},\"previous\":{\"a\":1}}"}, "{\"a\":2}", false, "a"},
        {{"{\"new\":{\"a\":2},\"previous\":{\"a\":1}}"}, "{\"a\":3}", false, "a"},
        {{"{\"new\":{\"a\":2},\"previous\":{\"a\":1}}"}, "{}", false, "a"},
        {{"{\"new\":{\"a\":2},\"previous\":{\"a\":1}}"}, "{\"A\":1}", false, "a"},
        {{"{\"new\":{\"a\":2},\"previous\":{\"a\":\"1\"}}"}, "{\"a\":1}", false, "a"},
        {{"{\"new\":{\"a\":2},\"previous\":{\"a\":null}}"}, "{\"a\":null}", true, "a"},
        {{"{\"new\":{\"a\":true},\"previous\":{\"a\":false}}"}, "{\"a\":false}", true, "a"},
        {{"{\"new\":{\"a\":null},\"previous\":{\"a\":\"\"}}"}, "{\"a\":\"\"}", true, "a"},
        {{"{\"new\":{\"a\":null},\"previous\":{\"a\":\"\"}}"}, "{\"a\":null}", false, "a"},
        /* a number however written; an object in any order; a list only in its own */
        {{"{\"new\":{\"a\":2},\"previous\":{\"a\":1.50}}"}, "{\"a\":15e-1}", true, "a"},
        {{"{\"new\":{\"a\":0},\"previous\":{\"a\":{\"x\":1,\"y\":[2]}}}"},
         "{\"a\":{\"y\":[2],\"x\":1}}",
         true,
         "a"},
        {{"{\"new\":{\"a\":0},\"previous\":{\"a\":{\"x\":1,\"y\":2}}}"},
         "{\"a\":{\"x\":2,\"y\":1}}",
         false,
         "a"},
        {{"{\"new\":{\"a\":0},\"previous\":{\"a\":[1,2]}}"}, "{\"a\":[1,2]}", true, "a"},
        {{"{\"new\":{\"a\":0},\"previous\":{\"a\":[1,2]}}"}, "{\"a\":[2,1]}", false, "a"},
        {{"{\"new\":{\"a\":0},\"previous\":{\"a\":[]}}"}, "{\"a\":{}}", false, "a"},
        /* no previous, or the same as the new: nothing to hold against */
        {{"{\"new\":{\"a\":2}}"}, "{\"a\":2}", false, "a"},
        {{"{\"new\":{\"a\":2},\"previous\":null}"}, "{\"a\":2}", false, "a"},
        {{"{\"new\":{\"a\":2},\"previous\":{\"a\":2}}"}, "{\"a\":2}", false, "a"},
        /* any of several fields */
        {{"{\"new\":{\"a\":2,\"b\":2},\"previous\":{\"a\":1,\"b\":1}}"},
         "{\"a\":2,\"b\":1}",
         true,
         "a,b"},
        /* a later event about a field replaces the earlier */
        {{"{\"new\":{\"a\":2},\"previous\":{\"a\":1}}",
          "{\"new\":{\"a\":1},\"previous\":{\"a\":2}}"},
         "{\"a\":1}",
         false,
         "a"},
        {{"{\"new\":{\"a\":2},\"previous\":{\"a\":1}}", "{\"new\":{\"b\":1}}",
          "{\"new\":{\"a\":3},\"previous\":{\"a\":2}}"},
         "{\"a\":2,\"b\":1}",
         true,
         "a,b"},
        /* only `new` announces */
        {{"{\"previous\":{\"a\":1}}"}, "{\"a\":1}", false, NULL},
        {{"{\"new\":[1],\"previous\":{\"a\":1}}"}, "{\"a\":1}", false, NULL},
        {{"{\"new\":{},\"previous\":{\"a\":1}}"}, "{\"a\":1}", false, NULL},
        {{"{}"}, "{\"a\":1}", false, NULL},
    };
    struct change_names names = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct changes changes = {0};
        for (size_t k = 0; k < 3 && rows[i].diffs[k] != NULL; k++)
            announce(&changes, &names, rows[i].diffs[k]);
        cJSON *record = json_of(rows[i].record);
        char *list = changes_list(&changes);
        if (changes_unconfirmed(&changes, record) != rows[i].unconfirmed)
            fail_msg("%s against %s", rows[i].diffs[0], rows[i].record);
        assert_same_text(list, rows[i].list, rows[i].diffs[0]);
        free(list);
        cJSON_Delete(record);
        changes_free(&changes);
    }
    change_names_free(&names);
}

/* Waiting again joins the announcements too, the later ones winning. */
static void test_changes_join(void **state)
{
    struct pending pending = PENDING_EMPTY;
    struct change_names names = {0};
    struct record *record = record_of(&pending, 0, false, "r", true);
    cJSON *copy = json_of("{\"a\":1,\"b\":2,\"c\":3}");
    (void)state;
    add(record, 1);
    announce(&record->now.changes, &names,
             "{\"new\":{\"a\":9,\"b\":9},\"previous\":{\"a\":1,\"b\":8}}");
    assert_true(changes_unconfirmed(&record->now.changes, copy));
    record->state = RECORD_FETCHING;
    add(record, 2);
    announce(&record->later->changes, &names,
             "{\"new\":{\"a\":1,\"c\":4},\"previous\":{\"a\":9,\"c\":5}}");
    assert_false(changes_unconfirmed(&record->later->changes, copy));
    record_wait(record, 0);
    char *list = changes_list(&record->now.changes);
    assert_string_equal(list, "a,b,c");
    assert_false(changes_unconfirmed(&record->now.changes, copy));
    free(list);
    cJSON_Delete(copy);
    pending_clear(&pending);
    change_names_free(&names);
}

/* What is over the maximum is not announced; nothing else is harmed. */
static void test_limits_of_changes(void **state)
{
    struct change_names names = {0};
    struct changes changes = {0};
    cJSON *diff = cJSON_CreateObject();
    cJSON *after = cJSON_AddObjectToObject(diff, "new");
    (void)state;
    for (int i = 0; i < CHANGES_NAMES + 10; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "field_%d", i);
        assert_non_null(cJSON_AddNumberToObject(after, name, i));
    }
    changes_add(&changes, &names, diff);
    assert_int_equal(changes.count, CHANGES_MAXIMUM);
    assert_int_equal(names.names.count, CHANGES_NAMES);
    char *list = changes_list(&changes);
    assert_non_null(strstr(list, "field_0,field_1,"));
    assert_non_null(strstr(list, ",field_63"));
    assert_null(strstr(list, "field_64"));
    free(list);
    changes_free(&changes);
    assert_int_equal(changes.count, 0);

    announce(&changes, &names, "{\"new\":{\"unheard of\":1,\"field_64\":2}}");
    list = changes_list(&changes);
    assert_string_equal(list, "field_64");
    free(list);
    changes_free(&changes);
    cJSON_Delete(diff);
    change_names_free(&names);
}

#define RECORDS 30
#define EVENTS  4000

enum event_state { COMING, IN_NOW, IN_LATER, SATISFIED };

struct reference {
    bool fetching[RECORDS];
    int of_record[EVENTS];
    enum event_state states[EVENTS];
};

static size_t move(struct reference *reference, int id, enum event_state from, enum event_state to,
                   int64_t below)
{
    size_t moved = 0;
    for (int64_t i = 0; i < below; i++) {
        if (reference->of_record[i] == id && reference->states[i] == from) {
            reference->states[i] = to;
            moved++;
        }
    }
    return moved;
}

/* Events, requests, answers and failures in random order: an answer satisfies exactly the events
 * that came before its request started. */
static void test_against_model(void **state)
{
    struct pending pending = PENDING_EMPTY;
    struct random random = random_from_seed(11);
    struct reference *reference = memory_new(1, sizeof *reference);
    int64_t next = 0;
    (void)state;
    while (next < EVENTS) {
        int id = (int)random_between(&random, 0, RECORDS - 1);
        int64_t what = random_between(&random, 0, 9);
        bool created = false;
        char name[16];
        (void)snprintf(name, sizeof name, "%d", id);
        struct record *record = pending_record(&pending, 3, false, name, &created);
        if (created || what < 5) {
            reference->of_record[next] = id;
            reference->states[next] = reference->fetching[id] ? IN_LATER : IN_NOW;
            add(record, next++);
        } else if (!reference->fetching[id]) {
            record->state = RECORD_FETCHING;
            reference->fetching[id] = true;
        } else if (what < 7) {
            record_wait(record, 0);
            reference->fetching[id] = false;
            (void)move(reference, id, IN_LATER, IN_NOW, next);
            assert_int_equal(later_of(record)->count, 0);
        } else {
            assert_int_equal(record->now.count, move(reference, id, IN_NOW, SATISFIED, next));
            size_t waiting = move(reference, id, IN_LATER, IN_NOW, next);
            assert_int_equal(later_of(record)->count, waiting);
            assert_int_equal(pending_settle(&pending, record), waiting > 0);
            reference->fetching[id] = false;
        }
    }
    size_t cursor = 0;
    for (struct table_slot *slot; (slot = table_next(&pending.records, &cursor)) != NULL;) {
        const struct record *record = slot->value;
        for (size_t i = 0; i < record->now.count; i++)
            assert_int_equal(reference->states[claim_events(&record->now)[i].offset], IN_NOW);
        for (size_t i = 0; i < later_of(record)->count; i++)
            assert_int_equal(reference->states[claim_events(later_of(record))[i].offset], IN_LATER);
    }
    free(reference);
    pending_clear(&pending);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_entry_for_each_record),
        cmocka_unit_test(test_waiting_events_join),
        cmocka_unit_test(test_dirty),
        cmocka_unit_test(test_settle_after_the_claim_was_taken),
        cmocka_unit_test(test_wait_again),
        cmocka_unit_test(test_news_begin_anew),
        cmocka_unit_test(test_news_have_an_end),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_unconfirmed),
        cmocka_unit_test(test_changes_join),
        cmocka_unit_test(test_limits_of_changes),
        cmocka_unit_test(test_against_model),
    };
    return cmocka_run_group_tests_name("pending", tests, NULL, NULL);
}
