/* What snapshots.redact takes out of records and events, and what it refuses. */
#include "tests/unit/config_fixture.h"

#include "bridge/base/buffer.h"
#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/codec/json_parse.h"
#include "bridge/propexo/redaction.h"

#define RESIDENTS                                                                    \
    "[snapshots]\nredact_key = 0123456789abcdef\nredact = residents.date_of_birth, " \
    "residents.email_1:hash, residents.custom_data.note, residents.phone_1:drop\n"
#define EVENTS RESIDENTS "[events]\nredact = true\n"

static struct redaction *load(struct fixture *f, const char *ini)
{
    struct error error = {0};
    const struct config *config = fixture_accept(f, ini, NULL, NULL);
    struct redaction *redaction = redaction_new(config, &error);
    if (redaction == NULL)
        fail_msg("%s", error.message);
    return redaction;
}

static const struct model *residents(void)
{
    return model_find("residents", strlen("residents"));
}

static char *hashed(const struct redaction *redaction, const char *value)
{
    char *text = memory_format("{\"email_1\":%s}", value);
    cJSON *record = json_parse(text, strlen(text));
    redaction_record(redaction, residents(), record);
    char *made = memory_text(json_member_text(record, "email_1"));
    cJSON_Delete(record);
    free(text);
    return made;
}

static void test_records(void **state)
{
    static const char text[] =
        "{\"id\":\"r\",\"date_of_birth\":\"1980-01-01\",\"first_name\":\"Mary\",\"email_1\":null,"
        "\"date_of_birth\":\"1990\",\"custom_data\":{\"note\":{\"a\":1},\"x\":2},\"phone_1\":5}";
    struct redaction *redaction = load(*state, RESIDENTS);
    cJSON *record = json_parse(text, strlen(text));
    redaction_record(redaction, residents(), record);
    redaction_record(redaction, residents(), record);
    char *made = cJSON_PrintUnformatted(record);
    assert_string_equal(
        made, "{\"id\":\"r\",\"first_name\":\"Mary\",\"email_1\":null,\"custom_data\":{\"x\":2}}");
    free(made);
    cJSON_Delete(record);
    /* Of other models nothing. */
    record = json_parse(text, strlen(text));
    redaction_record(redaction, model_find("units", 5), record);
    assert_non_null(json_member(record, "date_of_birth"));
    cJSON_Delete(record);
    assert_true(redaction_has(redaction, residents()));
    assert_false(redaction_has(redaction, model_find("units", 5)));
    assert_false(redaction_has_events(redaction));
    redaction_free(redaction);
}

/* Equal values have equal hashes, others have others, and a hash stays what it is. */
static void test_hashes(void **state)
{
    struct redaction *redaction = load(*state, RESIDENTS);
    char *one = hashed(redaction, "\"a@b.c\"");
    char *same = hashed(redaction, "\"a\\u0040b.c\"");
    char *other = hashed(redaction, "\"a@b.d\"");
    char *number = hashed(redaction, "12345678901234567890123");
    char *text = hashed(redaction, "\"12345678901234567890123\"");
    char *truth = hashed(redaction, "true");
    char *quoted = memory_format("\"%s\"", one);
    char *again = hashed(redaction, quoted);
    assert_int_equal(strlen(one), strlen("hmac-sha256:") + 64);
    assert_memory_equal(one, "hmac-sha256:", strlen("hmac-sha256:"));
    assert_string_equal(one, same);
    assert_string_equal(one, again);
    assert_string_not_equal(one, other);
    assert_string_equal(number, text);
    assert_string_not_equal(truth, text);
    char *texts[] = {one, same, other, number, text, truth, quoted, again};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        free(texts[i]);
    redaction_free(redaction);
}

static void assert_body(const struct redaction *redaction, const struct model *model,
                        const char *body, const char *expected)
{
    cJSON *root = json_parse(body, strlen(body));
    assert_non_null(root);
    char *made = redaction_body(redaction, model, root);
    if (expected == NULL)
        assert_null(made);
    else
        assert_string_equal(made, expected);
    free(made);
    cJSON_Delete(root);
}

