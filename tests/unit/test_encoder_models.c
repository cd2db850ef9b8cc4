/* Every readable model's own schema: a full record, the least one, and one of wrong types only. */
#include "tests/unit/encoder_check.h"

#include <stdio.h>

#include "bridge/base/attributes.h"

#define TIME    "2024-05-06T07:08:09.123Z"
#define TIME_MS 1714979289123.0

struct samples {
    cJSON *full;     /* what the API might send */
    cJSON *expected; /* what becomes of it */
    cJSON *hostile;  /* every field of another type than the schema's, but for the id */
    cJSON *least;    /* the id alone */
    cJSON *nothing;  /* what becomes of that: nulls */
};

static bool named(const cJSON *type, const char *name)
{
    return cJSON_IsString(type) && strcmp(type->valuestring, name) == 0;
}

static void add(cJSON *full, cJSON *expected, const char *name, cJSON *value, cJSON *becomes)
{
    cJSON_AddItemToObject(full, name, value);
    cJSON_AddItemToObject(expected, name, becomes);
}

static void fill(const cJSON *fields, cJSON *full, cJSON *expected);

static void fill_list(const char *name, const cJSON *items, cJSON *full, cJSON *expected)
{
    cJSON *list = cJSON_AddArrayToObject(full, name);
    cJSON *becomes = cJSON_AddArrayToObject(expected, name);
    for (int i = 0; i < 3; i++) {
        if (named(items, "string")) {
            cJSON_AddItemToArray(list, cJSON_CreateString("one of them"));
            cJSON_AddItemToArray(becomes, cJSON_CreateString("one of them"));
            continue;
        }
        cJSON *item = cJSON_CreateObject();
        cJSON *item_becomes = cJSON_CreateObject();
        fill(member_of(items, "fields"), item, item_becomes);
        cJSON_AddItemToArray(list, item);
        cJSON_AddItemToArray(becomes, item_becomes);
    }
}

/* Values by the schema's own words, read here without the encoder's help. */
static void fill(const cJSON *fields, cJSON *full, cJSON *expected)
{
    const cJSON *field;
    cJSON_ArrayForEach(field, fields)
    {
        const char *name = member_of(field, "name")->valuestring;
        const cJSON *type = member_of(field, "type");
        if (cJSON_IsArray(type))
            type = cJSON_GetArrayItem(type, 1);
        if (cJSON_IsTrue(member_of(field, "propexo.json")))
            add(full, expected, name, cJSON_Parse("{\"a\":[1,null,{}]}"),
                cJSON_CreateString("{\"a\":[1,null,{}]}"));
        else if (named(type, "string"))
            add(full, expected, name, cJSON_CreateString(name), cJSON_CreateString(name));
        else if (named(type, "long"))
            add(full, expected, name, cJSON_CreateNumber(-12345), cJSON_CreateNumber(-12345));
        else if (named(type, "double"))
            add(full, expected, name, cJSON_CreateNumber(99.5), cJSON_CreateNumber(99.5));
        else if (named(type, "boolean"))
            add(full, expected, name, cJSON_CreateTrue(), cJSON_CreateTrue());
        else if (named(member_of(type, "logicalType"), "timestamp-millis"))
            add(full, expected, name, cJSON_CreateString(TIME), cJSON_CreateNumber(TIME_MS));
        else if (named(member_of(type, "type"), "array"))
            fill_list(name, member_of(type, "items"), full, expected);
        else
            assert_true(named(member_of(type, "type"), "map"));
    }
}

static struct samples samples_of(const struct schema *schema)
{
    struct samples samples = {cJSON_CreateObject(), cJSON_CreateObject(), cJSON_CreateObject(),
                              cJSON_CreateObject(), cJSON_CreateObject()};
    cJSON *parsed = cJSON_Parse(schema->text);
    const cJSON *field;
    assert_non_null(parsed);
    assert_true(cJSON_IsString(member_of(parsed, "doc")));
    fill(member_of(parsed, "fields"), samples.full, samples.expected);
    cJSON_AddObjectToObject(samples.expected, "unmapped_fields");
    cJSON_AddStringToObject(samples.least, "id", "x");
    cJSON_AddStringToObject(samples.hostile, "id", "x");
    cJSON_ArrayForEach(field, samples.full)
    {
        bool id = strcmp(field->string, "id") == 0;
        cJSON_AddItemToObject(samples.nothing, field->string,
                              id ? cJSON_CreateString("x") : cJSON_CreateNull());
        if (!id) /* a list that holds a list is none of the schemas' types */
            cJSON_AddItemToObject(samples.hostile, field->string, cJSON_Parse("[[1.5]]"));
    }
    cJSON_AddObjectToObject(samples.nothing, "unmapped_fields");
    cJSON_Delete(parsed);
    return samples;
}

