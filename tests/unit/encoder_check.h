/*
 * Helpers for the encoder's tests: reads a frame back with avro-c's own reader, by the schema's
 * text, into a cJSON tree of the shape that encoder_json writes.
 */
#ifndef TESTS_UNIT_ENCODER_CHECK_H
#define TESTS_UNIT_ENCODER_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <avro.h>
#include <cjson/cJSON.h>

#include "bridge/codec/encoder.h"
#include "bridge/codec/wire.h"

#define CHECK_ID      ((uint32_t)0x01020304)
#define CHECK_MAXIMUM ((size_t)1 << 20)

static cJSON *json_of(const avro_value_t *value);

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
        assert_int_equal(strlen(text) + 1, size);
        return cJSON_CreateString(text);
    case AVRO_INT64:
        assert_int_equal(avro_value_get_long(value, &whole), 0);
        return cJSON_CreateNumber((double)whole);
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
static cJSON *decode(const struct schema *schema, const void *frame, size_t length)
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

/* Encodes both ways, finds the two equal, and returns the JSON output. */
static cJSON *encode_both(struct encoder *encoder, const struct schema *schema, const cJSON *record,
                          struct encoding *info)
{
    struct error error = {.message = ""};
    struct encoding other;
    const void *bytes;
    size_t length;
    if (!encoder_json(encoder, record, CHECK_MAXIMUM, &bytes, &length, &other, &error))
        fail_msg("%s", error.message);
    assert_int_equal(strlen(bytes), length);
    cJSON *json = cJSON_Parse(bytes);
    assert_non_null(json);
    if (!encoder_avro(encoder, record, CHECK_ID, CHECK_MAXIMUM, &bytes, &length, info, &error))
        fail_msg("%s", error.message);
    cJSON *avro = decode(schema, bytes, length);
    assert_true(cJSON_Compare(json, avro, true));
    assert_int_equal(info->unmapped, other.unmapped);
    cJSON_Delete(avro);
    return json;
}

static cJSON *member_of(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

#endif
