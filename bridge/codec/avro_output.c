#include "bridge/codec/avro_output.h"

#include <avro.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/codec/wire.h"

#define FIRST_CAPACITY ((size_t)4 << 10)
#define KEEP_CAPACITY  ((size_t)256 << 10)

/* Branches of a nullable field's union. */
#define BRANCH_NULL  0
#define BRANCH_VALUE 1

struct avro_output {
    struct plan *plan;
    avro_schema_t schema;
    avro_value_iface_t *class;
    avro_value_t record; /* filled anew for each record; `iface` NULL = not made */
    avro_writer_t writer;
    char *bytes;
    size_t capacity;
};

static bool avro_failed(struct error *error)
{
    error_set(error, VERDICT_FATAL, "avro-c: %s", avro_strerror());
    return false;
}

struct avro_output *avro_output_new(const struct schema *schema, struct plan *plan,
                                    struct error *error)
{
    struct avro_output *output = memory_new(1, sizeof *output);
    output->plan = plan;
    output->capacity = FIRST_CAPACITY;
    output->bytes = memory_new(output->capacity, 1);
    output->writer = avro_writer_memory(output->bytes, (int64_t)output->capacity);
    if (output->writer == NULL ||
        avro_schema_from_json_length(schema->text, schema->length, &output->schema) != 0)
        goto failed;
    output->class = avro_generic_class_from_schema(output->schema);
    if (output->class == NULL)
        goto failed;
    return output;
failed:
    avro_failed(error);
    error_prefix(error, "schema %s", schema->model);
    avro_output_free(output);
    return NULL;
}

void avro_output_free(struct avro_output *output)
{
    if (output == NULL)
        return;
    if (output->record.iface != NULL)
        avro_value_decref(&output->record);
    if (output->class != NULL)
        avro_value_iface_decref(output->class);
    if (output->schema != NULL)
        avro_schema_decref(output->schema);
    if (output->writer != NULL)
        avro_writer_free(output->writer);
    free(output->bytes);
    free(output);
}

/* A text of the JSON tree or of a buffer: avro-c copies it and writes nothing to it. */
static int set_text(avro_value_t *value, const char *text, size_t length)
{
    return avro_value_set_string_len(value, (char *)(uintptr_t)text, length + 1);
}

static bool fill_record(avro_value_t *target, struct mapping *mapping, struct plan *plan,
                        const cJSON *record, struct unmapped_place place, struct error *error);

static int fill_strings(avro_value_t *target, struct mapping *mapping, const cJSON *list)
{
    struct value text;
    avro_value_t element;
    int result = avro_value_reset(target);
    for (const cJSON *item = list->child; result == 0 && item != NULL; item = item->next) {
        result = avro_value_append(target, &element, NULL);
        mapping_item(mapping, item, &text);
        if (result == 0)
            result = set_text(&element, text.text, text.length);
    }
    return result;
}

static bool fill_records(avro_value_t *target, struct mapping *mapping,
                         const struct plan_field *field, const cJSON *list, struct error *error)
{
    struct unmapped_place place = {.field = field->name};
    avro_value_t element;
    if (avro_value_reset(target) != 0)
        return avro_failed(error);
    for (const cJSON *item = list->child; item != NULL; item = item->next, place.index++) {
        if (avro_value_append(target, &element, NULL) != 0)
            return avro_failed(error);
        if (!fill_record(&element, mapping, field->items, item, place, error))
            return false;
    }
    return true;
}

static int fill_unmapped(avro_value_t *target, const struct unmapped *unmapped)
{
    avro_value_t element;
    int result = avro_value_reset(target);
    for (size_t i = 0; result == 0 && i < unmapped->count; i++) {
        result = avro_value_add(target, unmapped_name(unmapped, i), &element, NULL, NULL);
        if (result == 0)
            result = set_text(&element, unmapped_text(unmapped, i), unmapped->entries[i].length);
    }
    return result;
}

