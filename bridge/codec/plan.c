#include "bridge/codec/plan.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/base/table.h"

#define MAX_FIELDS 1000
#define MAX_DEPTH  4

static struct plan *plan_from(const cJSON *record, int depth, struct error *error);

static bool type_is(const cJSON *type, const char *name)
{
    return cJSON_IsString(type) && strcmp(type->valuestring, name) == 0;
}

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static bool read_scalar(struct plan_field *field, const cJSON *type, bool json)
{
    if (type_is(type, "string"))
        field->kind = json ? PLAN_JSON : PLAN_STRING;
    else if (type_is(type, "long"))
        field->kind = PLAN_LONG;
    else if (type_is(type, "double"))
        field->kind = PLAN_DOUBLE;
    else if (type_is(type, "boolean"))
        field->kind = PLAN_BOOLEAN;
    else if (type_is(member(type, "type"), "long") &&
             type_is(member(type, "logicalType"), "timestamp-millis"))
        field->kind = PLAN_TIMESTAMP;
    else
        return false;
    return true;
}

static bool read_array(struct plan_field *field, const cJSON *type, int depth, struct error *error)
{
    const cJSON *items = member(type, "items");
    if (type_is(items, "string")) {
        field->kind = PLAN_STRINGS;
        return true;
    }
    field->kind = PLAN_RECORDS;
    field->items = plan_from(items, depth - 1, error);
    return field->items != NULL;
}

static bool read_field(struct plan_field *field, const cJSON *json, int depth, struct error *error)
{
    const cJSON *name = member(json, "name");
    const cJSON *type = member(json, "type");
    if (!cJSON_IsString(name))
        return error_set(error, VERDICT_FATAL, "a field without a name");
    field->name = memory_text(name->valuestring);
    field->length = strlen(field->name);
    field->nullable = cJSON_IsArray(type) && cJSON_GetArraySize(type) == 2 &&
                      type_is(cJSON_GetArrayItem(type, 0), "null");
    if (field->nullable)
        type = cJSON_GetArrayItem(type, 1);
    if (read_scalar(field, type, cJSON_IsTrue(member(json, "propexo.json"))))
        return true;
    if (type_is(member(type, "type"), "array"))
        return read_array(field, type, depth, error);
    if (type_is(member(type, "type"), "map") && type_is(member(type, "values"), "string") &&
        json->next == NULL && depth == MAX_DEPTH) {
        field->kind = PLAN_UNMAPPED;
        return true;
    }
    return error_set(error, VERDICT_FATAL, "field %s: a type the encoder does not know",
                     field->name);
}

static void build_index(struct plan *plan)
{
    size_t slots = 16;
    while (slots < plan->count * 3)
        slots *= 2;
    plan->slots = memory_new(slots, sizeof *plan->slots);
    plan->mask = slots - 1;
    for (size_t i = 0; i < plan->count; i++) {
        size_t slot = table_hash(plan->fields[i].name, plan->fields[i].length) & plan->mask;
        if (plan->fields[i].kind == PLAN_UNMAPPED)
            continue;
        while (plan->slots[slot] != 0)
            slot = (slot + 1) & plan->mask;
        plan->slots[slot] = (uint16_t)(i + 1);
    }
}

static struct plan *plan_from(const cJSON *record, int depth, struct error *error)
{
    const cJSON *fields = member(record, "fields");
    int count = cJSON_GetArraySize(fields);
    if (!type_is(member(record, "type"), "record") || count < 1 || count > MAX_FIELDS ||
        depth == 0) {
        error_set(error, VERDICT_FATAL, "not a record of 1 to %d fields", MAX_FIELDS);
        return NULL;
    }
    struct plan *plan = memory_new(1, sizeof *plan);
    plan->fields = memory_new((size_t)count, sizeof *plan->fields);
    plan->members = memory_new((size_t)count, sizeof(const cJSON *));
    const cJSON *json;
    cJSON_ArrayForEach(json, fields)
    {
        struct plan_field *field = &plan->fields[plan->count++];
        if (!read_field(field, json, depth, error)) {
            plan_free(plan);
            return NULL;
        }
    }
    build_index(plan);
    return plan;
}

struct plan *plan_new(const char *text, size_t length, struct error *error)
{
    cJSON *json = cJSON_ParseWithLength(text, length);
    struct plan *plan = plan_from(json, MAX_DEPTH, error);
    cJSON_Delete(json);
    if (plan != NULL && plan->fields[plan->count - 1].kind != PLAN_UNMAPPED) {
        error_set(error, VERDICT_FATAL, "the last field is not a map of JSON texts");
        plan_free(plan);
        return NULL;
    }
    return plan;
}

void plan_free(struct plan *plan)
{
    if (plan == NULL)
        return;
    for (size_t i = 0; i < plan->count; i++) {
        free(plan->fields[i].name);
        plan_free(plan->fields[i].items);
    }
    free(plan->fields);
    free(plan->members);
    free(plan->slots);
    free(plan);
}

static bool is_named(const struct plan_field *field, const char *name, size_t length)
{
    return field->length == length && memcmp(field->name, name, length) == 0;
}

int plan_find(const struct plan *plan, const char *name, size_t expected)
{
    size_t length = strlen(name);
    if (expected < plan->count && is_named(&plan->fields[expected], name, length) &&
        plan->fields[expected].kind != PLAN_UNMAPPED)
        return (int)expected;
    size_t slot = table_hash(name, length) & plan->mask;
    for (; plan->slots[slot] != 0; slot = (slot + 1) & plan->mask) {
        size_t number = plan->slots[slot] - 1u;
        if (is_named(&plan->fields[number], name, length))
            return (int)number;
    }
    return -1;
}
