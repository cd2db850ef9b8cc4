/* Snapshots of two versions of a schema say the same when the record was the same, and only then.
 */
#include "tests/unit/unit.h"

#include "bridge/base/memory.h"
#include "bridge/codec/comparison.h"
#include "bridge/codec/encoder.h"
#include "bridge/codec/json_parse.h"

#define FIELD(name, type) "{\"name\":\"" name "\",\"type\":[\"null\"," type "],\"default\":null},"
#define STAMP             "{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}"
#define JSON_FIELD(name)                                                                       \
    "{\"name\":\"" name "\",\"type\":[\"null\",\"string\"],\"default\":null,\"propexo.json\":" \
    "true},"
#define SCHEMA(fields, pet)                                                                     \
    "{\"type\":\"record\",\"name\":\"Test\",\"fields\":["                                       \
    "{\"name\":\"id\",\"type\":\"string\"}," FIELD("name", "\"string\"")                        \
        FIELD("count", "\"long\"") JSON_FIELD("custom_data")                                    \
            fields FIELD("pets",                                                                \
                         "{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"Pet\"," \
                         "\"fields\":[" pet "{\"name\":\"id\",\"type\":[\"null\",\"string\"]}]" \
                         "}}") "{\"name\":\"unmapped_fields\",\"type\":{"                       \
                               "\"type\":\"map\",\"values\":\"string\"}}]}"

static const char old_text[] = SCHEMA("", "");
static const char new_text[] =
    SCHEMA(FIELD("colour", "\"string\"") FIELD("rent", "\"double\"") FIELD("seen_at", STAMP)
               JSON_FIELD("extra") FIELD("tags", "{\"type\":\"array\",\"items\":\"string\"}"),
           FIELD("age", "\"long\"") FIELD("born_at", STAMP));

static const struct schema old_schema = {"test", old_text, sizeof old_text - 1};
static const struct schema new_schema = {"test", new_text, sizeof new_text - 1};

/* The record as a snapshot of this schema, brought into the form that is compared. */
static cJSON *snapshot(const struct comparison *comparison, const struct schema *schema,
                       const char *record)
{
    struct error error;
    struct encoding info;
    const void *text = NULL;
    size_t length = 0;
    struct encoder *encoder = encoder_new(schema, &error);
    assert_non_null(encoder);
    cJSON *tree = json_parse(record, strlen(record));
    assert_non_null(tree);
    if (!encoder_json(encoder, tree, 100000, &text, &length, &info, &error))
        fail_msg("%s", error.message);
    cJSON *read = comparison_read(comparison, text, length);
    assert_non_null(read);
    cJSON_Delete(tree);
    encoder_free(encoder);
    return read;
}

static void add_name(void *context, const char *name)
{
    char *list = context;
    (void)strcat(list, list[0] == '\0' ? "" : ",");
    (void)strcat(list, name);
}

/* Compares one record's snapshot of one schema with another's of another. */
static void expect(const struct comparison *comparison, const struct schema *one_schema,
                   const char *one_record, const struct schema *other_schema,
                   const char *other_record, const char *names)
{
    char found[1000] = "";
    cJSON *one = snapshot(comparison, one_schema, one_record);
    cJSON *other = snapshot(comparison, other_schema, other_record);
    comparison_differ(one, other, add_name, found);
    assert_string_equal(found, names);
    assert_int_equal(comparison_hash(one) == comparison_hash(other), names[0] == '\0');
    assert_true(comparison_hash(one) > COMPARISON_HASHES);
    cJSON_Delete(one);
    cJSON_Delete(other);
}

static struct comparison *of_new(void)
{
    struct error error;
    struct comparison *comparison = comparison_new(&new_schema, &error);
    assert_non_null(comparison);
    return comparison;
}

