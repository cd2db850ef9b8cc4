/*
 * Helpers for the encoder's tests: reads a frame back with avro-c's own reader, by the schema's
 * text, into a cJSON tree of the shape that encoder_json writes.
 */
#ifndef TESTS_UNIT_ENCODER_CHECK_H
#define TESTS_UNIT_ENCODER_CHECK_H

#include "tests/unit/unit.h"

#include <avro.h>
#include <cjson/cJSON.h>
#include <inttypes.h>

#include "bridge/base/buffer.h"
#include "bridge/base/utf8.h"
#include "bridge/codec/encoder.h"
#include "bridge/codec/json_parse.h"
#include "bridge/codec/json_text.h"
#include "bridge/codec/wire.h"

#define CHECK_ID      ((uint32_t)0x01020304)
#define CHECK_MAXIMUM ((size_t)1 << 20)

static cJSON *json_of(const avro_value_t *value);

/* A text that may have zero bytes, as json_parse would give it. */
static cJSON *json_of_text(const char *text, size_t length)
{
    struct buffer json = buffer_new(CHECK_MAXIMUM);
    assert_int_equal(text[length], '\0');
    assert_true(utf8_valid(text, length));
    json_text_string(&json, text, length);
    cJSON *string = json_parse(json.data, json.length);
    assert_non_null(string);
    buffer_free(&json);
    return string;
}

static cJSON *json_of_members(const avro_value_t *value, cJSON *out)
{
    size_t count = 0;
    assert_int_equal(avro_value_get_size(value, &count), 0);
    for (size_t i = 0; i < count; i++) {
        avro_value_t member;
        const char *name = NULL;
        assert_int_equal(avro_value_get_by_index(value, i, &member, &name), 0);
        if (cJSON_IsArray(out))
            cJSON_AddItemToArray(out, json_of(&member));
        else
            cJSON_AddItemToObject(out, name, json_of(&member));
    }
    return out;
}

static cJSON *json_of(const avro_value_t *value)
{
    avro_value_t branch;
    const char *text = NULL;
    size_t size = 0;
    int64_t whole = 0;
    char digits[24];
    double real = 0;
    int truth = 0;
    switch (avro_value_get_type(value)) {
    case AVRO_UNION:
        assert_int_equal(avro_value_get_current_branch(value, &branch), 0);
        return json_of(&branch);
    case AVRO_NULL:
        return cJSON_CreateNull();
    case AVRO_STRING:
        assert_int_equal(avro_value_get_string(value, &text, &size), 0);
        return json_of_text(text, size - 1);
    case AVRO_INT64:
        assert_int_equal(avro_value_get_long(value, &whole), 0);
        (void)snprintf(digits, sizeof digits, "%" PRId64, whole);
        return json_parse(digits, strlen(digits));
    case AVRO_DOUBLE:
        assert_int_equal(avro_value_get_double(value, &real), 0);
        return cJSON_CreateNumber(real);
    case AVRO_BOOLEAN:
        assert_int_equal(avro_value_get_boolean(value, &truth), 0);
        return cJSON_CreateBool(truth);
    case AVRO_ARRAY:
        return json_of_members(value, cJSON_CreateArray());
    case AVRO_RECORD:
    case AVRO_MAP:
        return json_of_members(value, cJSON_CreateObject());
    default:
        fail_msg("an Avro type the schemas do not use");
        return NULL;
    }
}

/* Decodes a whole frame; every byte of it must be used. */
UNUSED static cJSON *decode(const struct schema *schema, const void *frame, size_t length)
{
    avro_schema_t parsed;
    avro_value_t value;
    uint32_t id = 0;
    assert_true(wire_get(frame, length, &id));
    assert_int_equal(id, CHECK_ID);
    assert_int_equal(avro_schema_from_json_length(schema->text, schema->length, &parsed), 0);
    avro_value_iface_t *class = avro_generic_class_from_schema(parsed);
    assert_int_equal(avro_generic_value_new(class, &value), 0);
    const char *body = (const char *)frame + WIRE_HEADER_SIZE;
    avro_reader_t reader = avro_reader_memory(body, (int64_t)(length - WIRE_HEADER_SIZE));
    char rest;
    assert_int_equal(avro_value_read(reader, &value), 0);
    assert_int_not_equal(avro_read(reader, &rest, 1), 0);
    cJSON *json = json_of(&value);
    avro_reader_free(reader);
    avro_value_decref(&value);
    avro_value_iface_decref(class);
    avro_schema_decref(parsed);
    return json;
}

/* The caller frees. */
static char *text_of(const cJSON *value)
{
    struct buffer text = buffer_new(4 * CHECK_MAXIMUM);
    struct error error;
    assert_true(json_text_value(&text, value, &error));
    assert_false(text.overflowed);
    return buffer_take(&text);
}

/* Equal to the last digit; the members of objects may stand in any order. */
static bool same(const cJSON *found, const cJSON *wanted)
{
    if (cJSON_IsObject(found) && cJSON_IsObject(wanted)) {
        bool equal = cJSON_GetArraySize(found) == cJSON_GetArraySize(wanted);
        for (const cJSON *item = wanted->child; equal && item != NULL; item = item->next)
            equal = same(json_member(found, item->string), item);
        return equal;
    }
    char *texts[] = {text_of(found), text_of(wanted)};
    bool equal = strcmp(texts[0], texts[1]) == 0;
    free(texts[0]);
    free(texts[1]);
    return equal;
}

/* Encodes both ways, finds the two equal, and returns the JSON output. */
UNUSED static cJSON *encode_both(struct encoder *encoder, const struct schema *schema,
                                 const cJSON *record, struct encoding *info)
{
    struct error error = {.message = ""};
    struct encoding other;
    const void *bytes;
    size_t length;
    if (!encoder_json(encoder, record, CHECK_MAXIMUM, &bytes, &length, &other, &error))
        fail_msg("%s", error.message);
    assert_int_equal(strlen(bytes), length);
    cJSON *json = json_parse(bytes, length);
    assert_non_null(json);
    if (!encoder_avro(encoder, record, CHECK_ID, CHECK_MAXIMUM, &bytes, &length, info, &error))
        fail_msg("%s", error.message);
    cJSON *avro = decode(schema, bytes, length);
    assert_true(same(json, avro));
    assert_int_equal(info->unmapped, other.unmapped);
    cJSON_Delete(avro);
    return json;
}

UNUSED static cJSON *member_of(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

#endif
