#include "bridge/codec/json_output.h"

#include <inttypes.h>
#include <string.h>

#include "bridge/codec/json_text.h"

struct output {
    struct buffer *out;
    struct mapping *mapping;
};

static bool append_record(struct output *output, struct plan *plan, const cJSON *record,
                          struct unmapped_place place, struct error *error);

static void append_strings(struct buffer *out, struct mapping *mapping, const cJSON *list)
{
    struct value text;
    buffer_append(out, "[", 1);
    for (const cJSON *item = list->child; item != NULL; item = item->next) {
        mapping_item(mapping, item, &text);
        json_text_string(out, text.text, text.length);
        if (item->next != NULL)
            buffer_append(out, ",", 1);
    }
    buffer_append(out, "]", 1);
}

static bool append_records(struct output *output, const struct plan_field *field, const cJSON *list,
                           struct error *error)
{
    struct unmapped_place place = {.field = field->name};
    buffer_append(output->out, "[", 1);
    for (const cJSON *item = list->child; item != NULL; item = item->next, place.index++) {
        if (!append_record(output, field->items, item, place, error))
            return false;
        if (item->next != NULL)
            buffer_append(output->out, ",", 1);
    }
    buffer_append(output->out, "]", 1);
    return true;
}

static void append_unmapped(struct buffer *out, const struct unmapped *unmapped)
{
    buffer_append(out, "{", 1);
    for (size_t i = 0; i < unmapped->count; i++) {
        const char *name = unmapped_name(unmapped, i);
        if (i > 0)
            buffer_append(out, ",", 1);
        json_text_string(out, name, strlen(name));
        buffer_append(out, ":", 1);
        json_text_string(out, unmapped_text(unmapped, i), unmapped->entries[i].length);
    }
    buffer_append(out, "}", 1);
}

static bool append_value(struct output *output, const struct plan_field *field,
                         const struct value *value, struct error *error)
{
    struct buffer *out = output->out;
    switch (value->kind) {
    case VALUE_NULL:
        buffer_append(out, "null", 4);
        break;
    case VALUE_TEXT:
        json_text_string(out, value->text, value->length);
        break;
    case VALUE_LONG:
        buffer_append_format(out, "%" PRId64, value->number);
        break;
    case VALUE_DOUBLE:
        json_text_number(out, value->real);
        break;
    case VALUE_BOOLEAN:
        buffer_append_text(out, value->truth ? "true" : "false");
        break;
    case VALUE_STRINGS:
        append_strings(out, output->mapping, value->list);
        break;
    case VALUE_RECORDS:
        return append_records(output, field, value->list, error);
    }
    return true;
}

static bool append_record(struct output *output, struct plan *plan, const cJSON *record,
                          struct unmapped_place place, struct error *error)
{
    if (!mapping_resolve(output->mapping, plan, record, place, error))
        return false;
    buffer_append(output->out, "{", 1);
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_field *field = &plan->fields[i];
        struct value value;
        if (i > 0)
            buffer_append(output->out, ",", 1);
        json_text_string(output->out, field->name, field->length);
        buffer_append(output->out, ":", 1);
        if (field->kind == PLAN_UNMAPPED)
            append_unmapped(output->out, &output->mapping->unmapped);
        else if (!mapping_value(output->mapping, plan, i, place, &value, error) ||
                 !append_value(output, field, &value, error))
            return false;
    }
    buffer_append(output->out, "}", 1);
    return true;
}

bool json_output_write(struct buffer *out, struct plan *plan, struct mapping *mapping,
                       const cJSON *record, struct error *error)
{
    struct output output = {out, mapping};
    if (!append_record(&output, plan, record, (struct unmapped_place){0}, error))
        return false;
    if (out->overflowed)
        return mapping_too_large(mapping, error);
    return true;
}