static int fill_scalar(avro_value_t *target, struct mapping *mapping, const struct value *value)
{
    switch (value->kind) {
    case VALUE_TEXT:
        return set_text(target, value->text, value->length);
    case VALUE_LONG:
        return avro_value_set_long(target, value->number);
    case VALUE_DOUBLE:
        return avro_value_set_double(target, value->real);
    case VALUE_BOOLEAN:
        return avro_value_set_boolean(target, value->truth);
    case VALUE_STRINGS:
        return fill_strings(target, mapping, value->list);
    case VALUE_NULL:
    case VALUE_RECORDS:
        break;
    }
    return EINVAL;
}

static bool fill_field(avro_value_t *target, struct mapping *mapping,
                       const struct plan_field *field, const struct value *value,
                       struct error *error)
{
    avro_value_t branch = *target;
    bool null = value->kind == VALUE_NULL;
    if (field->nullable &&
        avro_value_set_branch(target, null ? BRANCH_NULL : BRANCH_VALUE, &branch) != 0)
        return avro_failed(error);
    if (null)
        return true;
    if (value->kind == VALUE_RECORDS)
        return fill_records(&branch, mapping, field, value->list, error);
    return fill_scalar(&branch, mapping, value) == 0 || avro_failed(error);
}

static bool fill_record(avro_value_t *target, struct mapping *mapping, struct plan *plan,
                        const cJSON *record, struct unmapped_place place, struct error *error)
{
    if (!mapping_resolve(mapping, plan, record, place, error))
        return false;
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_field *field = &plan->fields[i];
        avro_value_t part;
        struct value value;
        if (avro_value_get_by_index(target, i, &part, NULL) != 0)
            return avro_failed(error);
        if (field->kind == PLAN_UNMAPPED) {
            if (fill_unmapped(&part, &mapping->unmapped) != 0)
                return avro_failed(error);
        } else if (!mapping_value(mapping, plan, i, place, &value, error) ||
                   !fill_field(&part, mapping, field, &value, error)) {
            return false;
        }
    }
    return true;
}

/* Gives back what one large record made the output keep. */
static bool renew(struct avro_output *output, struct error *error)
{
    if (output->capacity > KEEP_CAPACITY) {
        output->bytes = memory_grow(output->bytes, FIRST_CAPACITY, 1);
        output->capacity = FIRST_CAPACITY;
        avro_value_decref(&output->record);
        output->record.iface = NULL;
    }
    if (output->record.iface == NULL &&
        avro_generic_value_new(output->class, &output->record) != 0) {
        output->record.iface = NULL;
        return avro_failed(error);
    }
    return true;
}

/* Writes the filled record behind the header, into a larger buffer as long as it does not fit. */
static bool write_body(struct avro_output *output, struct mapping *mapping, struct error *error)
{
    for (;;) {
        avro_writer_memory_set_dest(output->writer, output->bytes + WIRE_HEADER_SIZE,
                                    (int64_t)(output->capacity - WIRE_HEADER_SIZE));
        int result = avro_value_write(output->writer, &output->record);
        if (result == 0)
            return true;
        if (result != ENOSPC)
            return avro_failed(error);
        if (output->capacity > mapping->maximum)
            return mapping_too_large(mapping, error);
        output->bytes = memory_grow(output->bytes, output->capacity, 2);
        output->capacity *= 2;
    }
}

bool avro_output_write(struct avro_output *output, struct mapping *mapping, const cJSON *record,
                       uint32_t schema_id, const void **bytes, size_t *length, struct error *error)
{
    unsigned char header[WIRE_HEADER_SIZE];
    if (!renew(output, error) || !fill_record(&output->record, mapping, output->plan, record,
                                              (struct unmapped_place){0}, error))
        return false;
    if (!write_body(output, mapping, error))
        return false;
    *length = WIRE_HEADER_SIZE + (size_t)avro_writer_tell(output->writer);
    if (*length > mapping->maximum)
        return mapping_too_large(mapping, error);
    wire_put(header, schema_id);
    memcpy(output->bytes, header, sizeof header);
    *bytes = output->bytes;
    return true;
}