static void test_bodies(void **state)
{
    struct redaction *none = load(*state, RESIDENTS);
    assert_body(none, residents(), "{\"diff\":{\"new\":{\"date_of_birth\":\"1980\"}}}", NULL);
    redaction_free(none);
    struct redaction *redaction = load(*state, EVENTS);
    /* All shapes, before and after, at any depth; digits and odd texts stay. */
    assert_body(redaction, residents(),
                "{\"data\":{\"record_id\":\"r\",\"diff\":{\"new\":{\"date_of_birth\":\"1980\","
                "\"n\":12345678901234567890123,\"t\":\"\\u0000\\ud800\"},\"previous\":"
                "{\"date_of_birth\":null}}}}",
                "{\"data\":{\"record_id\":\"r\",\"diff\":{\"new\":{\"date_of_birth\":null,"
                "\"n\":12345678901234567890123,\"t\":\"\\u0000\\ud800\"},\"previous\":"
                "{\"date_of_birth\":null}}}}");
    assert_body(redaction, residents(), "{\"payload\":{\"pets\":[{\"phone_1\":[1,2]}]}}",
                "{\"payload\":{\"pets\":[{\"phone_1\":null}]}}");
    assert_body(redaction, residents(), "{\"custom_data\":[{\"note\":\"x\"},{\"y\":1}]}",
                "{\"custom_data\":[{\"note\":null},{\"y\":1}]}");
    assert_body(redaction, residents(), "{\"data\":{\"first_name\":\"Mary\"}}", NULL);
    assert_body(redaction, model_find("units", 5), "{\"date_of_birth\":\"1980\"}", NULL);
    /* Where the model is not known, every model's. */
    assert_body(redaction, NULL, "{\"object\":\"people\",\"x\":[{\"date_of_birth\":\"1980\"}]}",
                "{\"object\":\"people\",\"x\":[{\"date_of_birth\":null}]}");
    redaction_free(redaction);
}

/* What routes an event is no field of its record, whatever its name is. */
static void test_routing(void **state)
{
    struct redaction *redaction =
        load(*state, "[snapshots]\nredact = events.event\n[events]\nredact = true\n");
    assert_body(redaction, model_find("events", 6),
                "{\"event\":\"DATA_NEW\",\"data\":{\"event\":\"DATA_NEW\",\"payload\":"
                "{\"event\":\"a visit\"}},\"meta\":{\"event\":\"x\"}}",
                "{\"event\":\"DATA_NEW\",\"data\":{\"event\":\"DATA_NEW\",\"payload\":"
                "{\"event\":null}},\"meta\":{\"event\":\"x\"}}");
    redaction_free(redaction);
}

/* How long it takes to redact 90,000 values that lie `depth` objects deep, each under `name`. */
static int64_t nested_ms(const struct redaction *redaction, const char *name, int depth)
{
    struct buffer body = buffer_new((size_t)2 << 20);
    for (int i = 0; i < depth; i++)
        buffer_append_format(&body, "{\"%s\":", name);
    buffer_append_text(&body, "[\"x\"");
    for (int i = 0; i < 90000; i++)
        buffer_append_text(&body, ",1");
    buffer_append_text(&body, "]");
    for (int i = 0; i < depth; i++)
        buffer_append_text(&body, "}");
    cJSON *root = json_parse(buffer_text(&body), body.length);
    assert_non_null(root);
    int64_t began_ms = clock_ms();
    free(redaction_body(redaction, residents(), root));
    redaction_told(redaction, residents(), root, true);
    int64_t took_ms = clock_ms() - began_ms;
    cJSON_Delete(root);
    buffer_free(&body);
    return took_ms;
}

/* What is nested in itself is looked at once, not once for each level: a body must not take long
 * for its size. */
