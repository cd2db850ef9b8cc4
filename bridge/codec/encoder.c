#include "bridge/codec/encoder.h"

#include <stdlib.h>

#include "bridge/base/memory.h"
#include "bridge/codec/avro_output.h"
#include "bridge/codec/json_output.h"
#include "bridge/codec/mapping.h"
#include "bridge/codec/plan.h"

#define KEEP_CAPACITY ((size_t)256 << 10)

struct encoder {
    const struct schema *schema;
    struct plan *plan;
    struct mapping mapping;
    struct avro_output *avro; /* NULL until first used */
    struct buffer json;
};

struct encoder *encoder_new(const struct schema *schema, struct error *error)
{
    struct plan *plan = plan_new(schema->text, schema->length, error);
    if (plan == NULL) {
        error_prefix(error, "schema %s", schema->model);
        return NULL;
    }
    struct encoder *encoder = memory_new(1, sizeof *encoder);
    encoder->schema = schema;
    encoder->plan = plan;
    encoder->mapping = mapping_new();
    encoder->json = buffer_new(0);
    return encoder;
}

void encoder_free(struct encoder *encoder)
{
    if (encoder == NULL)
        return;
    avro_output_free(encoder->avro);
    buffer_free(&encoder->json);
    mapping_free(&encoder->mapping);
    plan_free(encoder->plan);
    free(encoder);
}

static bool begin(struct encoder *encoder, const cJSON *record, size_t maximum, struct error *error)
{
    if (!cJSON_IsObject(record))
        return error_set(error, VERDICT_ABORT, "the record is not an object");
    mapping_begin(&encoder->mapping, maximum);
    return true;
}

static bool tell(const struct encoder *encoder, bool ok, struct encoding *info)
{
    const struct unmapped *unmapped = &encoder->mapping.unmapped;
    info->too_large = encoder->mapping.too_large || unmapped->texts.overflowed;
    if (ok) {
        info->unmapped = unmapped->count;
        info->first_unmapped = unmapped->count > 0 ? unmapped_name(unmapped, 0) : NULL;
    }
    return ok;
}

bool encoder_avro(struct encoder *encoder, const cJSON *record, uint32_t schema_id, size_t maximum,
                  const void **bytes, size_t *length, struct encoding *info, struct error *error)
{
    if (!begin(encoder, record, maximum, error))
        return false;
    if (encoder->avro == NULL)
        encoder->avro = avro_output_new(encoder->schema, encoder->plan, error);
    if (encoder->avro == NULL)
        return false;
    bool ok = avro_output_write(encoder->avro, &encoder->mapping, record, schema_id, bytes, length,
                                error);
    return tell(encoder, ok, info);
}

bool encoder_json(struct encoder *encoder, const cJSON *record, size_t maximum, const void **bytes,
                  size_t *length, struct encoding *info, struct error *error)
{
    if (!begin(encoder, record, maximum, error))
        return false;
    if (encoder->json.capacity > KEEP_CAPACITY)
        buffer_free(&encoder->json);
    buffer_clear(&encoder->json);
    encoder->json.maximum = maximum;
    bool ok = json_output_write(&encoder->json, encoder->plan, &encoder->mapping, record, error);
    if (ok) {
        *bytes = encoder->json.data;
        *length = encoder->json.length;
    }
    return tell(encoder, ok, info);
}

const char *encoder_unmapped_label(const struct encoder *encoder, size_t number,
                                   char label[UNMAPPED_LABEL_SIZE])
{
    return unmapped_label(&encoder->mapping.unmapped, number, label);
}
