#include "bridge/codec/comparison.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/codec/json_hash.h"
#include "bridge/codec/json_parse.h"
#include "bridge/codec/plan.h"
#include "bridge/codec/timestamp.h"

#define UNMAPPED "unmapped_fields"

struct comparison {
    struct plan *plan;
    const char **ignored;
    size_t ignored_count;
};

struct comparison *comparison_new(const struct schema *schema, struct error *error)
{
    struct plan *plan = plan_new(schema->text, schema->length, error);
    if (plan == NULL) {
        error_prefix(error, "schema %s", schema->model);
        return NULL;
    }
    struct comparison *comparison = memory_new(1, sizeof *comparison);
    comparison->plan = plan;
    return comparison;
}

void comparison_free(struct comparison *comparison)
{
    if (comparison == NULL)
        return;
    plan_free(comparison->plan);
    free(comparison->ignored);
    free(comparison);
}

void comparison_ignore(struct comparison *comparison, const char *path)
{
    comparison->ignored = memory_grow(comparison->ignored, comparison->ignored_count + 1,
                                      sizeof *comparison->ignored);
    comparison->ignored[comparison->ignored_count++] = path;
}

/* Where a value comes from: an own field of a snapshot is written as the schema says, what was
 * unmapped is as the API sent it. */
enum origin { ORIGIN_FIELD, ORIGIN_UNMAPPED };

static void settle_members(cJSON *record, const struct plan *plan, enum origin origin);

/* Puts `other` in the place of the object's member; returns it. */
static cJSON *replace(cJSON *object, cJSON *member, cJSON *other)
{
    other->string = memory_text(member->string);
    (void)cJSON_ReplaceItemViaPointer(object, member, other);
    return other;
}

/* Brings one member into the form in which it is compared, by what its field takes. */
static void settle_member(cJSON *record, cJSON *value, const struct plan_field *field,
                          enum origin origin)
{
    int64_t ms = 0;
    cJSON *parsed = NULL;
    switch (field->kind) {
    case PLAN_JSON:
        if (origin == ORIGIN_FIELD && cJSON_IsString(value))
            parsed = json_parse(value->valuestring, strlen(value->valuestring));
        if (parsed != NULL)
            value = replace(record, value, parsed);
        break;
    case PLAN_TIMESTAMP:
        if (origin == ORIGIN_UNMAPPED && cJSON_IsString(value) &&
            timestamp_parse(value->valuestring, &ms))
            value = replace(record, value, cJSON_CreateNumber((double)ms));
        break;
    case PLAN_RECORDS:
        if (cJSON_IsArray(value)) {
            for (cJSON *item = value->child; item != NULL; item = item->next) {
                if (cJSON_IsObject(item))
                    settle_members(item, field->items, origin);
            }
        }
        break;
    default:
        break;
    }
    if (cJSON_IsNull(value))
        cJSON_Delete(cJSON_DetachItemViaPointer(record, value));
}

static void settle(cJSON *record, cJSON *value, const struct plan *plan, enum origin origin)
{
    int number = plan_find(plan, value->string, 0);
    if (number >= 0)
        settle_member(record, value, &plan->fields[number], origin);
    else if (cJSON_IsNull(value))
        cJSON_Delete(cJSON_DetachItemViaPointer(record, value));
}

static void settle_members(cJSON *record, const struct plan *plan, enum origin origin)
{
    for (cJSON *value = record->child, *next; value != NULL; value = next) {
        next = value->next;
        settle(record, value, plan, origin);
    }
}

/* The record that an unmapped name belongs to: with `list[3].name` an item of a list. Moves `*name`
 * and `*plan` along. */
