#include "tests/bench/bare_record.h"

#include <stdlib.h>

#include "bridge/base/memory.h"
#include "bridge/codec/wire.h"
#include "tests/bench/bare.h"

struct bare_step {
    avro_type_t type;
    const char *text;
    size_t size; /* of a text with its terminator; of an array or map */
    int64_t whole;
    double real;
    int truth;
};

static void note(struct bare_record *record, const avro_value_t *value)
{
    avro_value_t inner;
    if (record->count == record->capacity) {
        record->capacity = record->capacity == 0 ? 64 : 2 * record->capacity;
        record->steps = memory_grow(record->steps, record->capacity, sizeof *record->steps);
    }
    struct bare_step step = {.type = avro_value_get_type(value)};
    size_t place = record->count++;
    switch (step.type) {
    case AVRO_STRING:
        (void)avro_value_get_string(value, &step.text, &step.size);
        break;
    case AVRO_INT64:
        (void)avro_value_get_long(value, &step.whole);
        break;
    case AVRO_DOUBLE:
        (void)avro_value_get_double(value, &step.real);
        break;
    case AVRO_BOOLEAN:
        (void)avro_value_get_boolean(value, &step.truth);
        break;
    case AVRO_UNION:
        (void)avro_value_get_current_branch(value, &inner);
        note(record, &inner);
        break;
    case AVRO_ARRAY:
    case AVRO_RECORD:
        (void)avro_value_get_size(value, &step.size);
        for (size_t i = 0; i < step.size; i++) {
            (void)avro_value_get_by_index(value, i, &inner, NULL);
            note(record, &inner);
        }
        break;
    case AVRO_MAP:
        (void)avro_value_get_size(value, &step.size);
        bare_demand(step.size == 0, "finding no unmapped fields");
        break;
    default:
        break;
    }
    record->steps[place] = step;
}

static int fill(avro_value_t *value, const struct bare_step **next)
{
    const struct bare_step *step = (*next)++;
    avro_value_t inner;
    int result = 0;
    switch (step->type) {
    case AVRO_STRING:
        return avro_value_set_string_len(value, (char *)(uintptr_t)step->text, step->size);
    case AVRO_INT64:
        return avro_value_set_long(value, step->whole);
    case AVRO_DOUBLE:
        return avro_value_set_double(value, step->real);
    case AVRO_BOOLEAN:
        return avro_value_set_boolean(value, step->truth);
    case AVRO_UNION:
        result = avro_value_set_branch(value, (*next)->type == AVRO_NULL ? 0 : 1, &inner);
        return result != 0 ? result : fill(&inner, next);
    case AVRO_ARRAY:
        result = avro_value_reset(value);
        for (size_t i = 0; result == 0 && i < step->size; i++) {
            result = avro_value_append(value, &inner, NULL);
            result = result != 0 ? result : fill(&inner, next);
        }
        return result;
    case AVRO_RECORD:
        for (size_t i = 0; result == 0 && i < step->size; i++) {
            result = avro_value_get_by_index(value, i, &inner, NULL);
            result = result != 0 ? result : fill(&inner, next);
        }
        return result;
    case AVRO_MAP:
        return avro_value_reset(value);
    default:
        return 0;
    }
}

struct bare_class bare_class(const struct schema *schema)
{
    struct bare_class class = {0};
    bare_demand(avro_schema_from_json_length(schema->text, schema->length, &class.schema) == 0,
                "reading the schema");
    class.class = avro_generic_class_from_schema(class.schema);
    bare_demand(avro_generic_value_new(class.class, &class.record) == 0, "making a value");
    return class;
}

void bare_class_free(struct bare_class *class)
{
    avro_value_decref(&class->record);
    avro_value_iface_decref(class->class);
    avro_schema_decref(class->schema);
}

struct bare_record bare_record(const struct bare_class *class, const void *frame, size_t length)
{
    struct bare_record record = {0};
    avro_reader_t reader = avro_reader_memory((const char *)frame + WIRE_HEADER_SIZE,
                                              (int64_t)(length - WIRE_HEADER_SIZE));
    bare_demand(avro_generic_value_new(class->class, &record.model) == 0 &&
                    avro_value_read(reader, &record.model) == 0,
                "decoding a frame");
    avro_reader_free(reader);
    note(&record, &record.model);
    return record;
}

void bare_record_free(struct bare_record *record)
{
    avro_value_decref(&record->model);
    free(record->steps);
}

void bare_record_write(struct bare_class *class, const struct bare_record *record,
                       avro_writer_t writer)
{
    const struct bare_step *next = record->steps;
    bare_demand(fill(&class->record, &next) == 0 && avro_value_write(writer, &class->record) == 0,
                "writing a record");
}
