#include <inttypes.h>
#include <string.h>

#include "bridge/codec/encoder_state.h"

static void put(struct encoder *encoder, const struct plan_node *node, const cJSON *json,
                int depth);

/* RFC 8259, section 7. */
static void put_text(struct buffer *out, const char *text)
{
    (void)buffer_append(out, "\"", 1);
    for (const char *p = text; *p != '\0';) {
        size_t plain = 0;
        while ((unsigned char)p[plain] >= 0x20 && p[plain] != '"' && p[plain] != '\\')
            plain++;
        (void)buffer_append(out, p, plain);
        p += plain;
        if (*p == '"' || *p == '\\')
            (void)buffer_append_format(out, "\\%c", *p++);
        else if (*p != '\0')
            (void)buffer_append_format(out, "\\u%04x", (unsigned)*p++);
    }
    (void)buffer_append(out, "\"", 1);
}

static bool put_scalar(struct buffer *out, enum plan_type type, const cJSON *json)
{
    struct scalar scalar;
    if (!convert_scalar(type, json, &scalar))
        return false;
    if (type == TYPE_BOOLEAN)
        (void)buffer_append_text(out, scalar.number != 0 ? "true" : "false");
    else if (type == TYPE_LONG || type == TYPE_TIMESTAMP)
        (void)buffer_append_format(out, "%" PRId64, scalar.number);
    else if (type == TYPE_DOUBLE)
        (void)buffer_append_format(out, "%.17g", scalar.real);
    else
        put_text(out, type == TYPE_JSON ? scalar.owned : scalar.text);
    cJSON_free(scalar.owned);
    return true;
}

static bool put_array(struct encoder *encoder, const struct plan_node *node, const cJSON *json,
                      int depth)
{
    size_t index = 0;
    const char *comma = "";
    if (!cJSON_IsArray(json))
        return false;
    (void)buffer_append(&encoder->json, "[", 1);
    for (const cJSON *item = json->child; item != NULL; item = item->next, index++) {
        size_t length = conversion_enter_item(&encoder->conversion, index);
        if (node->item->type == TYPE_RECORD && !cJSON_IsObject(item)) {
            conversion_note(&encoder->conversion, item);
        } else {
            (void)buffer_append_text(&encoder->json, comma);
            put(encoder, node->item, item, depth);
            comma = ",";
        }
        conversion_leave(&encoder->conversion, length);
    }
    (void)buffer_append(&encoder->json, "]", 1);
    return true;
}

static void put_unmapped(struct encoder *encoder)
{
    const struct conversion *conversion = &encoder->conversion;
    (void)buffer_append(&encoder->json, "{", 1);
    for (size_t i = 0; i < conversion->unmapped_count; i++) {
        (void)buffer_append_text(&encoder->json, i == 0 ? "" : ",");
        put_text(&encoder->json, conversion->unmapped[i].path);
        (void)buffer_append(&encoder->json, ":", 1);
        put_text(&encoder->json, conversion->unmapped[i].text);
    }
    (void)buffer_append(&encoder->json, "}", 1);
}

static bool put_record(struct encoder *encoder, const struct plan_fields *fields, const cJSON *json,
                       int depth)
{
    if (!cJSON_IsObject(json) || depth > ENCODER_DEPTH)
        return false;
    size_t begin = conversion_sort(&encoder->conversion, fields, json);
    for (size_t i = 0; i < fields->count; i++) {
        const struct plan_field *field = &fields->list[i];
        size_t length = conversion_enter(&encoder->conversion, field->name);
        (void)buffer_append_format(&encoder->json, "%s\"%s\":", i == 0 ? "{" : ",", field->name);
        if (field->node->type == TYPE_MAP) /* the last field of the outermost record */
            put_unmapped(encoder);
        else
            put(encoder, field->node, encoder->conversion.places[begin + i], depth);
        conversion_leave(&encoder->conversion, length);
    }
    (void)buffer_append(&encoder->json, "}", 1);
    conversion_drop(&encoder->conversion, begin);
    return true;
}

/* A value of another type becomes null, and is noted. */
static void put(struct encoder *encoder, const struct plan_node *node, const cJSON *json, int depth)
{
    bool present = json != NULL && !cJSON_IsNull(json);
    bool ok = false;
    if (present && node->type == TYPE_RECORD)
        ok = put_record(encoder, node->fields, json, depth + 1);
    else if (present && node->type == TYPE_ARRAY)
        ok = put_array(encoder, node, json, depth);
    else if (present)
        ok = put_scalar(&encoder->json, node->type, json);
    if (ok)
        return;
    if (present)
        conversion_note(&encoder->conversion, json);
    (void)buffer_append_text(&encoder->json, "null");
}

bool encoder_json(struct encoder *encoder, const cJSON *record, size_t maximum, const void **bytes,
                  size_t *length, struct encoding *info, struct error *error)
{
    if (!encoder_check(record, error))
        return false;
    conversion_clear(&encoder->conversion);
    encoder->json.maximum = maximum;
    buffer_clear(&encoder->json);
    bool ok = put_record(encoder, encoder->plan->fields, record, 1);
    if (encoder->json.overflowed)
        return error_set(error, VERDICT_ABORT, "the record is larger than %zu bytes as JSON",
                         maximum);
    if (!ok || encoder->conversion.failed)
        return error_set(error, VERDICT_ABORT, "the record does not fit its schema at all");
    *bytes = encoder->json.data;
    *length = encoder->json.length;
    info->unmapped = encoder->conversion.unmapped_count;
    return true;
}
