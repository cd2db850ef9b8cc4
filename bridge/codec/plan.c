#include "bridge/codec/plan.h"

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"

static struct plan_node *read_node(const cJSON *type);

void plan_free(struct plan_node *node)
{
    if (node == NULL)
        return;
    plan_free(node->item);
    if (node->fields != NULL) {
        for (size_t i = 0; i < node->fields->count; i++) {
            free(node->fields->list[i].name);
            plan_free(node->fields->list[i].node);
        }
        free(node->fields->list);
        table_free(&node->fields->places);
        free(node->fields);
    }
    free(node);
}

int plan_place(const struct plan_fields *fields, const char *name)
{
    return (int)(intptr_t)table_get(&fields->places, name, strlen(name)) - 1;
}

static struct plan_node *new_node(enum plan_type type)
{
    struct plan_node *node = memory_new(1, sizeof *node);
    node->type = type;
    return node;
}

static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text == NULL ? "" : text;
}

static struct plan_node *read_name(const char *name, const cJSON *attributes)
{
    static const struct {
        const char *name;
        enum plan_type type;
    } names[] = {{"string", TYPE_STRING},
                 {"long", TYPE_LONG},
                 {"double", TYPE_DOUBLE},
                 {"boolean", TYPE_BOOLEAN},
                 {"map", TYPE_MAP}};
    if (strcmp(text_of(attributes, "logicalType"), "timestamp-millis") == 0)
        return new_node(TYPE_TIMESTAMP);
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(attributes, "propexo.json")))
        return new_node(TYPE_JSON);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (strcmp(names[i].name, name) == 0)
            return new_node(names[i].type);
    }
    return NULL;
}

static struct plan_node *read_record(const cJSON *record)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(record, "fields");
    struct plan_node *node = new_node(TYPE_RECORD);
    struct plan_fields *fields = node->fields = memory_new(1, sizeof *fields);
    fields->list = memory_new((size_t)cJSON_GetArraySize(list), sizeof *fields->list);
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        struct plan_field *field = &fields->list[fields->count++];
        field->name = memory_text(text_of(item, "name"));
        field->node = read_node(cJSON_GetObjectItemCaseSensitive(item, "type"));
        (void)table_put(&fields->places, field->name, strlen(field->name),
                        (void *)(intptr_t)fields->count);
        if (field->node == NULL) {
            plan_free(node);
            return NULL;
        }
    }
    return node;
}

static struct plan_node *read_array(const cJSON *array)
{
    struct plan_node *item = read_node(cJSON_GetObjectItemCaseSensitive(array, "items"));
    if (item == NULL)
        return NULL;
    struct plan_node *node = new_node(TYPE_ARRAY);
    node->item = item;
    return node;
}

static struct plan_node *read_node(const cJSON *type)
{
    if (cJSON_IsArray(type)) { /* ["null", type] is the only union there is */
        const cJSON *null = cJSON_GetArrayItem(type, 0);
        if (cJSON_GetArraySize(type) != 2 || !cJSON_IsString(null) ||
            strcmp(null->valuestring, "null") != 0)
            return NULL;
        struct plan_node *node = read_node(cJSON_GetArrayItem(type, 1));
        if (node != NULL)
            node->nullable = true;
        return node;
    }
    if (cJSON_IsString(type))
        return read_name(type->valuestring, NULL);
    const char *name = text_of(type, "type");
    if (strcmp(name, "record") == 0)
        return read_record(type);
    if (strcmp(name, "array") == 0)
        return read_array(type);
    return read_name(name, type);
}

struct plan_node *plan_new(const char *text, struct error *error)
{
    cJSON *root = cJSON_Parse(text);
    struct plan_node *node = root == NULL ? NULL : read_node(root);
    if (node == NULL || node->type != TYPE_RECORD) {
        error_set(error, VERDICT_FATAL, "a schema uses a type the encoder does not know");
        plan_free(node);
        node = NULL;
    }
    cJSON_Delete(root);
    return node;
}