static const char whole[] =
    "{\"id\":\"1\",\"name\":\"n\",\"count\":12345678901234567,\"custom_data\":{\"a\":[1,null],"
    "\"b\":{\"c\":\"d\"}},\"colour\":\"red\",\"rent\":12.5,\"seen_at\":\"2026-01-31T12:00:00.5Z\","
    "\"extra\":{\"x\":[{\"y\":null}]},\"tags\":[\"a\",\"b\"],\"unknown\":{\"deep\":[true]},"
    "\"pets\":[{\"id\":\"p\",\"age\":3,\"born_at\":\"2020-01-01T00:00:00Z\",\"fur\":\"soft\"},"
    "{\"id\":\"q\",\"age\":null}]}";

static void test_versions_of_a_schema(void **state)
{
    static const char *const records[] = {
        whole,
        "{\"id\":\"1\"}",
        "{\"id\":\"1\",\"pets\":[],\"tags\":[],\"custom_data\":{}}",
        /* Of another type than either schema, or one of them, says. */
        "{\"id\":\"1\",\"name\":5,\"count\":\"5\",\"colour\":{\"r\":1},\"seen_at\":\"yesterday\"}",
        "{\"id\":\"1\",\"pets\":[{\"id\":\"p\",\"age\":1},null],\"tags\":[1,\"a\"]}",
        "{\"id\":\"1\",\"pets\":\"none\",\"custom_data\":\"text\",\"extra\":7}",
        "{\"id\":\"1\",\"colour\":\"red\",\"colour\":\"blue\",\"name\":\"a\",\"name\":\"b\"}",
        "{\"id\":\"1\",\"pets[0].age\":5,\"[\":1,\"pets[\":2,\"pets[9].age\":3}",
    };
    struct comparison *comparison = of_new();
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(records); i++) {
        expect(comparison, &new_schema, records[i], &new_schema, records[i], "");
        expect(comparison, &old_schema, records[i], &new_schema, records[i], "");
        expect(comparison, &new_schema, records[i], &old_schema, records[i], "");
    }
    comparison_free(comparison);
}

static void test_what_says_the_same(void **state)
{
    struct comparison *comparison = of_new();
    (void)state;
    expect(comparison, &new_schema, "{\"id\":\"1\",\"name\":null,\"unknown\":null}", &old_schema,
           "{\"id\":\"1\"}", "");
    expect(comparison, &new_schema, "{\"id\":\"1\",\"custom_data\":{\"a\":1,\"b\":2}}", &new_schema,
           "{\"id\":\"1\",\"custom_data\":{\"b\":2,\"a\":1}}", "");
    expect(comparison, &new_schema, "{\"id\":\"1\",\"seen_at\":\"2026-01-31T12:00:00Z\"}",
           &old_schema, "{\"id\":\"1\",\"seen_at\":\"2026-01-31T13:00:00+01:00\"}", "");
    comparison_free(comparison);
}

/* Each change of one value is seen, whichever schema each side was written with. */
static void test_what_differs(void **state)
{
    static const struct {
        const char *from;
        const char *to;
        const char *field;
    } rows[] = {
        {"\"n\"", "\"m\"", "name"},
        {"\"n\"", "null", "name"},
        {"12345678901234567", "12345678901234568", "count"},
        {"12345678901234567", "\"12345678901234567\"", "count"},
        {"[1,null]", "[1]", "custom_data"},
        {"[1,null]", "[null,1]", "custom_data"},
        {"\"c\":\"d\"", "\"c\":\"e\"", "custom_data"},
        {"\"red\"", "\"blue\"", "colour"},
        {"\"red\"", "null", "colour"},
        {"12.5", "12.25", "rent"},
        {"00.5Z", "00.501Z", "seen_at"},
        {"{\"y\":null}", "{}", "extra"},
        {"\"a\",\"b\"", "\"b\",\"a\"", "tags"},
        {"[true]", "[false]", "unknown"},
        {"\"age\":3", "\"age\":4", "pets"},
        {"\"age\":null", "\"age\":0", "pets"},
        {"2020-01-01", "2020-01-02", "pets"},
        {"\"soft\"", "\"hard\"", "pets"},
        {"\"id\":\"q\"", "\"id\":\"r\"", "pets"},
    };
    static const struct schema *const schemas[] = {&old_schema, &new_schema};
    struct comparison *comparison = of_new();
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const char *place = strstr(whole, rows[i].from);
        assert_non_null(place);
        char *changed = memory_format("%.*s%s%s", (int)(place - whole), whole, rows[i].to,
                                      place + strlen(rows[i].from));
        for (int pair = 0; pair < 4; pair++)
            expect(comparison, schemas[pair / 2], whole, schemas[pair % 2], changed, rows[i].field);
        free(changed);
    }
    comparison_free(comparison);
}

