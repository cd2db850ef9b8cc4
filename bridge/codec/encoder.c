#include "bridge/codec/encoder.h"

#include <stdlib.h>

#include "bridge/base/memory.h"
#include "bridge/codec/encoder_state.h"

struct encoder *encoder_new(const struct schema *schema, struct error *error)
{
    struct plan_node *plan = plan_new(schema->text, error);
    if (plan == NULL)
        return NULL;
    struct encoder *encoder = memory_new(1, sizeof *encoder);
    encoder->schema = schema;
    encoder->plan = plan;
    conversion_clear(&encoder->conversion);
    return encoder;
}

void encoder_free(struct encoder *encoder)
{
    if (encoder == NULL)
        return;
    if (encoder->class != NULL) {
        avro_writer_free(encoder->writer);
        avro_value_decref(&encoder->value);
        avro_value_iface_decref(encoder->class);
        avro_schema_decref(encoder->avro);
    }
    free(encoder->out);
    buffer_free(&encoder->json);
    conversion_free(&encoder->conversion);
    plan_free(encoder->plan);
    free(encoder);
}

bool encoder_check(const cJSON *record, struct error *error)
{
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, "id"));
    if (!cJSON_IsObject(record))
        return error_set(error, VERDICT_ABORT, "the record is not an object");
    if (id == NULL || *id == '\0')
        return error_set(error, VERDICT_ABORT, "the record's id is missing or not a text");
    return true;
}