static void test_nested_in_itself(void **state)
{
    struct redaction *redaction =
        load(*state, "[snapshots]\nredact_key = 0123456789abcdef\nredact = "
                     "residents.custom_data:hash, residents.notes, residents.pets.name\n"
                     "[events]\nredact = true\n");
    static const char *const names[] = {"custom_data", "notes", "pets"};
    for (size_t n = 0; n < ARRAY_LENGTH(names); n++) {
        int64_t flat_ms = nested_ms(redaction, names[n], 1);
        int64_t deep_ms = nested_ms(redaction, names[n], 900);
        if (deep_ms > 100 && deep_ms > 20 * flat_ms)
            fail_msg("%s: %d ms, %d ms when flat", names[n], (int)deep_ms, (int)flat_ms);
    }
    redaction_free(redaction);
}

/* The fields of a new record may be called as what routes an event. */
static void test_names_that_route(void **state)
{
    static const char text[] = "{\"vendor\":\"a\",\"data\":\"b\",\"name\":\"c\"}";
    struct redaction *redaction =
        load(*state, "[snapshots]\nredact = contracts.vendor, contracts.data\n");
    cJSON *told = json_parse(text, strlen(text));
    redaction_told(redaction, model_find("contracts", strlen("contracts")), told, false);
    char *made = cJSON_PrintUnformatted(told);
    assert_string_equal(made, "{\"name\":\"c\"}");
    free(made);
    cJSON_Delete(told);
    redaction_free(redaction);
}

/* A recorded change has the same hash as the event of it: both have one form. */
static void test_changes(void **state)
{
    static const char text[] = "{\"new\":{\"date_of_birth\":\"1980\"},\"previous\":{}}";
    struct redaction *none = load(*state, RESIDENTS);
    cJSON *change = json_parse(text, strlen(text));
    redaction_change(none, residents(), change);
    char *made = cJSON_PrintUnformatted(change);
    assert_string_equal(made, text);
    free(made);
    redaction_free(none);
    struct redaction *redaction = load(*state, EVENTS);
    redaction_change(redaction, residents(), change);
    made = cJSON_PrintUnformatted(change);
    assert_string_equal(made, "{\"new\":{\"date_of_birth\":null},\"previous\":{}}");
    free(made);
    /* In a record's form, as it is put together from webhooks. */
    redaction_told(redaction, residents(), change, false);
    made = cJSON_PrintUnformatted(change);
    assert_string_equal(made, "{\"new\":{},\"previous\":{}}");
    free(made);
    cJSON_Delete(change);
    redaction_free(redaction);
}

static void test_refused(void **state)
{
    static const struct {
        const char *ini;
        const char *message;
    } cases[] = {
        {"redact = nothing.name", "Propexo's description has no such model"},
        {"redact = residents.id", "needs it"},
        {"redact = residents.integration_id:drop", "needs it"},
        {"redact = residents.updated_at", "needs it"},
        {"redact = contracts.last_seen", "needs it"},
        {"redact = residents.first_name.deep", "nothing of that name below it"},
        {"redact_key = 0123456789abcdef\nredact = residents.pets:hash", "not hashed"},
        {"redact = residents.a.b.c.d.e.f.g.h.i", "deeper than 8 names"},
        {"redact_key = 0123456789abcdef\nredact = residents.balance_in_cents:hash", "not hashed"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct error error = {0};
        char *ini = memory_format("[snapshots]\n%s\n", cases[i].ini);
        const struct config *config = fixture_accept(*state, ini, NULL, NULL);
        assert_null(redaction_new(config, &error));
        assert_non_null(strstr(error.message, "snapshots.redact: "));
        if (strstr(error.message, cases[i].message) == NULL)
            fail_msg("%s: %s", cases[i].ini, error.message);
        free(ini);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_records),          FIXTURE_TEST(test_hashes),
        FIXTURE_TEST(test_bodies),           FIXTURE_TEST(test_routing),
        FIXTURE_TEST(test_changes),          FIXTURE_TEST(test_refused),
        FIXTURE_TEST(test_nested_in_itself), FIXTURE_TEST(test_names_that_route),
    };
    return cmocka_run_group_tests_name("redaction", tests, NULL, NULL);
}
