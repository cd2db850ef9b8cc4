/*
 * Records of any content, through every model's encoder: Avro and JSON say the same, and each
 * member of the record is either in its field, in the field's own type, or in unmapped_fields.
 */
#include "tests/unit/encoder_check.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#include "bridge/base/attributes.h"
#include "bridge/base/memory.h"
#include "bridge/base/random.h"

#define RECORDS_A_MODEL 60

static const char *const texts[] = {
    "",
    "plain",
    "2024-05-06T07:08:09.120Z",
    "1970-01-01T00:00:00.000Z",
    "2024-13-06T07:08:09.000Z",
    "\"\\\n\t\x01\x7f",
    "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
    "null",
    "{}",
    "12.50",
};

static const double numbers[] = {0,
                                 1,
                                 -1,
                                 0.5,
                                 12345.67,
                                 0.1,
                                 -99.995,
                                 1e15,
                                 9007199254740991.0,
                                 -9007199254740991.0,
                                 9007199254740992.0,
                                 1e300,
                                 5e-324};

static size_t below(struct random *random, size_t count)
{
    return (size_t)random_between(random, 0, (int64_t)count - 1);
}

static const char *any_text(struct random *random)
{
    return texts[below(random, ARRAY_LENGTH(texts))];
}

static cJSON *any_value(struct random *random, int depth)
{
    cJSON *value = NULL;
    switch (below(random, depth == 0 ? 5 : 7)) {
    case 0:
        return cJSON_CreateNull();
    case 1:
        return cJSON_CreateBool((int)below(random, 2));
    case 2:
        return cJSON_CreateNumber(numbers[below(random, ARRAY_LENGTH(numbers))]);
    case 3:
    case 4:
        return cJSON_CreateString(any_text(random));
    case 5:
        value = cJSON_CreateArray();
        for (size_t i = below(random, 4); i > 0; i--)
            cJSON_AddItemToArray(value, any_value(random, depth - 1));
        return value;
    default:
        value = cJSON_CreateObject();
        for (size_t i = below(random, 4); i > 0; i--) {
            char name[40];
            (void)snprintf(name, sizeof name, "key %zu", i);
            cJSON_AddItemToObject(value, name, any_value(random, depth - 1));
        }
        return value;
    }
}

/* The members of a record: a field is absent, of its type more or less, or anything at all. */
static cJSON *any_record(struct random *random, const cJSON *fields)
{
    cJSON *record = cJSON_CreateObject();
    const cJSON *field;
    cJSON_ArrayForEach(field, fields)
    {
        const char *name = member_of(field, "name")->valuestring;
        const cJSON *items = member_of(cJSON_GetArrayItem(member_of(field, "type"), 1), "items");
        size_t what = below(random, 10);
        if (what < 4 && items != NULL) {
            cJSON *list = cJSON_AddArrayToObject(record, name);
            for (size_t i = below(random, 4); i > 0; i--)
                cJSON_AddItemToArray(list, cJSON_IsObject(items)
                                               ? any_record(random, member_of(items, "fields"))
                                               : cJSON_CreateString(any_text(random)));
        } else if (what < 7) {
            cJSON_AddItemToObject(record, name, any_value(random, 3));
        }
    }
    for (size_t i = below(random, 3); i > 0; i--) {
        char name[40];
        (void)snprintf(name, sizeof name, "unheard_of_%zu", i);
        cJSON_AddItemToObject(record, name, any_value(random, 2));
    }
    return record;
}

struct check {
    const cJSON *unmapped;
    size_t in_unmapped;
    size_t in_fields;
};

static void check_record(struct check *check, const char *path, const cJSON *fields,
                         const cJSON *record, const cJSON *found);

static const cJSON *field_of(const cJSON *fields, const char *name)
{
    const cJSON *field;
    cJSON_ArrayForEach(field, fields)
    {
        if (strcmp(member_of(field, "name")->valuestring, name) == 0)
            return field;
    }
    return NULL;
}

/* Milliseconds by the C library's own calendar, for texts of the one form used here; NAN for
 * others. */
static double time_of(const char *text)
{
    struct tm parts = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest == NULL || rest[0] != '.' || strlen(rest) != 5 || rest[4] != 'Z')
        return NAN;
    return (double)timegm(&parts) * 1000 + (double)strtol(rest + 1, NULL, 10);
}

static void check_list(struct check *check, const char *path, const cJSON *items,
                       const cJSON *value, const cJSON *found)
{
    if (cJSON_IsString(items)) {
        assert_true(cJSON_Compare(value, found, true));
        return;
    }
    assert_int_equal(cJSON_GetArraySize(found), cJSON_GetArraySize(value));
    for (int i = 0; i < cJSON_GetArraySize(value); i++) {
        char *inside = memory_format("%s[%d].", path, i);
        check_record(check, inside, member_of(items, "fields"), cJSON_GetArrayItem(value, i),
                     cJSON_GetArrayItem(found, i));
        free(inside);
    }
}

