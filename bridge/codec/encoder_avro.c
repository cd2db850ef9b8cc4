#include <errno.h>
#include <stdlib.h>

#include "bridge/base/memory.h"
#include "bridge/codec/encoder_state.h"
#include "bridge/codec/wire.h"

#define FIRST_SIZE 8192

static bool fill(struct encoder *encoder, const struct plan_node *node, avro_value_t *value,
                 const cJSON *json, int depth);

/* avro-c's calls return 0 or an errno; the text behind it is one global buffer. */
static bool avro_failed(struct error *error, const char *doing)
{
    return error_set(error, VERDICT_ABORT, "%s: %s", doing, avro_strerror());
}

static bool fill_scalar(const struct plan_node *node, avro_value_t *value, const cJSON *json)
{
    struct scalar scalar;
    int failed = 0;
    if (!convert_scalar(node->type, json, &scalar))
        return false;
    if (node->type == TYPE_DOUBLE)
        failed = avro_value_set_double(value, scalar.real);
    else if (node->type == TYPE_BOOLEAN)
        failed = avro_value_set_boolean(value, (int)scalar.number);
    else if (node->type == TYPE_LONG || node->type == TYPE_TIMESTAMP)
        failed = avro_value_set_long(value, scalar.number);
    else
        failed = avro_value_set_string(value, node->type == TYPE_JSON ? scalar.owned : scalar.text);
    cJSON_free(scalar.owned);
    return failed == 0;
}

static bool fill_array(struct encoder *encoder, const struct plan_node *node, avro_value_t *value,
                       const cJSON *json, int depth)
{
    size_t index = 0;
    if (!cJSON_IsArray(json))
        return false;
    for (const cJSON *item = json->child; item != NULL; item = item->next, index++) {
        avro_value_t element;
        size_t length = conversion_enter_item(&encoder->conversion, index);
        bool is_record = node->item->type == TYPE_RECORD;
        if (is_record && !cJSON_IsObject(item)) {
            conversion_note(&encoder->conversion, item); /* not a record: no element for it */
        } else if (avro_value_append(value, &element, NULL) != 0 ||
                   !fill(encoder, node->item, &element, item, depth)) {
            encoder->conversion.failed = true;
        }
        conversion_leave(&encoder->conversion, length);
    }
    return true;
}

static bool fill_record(struct encoder *encoder, const struct plan_fields *fields,
                        avro_value_t *value, const cJSON *json, int depth)
{
    bool ok = true;
    if (!cJSON_IsObject(json) || depth > ENCODER_DEPTH)
        return false;
    size_t begin = conversion_sort(&encoder->conversion, fields, json);
    for (size_t i = 0; i < fields->count && ok; i++) {
        avro_value_t field;
        const struct plan_field *plan = &fields->list[i];
        if (plan->node->type == TYPE_MAP)
            continue; /* unmapped_fields, filled last */
        size_t length = conversion_enter(&encoder->conversion, plan->name);
        ok = avro_value_get_by_index(value, i, &field, NULL) == 0 &&
             fill(encoder, plan->node, &field, encoder->conversion.places[begin + i], depth);
        conversion_leave(&encoder->conversion, length);
    }
    conversion_drop(&encoder->conversion, begin);
    return ok;
}

static bool fill_type(struct encoder *encoder, const struct plan_node *node, avro_value_t *value,
                      const cJSON *json, int depth)
{
    if (node->type == TYPE_RECORD)
        return fill_record(encoder, node->fields, value, json, depth + 1);
    if (node->type == TYPE_ARRAY)
        return fill_array(encoder, node, value, json, depth);
    return fill_scalar(node, value, json);
}

/* A value of another type becomes null, and is noted. */
static bool fill(struct encoder *encoder, const struct plan_node *node, avro_value_t *value,
                 const cJSON *json, int depth)
{
    avro_value_t branch;
    if (!node->nullable)
        return fill_type(encoder, node, value, json, depth);
    bool present = json != NULL && !cJSON_IsNull(json);
    if (present && avro_value_set_branch(value, 1, &branch) == 0 &&
        fill_type(encoder, node, &branch, json, depth))
        return true;
    if (present)
        conversion_note(&encoder->conversion, json);
    return avro_value_set_branch(value, 0, &branch) == 0 && avro_value_set_null(&branch) == 0;
}

static bool fill_unmapped(struct encoder *encoder)
{
    avro_value_t map;
    avro_value_t entry;
    const struct conversion *conversion = &encoder->conversion;
    if (conversion->failed ||
        avro_value_get_by_name(&encoder->value, "unmapped_fields", &map, NULL) != 0)
        return false;
    for (size_t i = 0; i < conversion->unmapped_count; i++) {
        if (avro_value_add(&map, conversion->unmapped[i].path, &entry, NULL, NULL) != 0 ||
            avro_value_set_string(&entry, conversion->unmapped[i].text) != 0)
            return false;
    }
    return true;
}

static bool prepare(struct encoder *encoder, struct error *error)
{
    if (encoder->class != NULL)
        return true;
    const struct schema *schema = encoder->schema;
    if (avro_schema_from_json_length(schema->text, schema->length, &encoder->avro) != 0)
        return avro_failed(error, "reading the schema");
    encoder->class = avro_generic_class_from_schema(encoder->avro);
    if (encoder->class == NULL || avro_generic_value_new(encoder->class, &encoder->value) != 0)
        return avro_failed(error, "preparing the schema");
    encoder->out_size = FIRST_SIZE;
    encoder->out = memory_grow(NULL, encoder->out_size, 1);
    encoder->writer = avro_writer_memory("", 0);
    return true;
}

/* Writes behind the room for the wire header, with a larger buffer each time it did not fit. */
static bool write_value(struct encoder *encoder, size_t maximum, size_t *length,
                        struct error *error)
{
    for (;;) {
        char *body = (char *)encoder->out + WIRE_HEADER_SIZE;
        avro_writer_memory_set_dest(encoder->writer, body,
                                    (int64_t)(encoder->out_size - WIRE_HEADER_SIZE));
        int failed = avro_value_write(encoder->writer, &encoder->value);
        *length = WIRE_HEADER_SIZE + (size_t)avro_writer_tell(encoder->writer);
        if (failed == 0 && *length <= maximum)
            return true;
        if (failed != 0 && failed != ENOSPC)
            return avro_failed(error, "encoding");
        if (failed == 0 || encoder->out_size > maximum)
            return error_set(error, VERDICT_ABORT, "the record is larger than %zu bytes as Avro",
                             maximum);
        encoder->out_size *= 2;
        encoder->out = memory_grow(encoder->out, encoder->out_size, 1);
    }
}

bool encoder_avro(struct encoder *encoder, const cJSON *record, uint32_t schema_id, size_t maximum,
                  const void **bytes, size_t *length, struct encoding *info, struct error *error)
{
    if (!encoder_check(record, error) || !prepare(encoder, error))
        return false;
    conversion_clear(&encoder->conversion);
    (void)avro_value_reset(&encoder->value);
    if (!fill_record(encoder, encoder->plan->fields, &encoder->value, record, 1) ||
        !fill_unmapped(encoder))
        return error_set(error, VERDICT_ABORT, "the record does not fit its schema at all");
    if (!write_value(encoder, maximum, length, error))
        return false;
    wire_put(encoder->out, schema_id);
    *bytes = encoder->out;
    info->unmapped = encoder->conversion.unmapped_count;
    return true;
}