static cJSON *home_of(cJSON *record, const char **name, const struct plan **plan)
{
    const char *open = strchr(*name, '[');
    char *end = NULL;
    if (open == NULL || open == *name)
        return record;
    unsigned long index = strtoul(open + 1, &end, 10);
    char *list_name = memory_text_n(*name, (size_t)(open - *name));
    int number = plan_find(*plan, list_name, 0);
    cJSON *item =
        index > INT32_MAX ? NULL : cJSON_GetArrayItem(json_member(record, list_name), (int)index);
    free(list_name);
    if (end == open + 1 || strncmp(end, "].", 2) != 0 || number < 0 ||
        (*plan)->fields[number].kind != PLAN_RECORDS || !cJSON_IsObject(item))
        return record;
    *name = end + 2;
    *plan = (*plan)->fields[number].items;
    return item;
}

/* An unmapped value goes back to where it came from. */
static void put_back(cJSON *record, const cJSON *entry, const struct plan *plan)
{
    const char *name = entry->string;
    cJSON *value =
        cJSON_IsString(entry) ? json_parse(entry->valuestring, strlen(entry->valuestring)) : NULL;
    if (value == NULL)
        value = cJSON_Duplicate(entry, true);
    cJSON *home = home_of(record, &name, &plan);
    (void)cJSON_AddItemToObject(home, name, value);
    settle(home, value, plan, ORIGIN_UNMAPPED);
}

/* json_parse keeps the digits of what a double does not hold, but the hash passes over them: such a
 * number becomes a text that no other value is. */
static void keep_digits(cJSON *value)
{
    if (cJSON_IsNumber(value) && value->valuestring != NULL) {
        char *text = memory_format("\001number %s", value->valuestring);
        cJSON_free(value->valuestring);
        value->valuestring = text;
        value->type = cJSON_String;
    }
    for (cJSON *item = value->child; item != NULL; item = item->next)
        keep_digits(item);
}

static void remove_path(cJSON *value, const char *path)
{
    const char *dot = strchr(path, '.');
    if (cJSON_IsArray(value)) {
        for (cJSON *item = value->child; item != NULL; item = item->next)
            remove_path(item, path);
        return;
    }
    for (cJSON *item = cJSON_IsObject(value) ? value->child : NULL, *next; item != NULL;
         item = next) {
        next = item->next;
        if (strcmp(item->string, path) == 0)
            cJSON_Delete(cJSON_DetachItemViaPointer(value, item));
        else if (dot != NULL && strlen(item->string) == (size_t)(dot - path) &&
                 strncmp(item->string, path, (size_t)(dot - path)) == 0)
            remove_path(item, dot + 1);
    }
}

static bool ignores(const struct comparison *comparison, const char *path)
{
    for (size_t i = 0; i < comparison->ignored_count; i++) {
        if (strcmp(comparison->ignored[i], path) == 0)
            return true;
    }
    return false;
}

cJSON *comparison_read(const struct comparison *comparison, const char *text, size_t length)
{
    cJSON *record = json_parse(text, length);
    if (!cJSON_IsObject(record)) {
        cJSON_Delete(record);
        return NULL;
    }
    cJSON *unmapped = json_member(record, UNMAPPED);
    if (unmapped != NULL)
        (void)cJSON_DetachItemViaPointer(record, unmapped);
    settle_members(record, comparison->plan, ORIGIN_FIELD);
    if (!ignores(comparison, UNMAPPED)) {
        const cJSON *entry;
        cJSON_ArrayForEach(entry, unmapped) put_back(record, entry, comparison->plan);
    }
    cJSON_Delete(unmapped);
    keep_digits(record);
    for (size_t i = 0; i < comparison->ignored_count; i++)
        remove_path(record, comparison->ignored[i]);
    return record;
}

uint64_t comparison_hash(const cJSON *read)
{
    uint64_t hash = json_hash(read);
    return hash > COMPARISON_HASHES ? hash : hash + COMPARISON_HASHES;
}

void comparison_differ(const cJSON *one, const cJSON *other, comparison_field *each, void *context)
{
    const cJSON *field;
    cJSON_ArrayForEach(field, one)
    {
        if (json_hash(field) != json_hash(json_member(other, field->string)))
            each(context, field->string);
    }
    cJSON_ArrayForEach(field, other)
    {
        if (json_member(one, field->string) == NULL)
            each(context, field->string);
    }
}
