/* A record becomes Avro, by a schema of ours or by any: what was encoded is read back by avro-c as
 * the JSON form says, and nothing is dropped; a schema that is none of ours is refused. */
#include "tests/unit/encoder_check.h"

#include "tests/fuzz/fuzz.h"

/* avro-c refuses some schemas that our plan is content with: of those that are none of ours. */
static void check_record(struct encoder *encoder, const struct schema *schema, const cJSON *record)
{
    bool is_foreign = schema_find(schema->model) != schema;
    struct encoding info = {0};
    struct error error = {0};
    const void *bytes = NULL;
    size_t length = 0;
    if (!encoder_json(encoder, record, CHECK_MAXIMUM, &bytes, &length, &info, &error)) {
        CHECK(error.message[0] != '\0');
        CHECK(info.too_large || !encoder_avro(encoder, record, CHECK_ID, CHECK_MAXIMUM, &bytes,
                                              &length, &info, &error));
        return;
    }
    size_t unmapped = info.unmapped;
    cJSON *as_json = json_parse(bytes, length);
    CHECK(as_json != NULL);
    if (encoder_avro(encoder, record, CHECK_ID, CHECK_MAXIMUM, &bytes, &length, &info, &error)) {
        cJSON *as_avro = decode(schema, bytes, length);
        CHECK(info.unmapped == unmapped);
        CHECK(same(as_avro, as_json));
        cJSON_Delete(as_avro);
    } else {
        CHECK(info.too_large || is_foreign);
        CHECK(error.message[0] != '\0');
    }
    cJSON_Delete(as_json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct encoder *known[256];
    struct input input = {data, size};
    struct error error = {0};
    uint8_t choice = take_byte(&input);
    size_t place = choice % schema_count();
    const struct schema *schema = schema_at(place);
    struct encoder *encoder = known[place];
    struct schema foreign = {.model = "units"};
    char *text = NULL;
    if (choice >= 200) {
        text = take_line(&input);
        foreign.text = text;
        foreign.length = strlen(text);
        schema = &foreign;
        encoder = encoder_new(schema, &error);
    } else if (encoder == NULL) {
        encoder = known[place] = encoder_new(schema, &error);
        CHECK(encoder != NULL);
    }
    size_t length = 0;
    char *rest = take_rest(&input, &length);
    cJSON *record = json_parse(rest, length);
    if (record != NULL && encoder != NULL)
        check_record(encoder, schema, record);
    cJSON_Delete(record);
    if (schema == &foreign)
        encoder_free(encoder);
    free(text);
    free(rest);
    return 0;
}
