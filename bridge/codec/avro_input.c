#include "bridge/codec/avro_input.h"

#include <avro.h>
#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/base/table.h"
#include "bridge/codec/json_text.h"
#include "bridge/codec/wire.h"

#define DEPTH_MOST 64 /* of types in one another */

/* A schema as it was found at the registry. */
struct writer_schema {
    avro_schema_t schema; /* NULL: the registry has none of this id, or not one of Avro */
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
    free(text);
    (void)table_put(&input->schemas, &id, sizeof id, known);
    return known;
}

/* The body, read from front to back. */
struct body {
    const unsigned char *at;
    const unsigned char *end;
    int depth;
    struct buffer *out;
};

static bool append_any(struct body *body, avro_schema_t schema);

/* A zigzag number of variable length. */
static bool take_long(struct body *body, int64_t *value)
{
    uint64_t bits = 0;
    for (int shift = 0; shift < 64 && body->at < body->end; shift += 7) {
        unsigned char byte = *body->at++;
        bits |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *value = (int64_t)(bits >> 1) ^ -(int64_t)(bits & 1);
            return true;
        }
    }
    return false;
}

static bool take_bytes(struct body *body, void *bytes, size_t length)
{
    if ((size_t)(body->end - body->at) < length)
        return false;
    memcpy(bytes, body->at, length);
    body->at += length;
    return true;
}

static bool append_text(struct body *body)
{
    int64_t length = 0;
    if (!take_long(body, &length) || length < 0 || length > body->end - body->at)
        return false;
    json_text_string(body->out, (const char *)body->at, (size_t)length);
    body->at += length;
    return true;
}

static bool append_boolean(struct body *body)
{
    unsigned char truth = 0;
    return take_bytes(body, &truth, 1) && truth <= 1 &&
           buffer_append_text(body->out, truth == 1 ? "true" : "false");
}

static bool append_long(struct body *body)
{
    int64_t value = 0;
    return take_long(body, &value) && buffer_append_format(body->out, "%" PRId64, value);
}

static bool append_float(struct body *body)
{
    uint32_t bits = 0;
    float value = 0;
    if (!take_bytes(body, &bits, sizeof bits))
        return false;
    bits = le32toh(bits);
    memcpy(&value, &bits, sizeof value);
    json_text_number(body->out, (double)value);
    return true;
}

static bool append_double(struct body *body)
{
    uint64_t bits = 0;
    double value = 0;
    if (!take_bytes(body, &bits, sizeof bits))
        return false;
    bits = le64toh(bits);
    memcpy(&value, &bits, sizeof value);
    json_text_number(body->out, value);
    return true;
}

static bool append_union(struct body *body, avro_schema_t schema)
{
    int64_t branch = 0;
    return take_long(body, &branch) && branch >= 0 &&
           branch < (int64_t)avro_schema_union_size(schema) &&
           append_any(body, avro_schema_union_branch(schema, (int)branch));
}

/* The number of items of an array's or a map's next block, 0 at the end. */
static bool take_block(struct body *body, int64_t *count)
{
    int64_t size = 0;
    if (!take_long(body, count) || *count == INT64_MIN)
        return false;
    if (*count >= 0)
        return true;
    *count = -*count;
    return take_long(body, &size); /* the block's bytes, for who would pass over it */
}

/* An array's items or, with `named`, a map's. */
static bool append_blocks(struct body *body, avro_schema_t items, bool named)
{
    const char *separator = named ? "{" : "[";
    int64_t count = 0;
    do {
        if (!take_block(body, &count))
            return false;
        for (int64_t i = 0; i < count; i++) {
            if (!buffer_append_text(body->out, separator) || (named && !append_text(body)) ||
                (named && !buffer_append_text(body->out, ":")) || !append_any(body, items))
                return false;
            separator = ",";
        }
    } while (count > 0);
    if (*separator != ',')
        (void)buffer_append_text(body->out, separator);
    return buffer_append_text(body->out, named ? "}" : "]");
}

static bool append_record(struct body *body, avro_schema_t schema)
{
    size_t count = avro_schema_record_size(schema);
    for (size_t i = 0; i < count; i++) {
        const char *name = avro_schema_record_field_name(schema, (int)i);
        (void)buffer_append_text(body->out, i == 0 ? "{" : ",");
        json_text_string(body->out, name, strlen(name));
        (void)buffer_append_text(body->out, ":");
        if (!append_any(body, avro_schema_record_field_get_by_index(schema, (int)i)))
            return false;
    }
    return buffer_append_text(body->out, count == 0 ? "{}" : "}");
}

static bool append_nested(struct body *body, avro_schema_t schema)
{
    switch (avro_typeof(schema)) {
    case AVRO_UNION:
        return append_union(body, schema);
    case AVRO_ARRAY:
        return append_blocks(body, avro_schema_array_items(schema), false);
    case AVRO_MAP:
        return append_blocks(body, avro_schema_map_values(schema), true);
    case AVRO_RECORD:
        return append_record(body, schema);
    case AVRO_LINK:
        return append_any(body, avro_schema_link_target(schema));
    default:
        return false;
    }
}

static bool append_any(struct body *body, avro_schema_t schema)
{
    switch (avro_typeof(schema)) {
    case AVRO_NULL:
        return buffer_append_text(body->out, "null");
    case AVRO_BOOLEAN:
        return append_boolean(body);
    case AVRO_INT32:
    case AVRO_INT64:
        return append_long(body);
    case AVRO_FLOAT:
        return append_float(body);
    case AVRO_DOUBLE:
        return append_double(body);
    case AVRO_STRING:
        return append_text(body);
    default:
        break;
    }
    if (body->depth == DEPTH_MOST)
        return false;
    body->depth++;
    bool ok = append_nested(body, schema);
    body->depth--;
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
    if (known->schema == NULL)
        return error_set(error, VERDICT_ABORT, "the registry has no Avro schema %" PRIu32, id);
    const unsigned char *bytes = frame;
    struct body body = {bytes + WIRE_HEADER_SIZE, bytes + length, 0, out};
    if (!append_any(&body, known->schema) || body.at != body.end || out->overflowed)
        return error_set(error, VERDICT_ABORT, "the body does not fit schema %" PRIu32, id);
    return true;
}