static void test_digits_are_no_text(void **state)
{
    struct comparison *comparison = of_new();
    (void)state;
    expect(comparison, &new_schema, "{\"id\":\"1\",\"custom_data\":[12345678901234567890]}",
           &new_schema, "{\"id\":\"1\",\"custom_data\":[\"12345678901234567890\"]}", "custom_data");
    expect(comparison, &new_schema, "{\"id\":\"1\",\"custom_data\":[12345678901234567890]}",
           &new_schema, "{\"id\":\"1\",\"custom_data\":[12345678901234567891]}", "custom_data");
    comparison_free(comparison);
}

static void test_ignored(void **state)
{
    static const char changed[] =
        "{\"id\":\"1\",\"name\":\"m\",\"count\":12345678901234567,\"custom_data\":{\"a\":[1,null],"
        "\"b\":{\"c\":\"x\"}},\"colour\":\"red\",\"rent\":12.5,"
        "\"seen_at\":\"2026-01-31T12:00:00.5Z\",\"extra\":{\"x\":[{\"y\":1}]},"
        "\"tags\":[\"a\",\"b\"],\"unknown\":{\"deep\":[true]},\"pets\":[{\"id\":\"p\",\"age\":9,"
        "\"born_at\":\"2020-01-01T00:00:00Z\",\"fur\":\"soft\"},{\"id\":\"q\",\"age\":null}]}";
    struct comparison *comparison = of_new();
    (void)state;
    expect(comparison, &new_schema, whole, &old_schema, changed, "name,custom_data,extra,pets");
    comparison_ignore(comparison, "name");
    expect(comparison, &new_schema, whole, &new_schema, changed, "custom_data,extra,pets");
    comparison_ignore(comparison, "custom_data.b.c");
    comparison_ignore(comparison, "custom_data.a.b"); /* not there */
    comparison_ignore(comparison, "extra.x.y");
    expect(comparison, &new_schema, whole, &old_schema, changed, "pets");
    comparison_ignore(comparison, "pets.age");
    expect(comparison, &new_schema, whole, &old_schema, changed, "");
    expect(comparison, &new_schema, whole, &new_schema, changed, "");
    comparison_free(comparison);
}

static void test_unmapped_fields_ignored(void **state)
{
    struct comparison *comparison = of_new();
    (void)state;
    comparison_ignore(comparison, "unmapped_fields");
    expect(comparison, &new_schema, "{\"id\":\"1\",\"unknown\":1}", &new_schema,
           "{\"id\":\"1\",\"unknown\":2}", "");
    comparison_free(comparison);
}

static void test_what_is_no_snapshot(void **state)
{
    static const char *const texts[] = {"", "[]", "null", "{", "{\"id\":1}x"};
    struct comparison *comparison = of_new();
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        assert_null(comparison_read(comparison, texts[i], strlen(texts[i])));
    static const char text[] = "{\"unmapped_fields\":{\"a\":1,\"b\":\"no json\"}}";
    cJSON *odd = comparison_read(comparison, text, sizeof text - 1);
    assert_non_null(odd);
    assert_int_equal(cJSON_GetArraySize(odd), 2);
    cJSON_Delete(odd);
    comparison_free(comparison);
    comparison_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions_of_a_schema),
        cmocka_unit_test(test_what_says_the_same),
        cmocka_unit_test(test_what_differs),
        cmocka_unit_test(test_digits_are_no_text),
        cmocka_unit_test(test_ignored),
        cmocka_unit_test(test_unmapped_fields_ignored),
        cmocka_unit_test(test_what_is_no_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
