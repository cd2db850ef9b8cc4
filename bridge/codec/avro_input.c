#include "bridge/codec/avro_input.h"

#include <avro.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/base/table.h"
#include "bridge/codec/json_text.h"
#include "bridge/codec/wire.h"

/* A schema as it was found at the registry. */
struct writer_schema {
    avro_schema_t schema; /* NULL: the registry has none of this id, or not one of Avro */
    avro_value_iface_t *class;
};

struct avro_input {
    struct registry *registry;
    struct table schemas; /* id to struct writer_schema */
};

struct avro_input *avro_input_new(struct registry *registry)
{
    struct avro_input *input = memory_new(1, sizeof *input);
    input->registry = registry;
    return input;
}

void avro_input_free(struct avro_input *input)
{
    size_t cursor = 0;
    const struct table_slot *slot;
    if (input == NULL)
        return;
    while ((slot = table_next(&input->schemas, &cursor)) != NULL) {
        struct writer_schema *known = slot->value;
        if (known->class != NULL)
            avro_value_iface_decref(known->class);
        if (known->schema != NULL)
            avro_schema_decref(known->schema);
        free(known);
    }
    table_free(&input->schemas);
    free(input);
}

/* The schema of this id; NULL with `error` when the registry does not answer. */
static struct writer_schema *find_schema(struct avro_input *input, uint32_t id, struct error *error)
{
    char *text = NULL;
    struct writer_schema *known = table_get(&input->schemas, &id, sizeof id);
    if (known != NULL)
        return known;
    if (!registry_schema_text(input->registry, id, &text, error))
        return NULL;
    known = memory_new(1, sizeof *known);
    if (text != NULL && avro_schema_from_json_length(text, strlen(text), &known->schema) != 0)
        known->schema = NULL;
    if (known->schema != NULL)
        known->class = avro_generic_class_from_schema(known->schema);
    free(text);
    (void)table_put(&input->schemas, &id, sizeof id, known);
    return known;
}

static bool append_any(struct buffer *out, avro_value_t *value);

static bool append_text(struct buffer *out, avro_value_t *value)
{
    const char *text = NULL;
    size_t size = 0;
    if (avro_value_get_string(value, &text, &size) != 0 || size == 0)
        return false;
    json_text_string(out, text, size - 1);
    return true;
}

static bool append_number(struct buffer *out, avro_value_t *value)
{
    int32_t small = 0;
    int64_t whole = 0;
    float single = 0;
    double real = 0;
    switch (avro_value_get_type(value)) {
    case AVRO_INT32:
        return avro_value_get_int(value, &small) == 0 &&
               buffer_append_format(out, "%" PRId32, small);
    case AVRO_INT64:
        return avro_value_get_long(value, &whole) == 0 &&
               buffer_append_format(out, "%" PRId64, whole);
    case AVRO_FLOAT:
        if (avro_value_get_float(value, &single) != 0)
            return false;
        json_text_number(out, (double)single);
        return true;
    default:
        if (avro_value_get_double(value, &real) != 0)
            return false;
        json_text_number(out, real);
        return true;
    }
}

/* An array, a map or a record: avro-c counts and names the parts of all three alike. */
static bool append_parts(struct buffer *out, avro_value_t *value)
{
    size_t count = 0;
    avro_value_t part;
    bool named = avro_value_get_type(value) != AVRO_ARRAY;
    bool ok = avro_value_get_size(value, &count) == 0;
    buffer_append_text(out, named ? "{" : "[");
    for (size_t i = 0; ok && i < count; i++) {
        const char *name = NULL;
        if (avro_value_get_by_index(value, i, &part, &name) != 0)
            return false;
        if (i > 0)
            buffer_append_text(out, ",");
        if (named) {
            json_text_string(out, name, strlen(name));
            buffer_append_text(out, ":");
        }
        ok = append_any(out, &part);
    }
    buffer_append_text(out, named ? "}" : "]");
    return ok;
}

static bool append_any(struct buffer *out, avro_value_t *value)
{
    avro_value_t branch;
    int truth = 0;
    switch (avro_value_get_type(value)) {
    case AVRO_NULL:
        return buffer_append_text(out, "null");
    case AVRO_BOOLEAN:
        return avro_value_get_boolean(value, &truth) == 0 &&
               buffer_append_text(out, truth != 0 ? "true" : "false");
    case AVRO_INT32:
    case AVRO_INT64:
    case AVRO_FLOAT:
    case AVRO_DOUBLE:
        return append_number(out, value);
    case AVRO_STRING:
        return append_text(out, value);
    case AVRO_UNION:
        return avro_value_get_current_branch(value, &branch) == 0 && append_any(out, &branch);
    case AVRO_ARRAY:
    case AVRO_MAP:
    case AVRO_RECORD:
        return append_parts(out, value);
    default:
        return false;
    }
}

static bool append_body(struct buffer *out, const struct writer_schema *known, const char *body,
                        size_t length)
{
    avro_value_t value;
    avro_reader_t reader = avro_reader_memory(body, (int64_t)length);
    if (reader == NULL)
        return false;
    bool ok = avro_generic_value_new(known->class, &value) == 0;
    if (ok) {
        ok = avro_value_read(reader, &value) == 0 && append_any(out, &value) && !out->overflowed;
        avro_value_decref(&value);
    }
    avro_reader_free(reader);
    return ok;
}

bool avro_input_json(struct avro_input *input, const void *frame, size_t length, struct buffer *out,
                     struct error *error)
{
    uint32_t id = 0;
    if (!wire_get(frame, length, &id))
        return error_set(error, VERDICT_ABORT, "not a frame of a schema registry");
    const struct writer_schema *known = find_schema(input, id, error);
    if (known == NULL)
        return false;
    if (known->class == NULL)
        return error_set(error, VERDICT_ABORT, "the registry has no Avro schema %" PRIu32, id);
    if (!append_body(out, known, (const char *)frame + WIRE_HEADER_SIZE, length - WIRE_HEADER_SIZE))
        return error_set(error, VERDICT_ABORT, "the body does not fit schema %" PRIu32, id);
    return true;
}
