#include "bridge/codec/mapping.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/codec/json_text.h"
#include "bridge/codec/timestamp.h"
#include "bridge/codec/tree_text.h"

#define KEEP_CAPACITY ((size_t)64 << 10)
#define LARGEST_EXACT 9007199254740992.0 /* 2^53: from there on json_parse kept the digits */

struct mapping mapping_new(void)
{
    return (struct mapping){.unmapped = unmapped_new(), .scratch = buffer_new(0)};
}

void mapping_free(struct mapping *mapping)
{
    unmapped_free(&mapping->unmapped);
    buffer_free(&mapping->scratch);
}

void mapping_begin(struct mapping *mapping, size_t maximum)
{
    unmapped_clear(&mapping->unmapped, maximum);
    if (mapping->scratch.capacity > KEEP_CAPACITY)
        buffer_free(&mapping->scratch);
    buffer_clear(&mapping->scratch);
    mapping->maximum = maximum;
    mapping->too_large = false;
}

bool mapping_too_large(struct mapping *mapping, struct error *error)
{
    mapping->too_large = true;
    return error_set(error, VERDICT_ABORT, "the record is larger than %zu bytes", mapping->maximum);
}

bool mapping_resolve(struct mapping *mapping, struct plan *plan, const cJSON *record,
                     struct unmapped_place place, struct error *error)
{
    size_t expected = 0;
    memset(plan->members, 0, plan->count * sizeof(const cJSON *));
    for (const cJSON *member = record->child; member != NULL; member = member->next) {
        int field = plan_find(plan, member->string, expected);
        if (field >= 0) {
            const cJSON *earlier = plan->members[field];
            if (earlier != NULL &&
                !unmapped_add_earlier(&mapping->unmapped, place, member->string, earlier, error))
                return false;
            plan->members[field] = member;
            expected = (size_t)field + 1;
        } else if (!unmapped_add(&mapping->unmapped, place, member->string, member, error)) {
            return false;
        }
    }
    return true;
}

static bool all_items(const cJSON *list, cJSON_bool (*is)(const cJSON *))
{
    if (!cJSON_IsArray(list))
        return false;
    for (const cJSON *item = list->child; item != NULL; item = item->next) {
        if (!is(item))
            return false;
    }
    return true;
}

static bool digits_to_integer(const char *digits, int64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoll(digits, &end, 10);
    return errno == 0 && *end == '\0';
}

static bool exact_integer(const cJSON *member, int64_t *number)
{
    double real = member->valuedouble;
    if (!cJSON_IsNumber(member))
        return false;
    if (member->valuestring != NULL)
        return digits_to_integer(member->valuestring, number);
    if (!(fabs(real) < LARGEST_EXACT))
        return false;
    *number = (int64_t)real;
    return (double)*number == real;
}

/* Fills `value` when the member is of the field's type. PLAN_JSON takes any. */
static bool convert(enum plan_kind kind, const cJSON *member, struct value *value)
{
    switch (kind) {
    case PLAN_STRING:
        value->kind = VALUE_TEXT;
        value->text = member->valuestring;
        return cJSON_IsString(member);
    case PLAN_LONG:
        value->kind = VALUE_LONG;
        return exact_integer(member, &value->number);
    case PLAN_DOUBLE:
        value->kind = VALUE_DOUBLE;
        value->real = member->valuedouble;
        return cJSON_IsNumber(member) && isfinite(member->valuedouble);
    case PLAN_BOOLEAN:
        value->kind = VALUE_BOOLEAN;
        value->truth = cJSON_IsTrue(member);
        return cJSON_IsBool(member);
    case PLAN_TIMESTAMP:
        value->kind = VALUE_LONG;
        return cJSON_IsString(member) && timestamp_parse(member->valuestring, &value->number);
    case PLAN_STRINGS:
        value->kind = VALUE_STRINGS;
        value->list = member;
        return all_items(member, cJSON_IsString);
    case PLAN_RECORDS:
        value->kind = VALUE_RECORDS;
        value->list = member;
        return all_items(member, cJSON_IsObject);
    case PLAN_JSON:
    case PLAN_UNMAPPED:
        break;
    }
    return false;
}

static bool render_json(struct mapping *mapping, const cJSON *member, struct value *value,
                        struct error *error)
{
    struct buffer *scratch = &mapping->scratch;
    buffer_clear(scratch);
    scratch->maximum = mapping->maximum;
    if (!json_text_value(scratch, member, error))
        return false;
    if (scratch->overflowed)
        return mapping_too_large(mapping, error);
    value->kind = VALUE_TEXT;
    value->text = scratch->data;
    value->length = scratch->length;
    return true;
}

void mapping_item(struct mapping *mapping, const cJSON *string, struct value *item)
{
    struct buffer *scratch = &mapping->scratch;
    item->text = string->valuestring;
    item->length = strlen(item->text);
    if (memchr(item->text, 0xc0, item->length) == NULL) /* not in UTF-8 */
        return;
    buffer_clear(scratch);
    scratch->maximum = item->length;
    tree_text_expand(scratch, item->text, item->length);
    item->text = scratch->data;
    item->length = scratch->length;
}

/* The worst kind of its texts. */
static enum tree_text kind_of_texts(const struct value *value)
{
    enum tree_text worst = TREE_TEXT_PLAIN;
    if (value->kind != VALUE_STRINGS)
        return value->kind == VALUE_TEXT ? tree_text_kind(value->text, strlen(value->text)) : worst;
    for (const cJSON *item = value->list->child; item != NULL; item = item->next) {
        enum tree_text kind = tree_text_kind(item->valuestring, strlen(item->valuestring));
        if (kind > worst)
            worst = kind;
    }
    return worst;
}

static bool take(struct mapping *mapping, const struct plan_field *field, const cJSON *member,
                 struct unmapped_place place, struct value *value, struct error *error)
{
    if (field->kind == PLAN_JSON)
        return render_json(mapping, member, value, error);
    bool fits = convert(field->kind, member, value);
    enum tree_text kind = fits ? kind_of_texts(value) : TREE_TEXT_PLAIN;
    if (kind == TREE_TEXT_BROKEN)
        return error_set(error, VERDICT_ABORT, "a text is not valid UTF-8");
    if (fits && value->kind == VALUE_TEXT && kind != TREE_TEXT_HALVES)
        mapping_item(mapping, member, value);
    if (fits && kind != TREE_TEXT_HALVES)
        return true;
    value->kind = VALUE_NULL;
    return !field->nullable || unmapped_add(&mapping->unmapped, place, field->name, member, error);
}

bool mapping_value(struct mapping *mapping, const struct plan *plan, size_t field,
                   struct unmapped_place place, struct value *value, struct error *error)
{
    const struct plan_field *wanted = &plan->fields[field];
    const cJSON *member = plan->members[field];
    value->kind = VALUE_NULL;
    if (member != NULL && !cJSON_IsNull(member) &&
        !take(mapping, wanted, member, place, value, error))
        return place.field == NULL
                   ? error_prefix(error, "%s", wanted->name)
                   : error_prefix(error, "%s[%zu].%s", place.field, place.index, wanted->name);
    if (!wanted->nullable &&
        (value->kind == VALUE_NULL || (value->kind == VALUE_TEXT && value->length == 0)))
        return error_set(error, VERDICT_ABORT, "%s: missing, empty or of the wrong type",
                         wanted->name);
    return true;
}