static void samples_free(struct samples *samples)
{
    cJSON_Delete(samples->full);
    cJSON_Delete(samples->expected);
    cJSON_Delete(samples->hostile);
    cJSON_Delete(samples->least);
    cJSON_Delete(samples->nothing);
}

static void expect(struct encoder *encoder, const struct schema *schema, const cJSON *record,
                   const cJSON *expected)
{
    struct encoding info;
    cJSON *found = encode_both(encoder, schema, record, &info);
    assert_true(cJSON_Compare(found, expected, true));
    assert_int_equal(info.unmapped, 0);
    cJSON_Delete(found);
}

/* Each field is null with its text in unmapped_fields; a free-form one takes anything. */
static void expect_hostile(struct encoder *encoder, const struct schema *schema,
                           const cJSON *record)
{
    struct encoding info;
    size_t wrong = 0;
    cJSON *found = encode_both(encoder, schema, record, &info);
    const cJSON *unmapped = member_of(found, "unmapped_fields");
    const cJSON *field;
    cJSON_ArrayForEach(field, record)
    {
        const cJSON *value = member_of(found, field->string);
        const cJSON *text = member_of(unmapped, field->string);
        if (strcmp(field->string, "id") == 0)
            continue;
        wrong += cJSON_IsNull(value);
        assert_string_equal((cJSON_IsNull(value) ? text : value)->valuestring, "[[1.5]]");
        assert_int_equal(cJSON_IsNull(value), text != NULL);
    }
    assert_int_equal(info.unmapped, wrong);
    cJSON_Delete(found);
}

static void test_every_model(void **state)
{
    (void)state;
    for (size_t i = 0; i < schema_count(); i++) {
        const struct schema *schema = schema_at(i);
        if (strcmp(schema->model, SCHEMA_ASSEMBLED) == 0)
            continue; /* has a map of another name: test_encoder */
        struct error error;
        struct encoder *encoder = encoder_new(schema, &error);
        assert_non_null(encoder);
        struct samples samples = samples_of(schema);
        expect(encoder, schema, samples.full, samples.expected);
        expect(encoder, schema, samples.least, samples.nothing);
        expect_hostile(encoder, schema, samples.hostile);
        expect(encoder, schema, samples.full, samples.expected);
        samples_free(&samples);
        encoder_free(encoder);
    }
}

static void test_resident(void **state)
{
    static const char RECORD[] =
        "{\"id\":\"r1\",\"created_at\":\"2024-05-06T07:08:09Z\",\"balance_in_cents\":1250.5,"
        "\"leases_meta_data\":[{\"lease_id\":\"l1\",\"move_in_date\":\"05/01/2024\","
        "\"custom_data\":{\"k\":true},\"rank\":1}],\"vehicles\":[],\"is_employee\":false,"
        "\"loyalty\":\"gold\",\"zip\":12345}";
    (void)state;
    const struct schema *schema = schema_find("residents");
    struct error error;
    struct encoding info;
    struct encoder *encoder = encoder_new(schema, &error);
    cJSON *record = cJSON_Parse(RECORD);
    cJSON *found = encode_both(encoder, schema, record, &info);
    const cJSON *unmapped = member_of(found, "unmapped_fields");
    const cJSON *lease = cJSON_GetArrayItem(member_of(found, "leases_meta_data"), 0);
    assert_true(member_of(found, "created_at")->valuedouble == 1714979289000.0);
    assert_true(member_of(found, "balance_in_cents")->valuedouble == 1250.5);
    assert_true(cJSON_IsFalse(member_of(found, "is_employee")));
    assert_true(cJSON_IsNull(member_of(found, "zip")));
    assert_true(cJSON_IsNull(member_of(found, "pets")));
    assert_int_equal(cJSON_GetArraySize(member_of(found, "vehicles")), 0);
    assert_string_equal(member_of(lease, "lease_id")->valuestring, "l1");
    assert_string_equal(member_of(lease, "custom_data")->valuestring, "{\"k\":true}");
    assert_int_equal(info.unmapped, 3);
    assert_string_equal(member_of(unmapped, "loyalty")->valuestring, "\"gold\"");
    assert_string_equal(member_of(unmapped, "zip")->valuestring, "12345");
    assert_string_equal(member_of(unmapped, "leases_meta_data[0].rank")->valuestring, "1");
    cJSON_Delete(found);
    cJSON_Delete(record);
    encoder_free(encoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_model),
        cmocka_unit_test(test_resident),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