/* A value that is in its field: the very value, in the field's type. */
static void check_field(struct check *check, const char *path, const cJSON *field,
                        const cJSON *value, const cJSON *found)
{
    const cJSON *type = cJSON_IsArray(member_of(field, "type"))
                            ? cJSON_GetArrayItem(member_of(field, "type"), 1)
                            : member_of(field, "type");
    check->in_fields++;
    if (cJSON_IsTrue(member_of(field, "propexo.json"))) {
        cJSON *inside = cJSON_Parse(found->valuestring);
        assert_true(cJSON_Compare(value, inside, true));
        cJSON_Delete(inside);
    } else if (member_of(type, "logicalType") != NULL) {
        assert_true(found->valuedouble == time_of(value->valuestring));
    } else if (member_of(type, "items") != NULL) {
        check_list(check, path, member_of(type, "items"), value, found);
    } else {
        static const struct {
            const char *type;
            int json;
        } kinds[] = {{"string", cJSON_String}, {"long", cJSON_Number}, {"double", cJSON_Number}};
        for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
            if (strcmp(type->valuestring, kinds[i].type) == 0)
                assert_int_equal(found->type, kinds[i].json);
        }
        if (strcmp(type->valuestring, "boolean") == 0)
            assert_true(cJSON_IsBool(found));
        assert_true(cJSON_Compare(value, found, true));
    }
}

static void check_record(struct check *check, const char *path, const cJSON *fields,
                         const cJSON *record, const cJSON *found)
{
    const cJSON *value;
    cJSON_ArrayForEach(value, record)
    {
        char *name = memory_format("%s%s", path, value->string);
        const cJSON *field = field_of(fields, value->string);
        const cJSON *result = member_of(found, value->string);
        const cJSON *kept = member_of(check->unmapped, name);
        bool is_map = strcmp(name, "unmapped_fields") == 0;
        if (kept != NULL) {
            cJSON *text = cJSON_Parse(kept->valuestring);
            assert_true(cJSON_Compare(value, text, true));
            cJSON_Delete(text);
            assert_true(field == NULL || is_map || cJSON_IsNull(result));
            check->in_unmapped++;
        } else if (field == NULL || is_map) {
            fail_msg("%s is nowhere", name);
        } else if (cJSON_IsNull(value)) {
            assert_true(cJSON_IsNull(result));
        } else if (cJSON_IsNull(result)) {
            fail_msg("%s was dropped", name);
        } else {
            check_field(check, name, field, value, result);
        }
        free(name);
    }
    /* What the record does not have is null, and nothing else is there. */
    cJSON_ArrayForEach(value, found)
    {
        assert_non_null(field_of(fields, value->string));
        if (member_of(record, value->string) == NULL && value != check->unmapped)
            assert_true(cJSON_IsNull(value));
    }
    assert_int_equal(cJSON_GetArraySize(found), cJSON_GetArraySize(fields));
}

static void check_model(const struct schema *schema, struct random *random, size_t *in_unmapped,
                        size_t *in_fields)
{
    struct error error;
    struct encoder *encoder = encoder_new(schema, &error);
    cJSON *parsed = cJSON_Parse(schema->text);
    const cJSON *fields = member_of(parsed, "fields");
    assert_non_null(encoder);
    for (int i = 0; i < RECORDS_A_MODEL; i++) {
        struct encoding info;
        cJSON *record = any_record(random, fields);
        cJSON_DeleteItemFromObjectCaseSensitive(record, "id");
        cJSON_AddStringToObject(record, "id", "an id");
        cJSON *found = encode_both(encoder, schema, record, &info);
        struct check check = {.unmapped = member_of(found, "unmapped_fields")};
        check_record(&check, "", fields, record, found);
        assert_int_equal(check.in_unmapped, cJSON_GetArraySize(check.unmapped));
        assert_int_equal(check.in_unmapped, info.unmapped);
        *in_unmapped += check.in_unmapped;
        *in_fields += check.in_fields;
        cJSON_Delete(found);
        cJSON_Delete(record);
    }
    cJSON_Delete(parsed);
    encoder_free(encoder);
}

static void test_any_record_of_every_model(void **state)
{
    struct random random = random_from_seed(31);
    size_t in_unmapped = 0;
    size_t in_fields = 0;
    (void)state;
    for (size_t i = 0; i < schema_count(); i++) {
        if (strcmp(schema_at(i)->model, SCHEMA_ASSEMBLED) != 0) /* has a map of another name */
            check_model(schema_at(i), &random, &in_unmapped, &in_fields);
    }
    /* The records were of both kinds, in plenty. */
    assert_true(in_unmapped > 10 * RECORDS_A_MODEL);
    assert_true(in_fields > 10 * RECORDS_A_MODEL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_record_of_every_model),
    };
    return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
