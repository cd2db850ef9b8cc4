#include "bridge/enricher/output.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/codec/encoder.h"
#include "bridge/codec/registry.h"
#include "bridge/codec/schema.h"

struct model_output {
    struct encoder *encoder; /* NULL until first used */
    uint32_t schema_id;
};

struct output {
    const struct config *config;
    const struct topics *topics;
    const struct selection *selection;
    struct registry *registry; /* NULL for JSON */
    struct model_output *models;
};

struct output *output_new(const struct config *config, const struct topics *topics,
                          const struct selection *selection, struct error *error)
{
    struct output *output = memory_new(1, sizeof *output);
    output->config = config;
    output->topics = topics;
    output->selection = selection;
    output->models = memory_new(selection->count, sizeof *output->models);
    if (config->output.format == FORMAT_AVRO) {
        output->registry = registry_new(config, error);
        if (output->registry == NULL) {
            output_free(output);
            return NULL;
        }
    }
    return output;
}

void output_free(struct output *output)
{
    if (output == NULL)
        return;
    for (size_t i = 0; i < output->selection->count; i++)
        encoder_free(output->models[i].encoder);
    registry_free(output->registry);
    free(output->models);
    free(output);
}

static bool ask_registry(struct output *output, int place, const struct schema *schema,
                         uint32_t *id, struct error *error)
{
    char *subject = registry_subject(output->topics->snapshots[place]);
    bool ok = registry_schema_id(output->registry, subject, schema, id, error);
    if (ok)
        log_info("schema_registered", LOG_TEXT("subject", subject), LOG_NUMBER("id", *id));
    free(subject);
    return ok;
}

bool output_prepare(struct output *output, int place, struct error *error)
{
    struct model_output *model = &output->models[place];
    if (model->encoder != NULL)
        return true;
    const char *name = output->selection->names[place];
    const struct schema *schema = model_schema(output->selection->models[place]);
    if (schema == NULL)
        return error_set(error, VERDICT_CONFIGURATION, "there is no schema for %s", name);
    if (output->registry != NULL && !ask_registry(output, place, schema, &model->schema_id, error))
        return false;
    model->encoder = encoder_new(schema, error);
    return model->encoder != NULL;
}

/* An assembled record's map is where its fields belong. */
static void count_unmapped(const struct output *output, int place, size_t count)
{
    char label[UNMAPPED_LABEL_SIZE];
    const char *model = output->selection->names[place];
    if (model_kind(output->selection->models[place]) == MODEL_ASSEMBLED)
        return;
    for (size_t i = 0; i < count; i++) {
        const char *field = encoder_unmapped_label(output->models[place].encoder, i, label);
        if (metrics_add_labelled(METRIC_UNMAPPED_FIELDS, model, field, 1))
            log_warn("unmapped_field", LOG_TEXT("model", model), LOG_TEXT("field", field));
    }
}

bool output_encode(struct output *output, int place, const cJSON *record, const void **bytes,
                   size_t *length, const char **code, struct error *error)
{
    struct model_output *model = &output->models[place];
    struct encoding info = {0};
    size_t maximum = (size_t)output->config->topics.max_message;
    bool ok = output->registry != NULL
                  ? encoder_avro(model->encoder, record, model->schema_id, maximum, bytes, length,
                                 &info, error)
                  : encoder_json(model->encoder, record, maximum, bytes, length, &info, error);
    *code = info.too_large ? "too-large" : "cannot-encode";
    if (ok)
        count_unmapped(output, place, info.unmapped);
    return ok;
}

const char *output_content_type(const struct output *output)
{
    return output->registry != NULL ? "application/avro" : "application/json";
}
