#include "bridge/codec/convert.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/codec/timestamp.h"

/* A double holds every integer up to here exactly (RFC 8259, section 6). */
#define EXACT_MAXIMUM 9007199254740991.0

void conversion_clear(struct conversion *conversion)
{
    for (size_t i = 0; i < conversion->unmapped_count; i++) {
        free(conversion->unmapped[i].path);
        cJSON_free(conversion->unmapped[i].text);
    }
    conversion->unmapped_count = 0;
    conversion->places_used = 0;
    conversion->failed = false;
    conversion->path.maximum = CONVERT_PATH_MAXIMUM;
    buffer_clear(&conversion->path);
}

void conversion_free(struct conversion *conversion)
{
    conversion_clear(conversion);
    buffer_free(&conversion->path);
    free(conversion->unmapped);
    free(conversion->places);
}

size_t conversion_enter(struct conversion *conversion, const char *member)
{
    size_t length = conversion->path.length;
    (void)buffer_append_format(&conversion->path, "%s%s", length == 0 ? "" : ".", member);
    return length;
}

size_t conversion_enter_item(struct conversion *conversion, size_t index)
{
    size_t length = conversion->path.length;
    (void)buffer_append_format(&conversion->path, "[%zu]", index);
    return length;
}

void conversion_leave(struct conversion *conversion, size_t length)
{
    conversion->path.length = length;
    if (conversion->path.data != NULL)
        conversion->path.data[length] = '\0';
}

void conversion_note(struct conversion *conversion, const cJSON *value)
{
    if (conversion->unmapped_count == CONVERT_UNMAPPED || conversion->path.overflowed) {
        conversion->failed = true;
        return;
    }
    if (conversion->unmapped_count == conversion->unmapped_capacity) {
        conversion->unmapped_capacity =
            conversion->unmapped_capacity == 0 ? 8 : conversion->unmapped_capacity * 2;
        conversion->unmapped = memory_grow(conversion->unmapped, conversion->unmapped_capacity,
                                           sizeof *conversion->unmapped);
    }
    struct unmapped *entry = &conversion->unmapped[conversion->unmapped_count];
    entry->path = memory_text(buffer_text(&conversion->path));
    entry->text = cJSON_PrintUnformatted(value);
    if (entry->text == NULL) {
        free(entry->path);
        conversion->failed = true;
        return;
    }
    conversion->unmapped_count++;
}

static void note_member(struct conversion *conversion, const cJSON *member)
{
    size_t length = conversion_enter(conversion, member->string);
    conversion_note(conversion, member);
    conversion_leave(conversion, length);
}

size_t conversion_sort(struct conversion *conversion, const struct plan_fields *fields,
                       const cJSON *object)
{
    size_t begin = conversion->places_used;
    if (begin + fields->count > conversion->places_capacity) {
        conversion->places_capacity = (begin + fields->count) * 2;
        conversion->places = memory_grow(conversion->places, conversion->places_capacity,
                                         sizeof *conversion->places);
    }
    conversion->places_used += fields->count;
    memset(conversion->places + begin, 0, fields->count * sizeof *conversion->places);
    for (const cJSON *member = object->child; member != NULL; member = member->next) {
        int place = plan_place(fields, member->string);
        if (place < 0 || fields->list[place].node->type == TYPE_MAP) {
            note_member(conversion, member);
            continue;
        }
        const cJSON **at = &conversion->places[begin + (size_t)place];
        if (*at != NULL) /* a name twice: the last one counts, as most parsers have it */
            note_member(conversion, *at);
        *at = member;
    }
    return begin;
}

void conversion_drop(struct conversion *conversion, size_t begin)
{
    conversion->places_used = begin;
}

bool convert_scalar(enum plan_type type, const cJSON *value, struct scalar *scalar)
{
    *scalar = (struct scalar){0};
    switch (type) {
    case TYPE_STRING:
        scalar->text = cJSON_GetStringValue(value);
        return scalar->text != NULL;
    case TYPE_LONG:
        scalar->number =
            (int64_t)(cJSON_IsNumber(value) && fabs(value->valuedouble) <= EXACT_MAXIMUM
                          ? value->valuedouble
                          : 0);
        return cJSON_IsNumber(value) && (double)scalar->number == value->valuedouble;
    case TYPE_DOUBLE:
        scalar->real = cJSON_IsNumber(value) ? value->valuedouble : 0;
        return cJSON_IsNumber(value) && isfinite(value->valuedouble);
    case TYPE_BOOLEAN:
        scalar->number = cJSON_IsTrue(value);
        return cJSON_IsBool(value);
    case TYPE_TIMESTAMP:
        return cJSON_IsString(value) && timestamp_parse(value->valuestring, &scalar->number);
    case TYPE_JSON:
        scalar->owned = cJSON_PrintUnformatted(value);
        return scalar->owned != NULL;
    case TYPE_ARRAY:
    case TYPE_RECORD:
    case TYPE_MAP:
        break;
    }
    return false;
}
