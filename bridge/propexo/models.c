#include "bridge/propexo/models.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/attributes.h"

#include "bridge/propexo/models_table.inc"

#define LONGEST_NAME 63

size_t model_count(void)
{
    return ARRAY_LENGTH(MODELS);
}

const struct model *model_at(size_t index)
{
    return &MODELS[index];
}

int model_index(const struct model *model)
{
    return (int)(model - MODELS);
}

enum model_kind model_kind(const struct model *model)
{
    if (model->get_path != NULL)
        return MODEL_BY_ID;
    if (model->list_path != NULL)
        return MODEL_BY_LIST;
    return model->parent_count > 0 ? MODEL_CHILD : MODEL_ASSEMBLED;
}

bool model_is_fetched(const struct model *model)
{
    enum model_kind kind = model_kind(model);
    return (kind == MODEL_BY_ID || kind == MODEL_BY_LIST) && model->parent_count == 0;
}

bool model_has_snapshots(const struct model *model)
{
    return model_kind(model) != MODEL_CHILD;
}

const struct schema *model_schema(const struct model *model)
{
    if (!model_has_snapshots(model))
        return NULL;
    return schema_find(model_kind(model) == MODEL_ASSEMBLED ? SCHEMA_ASSEMBLED : model->name);
}

static int compare_name(const void *name, const void *model)
{
    return strcmp(name, ((const struct model *)model)->name);
}

const struct model *model_find(const char *name, size_t length)
{
    char wanted[LONGEST_NAME + 1];
    if (length > LONGEST_NAME || memchr(name, '\0', length) != NULL)
        return NULL;
    memcpy(wanted, name, length);
    wanted[length] = '\0';
    model_normalise(wanted);
    return bsearch(wanted, MODELS, ARRAY_LENGTH(MODELS), sizeof MODELS[0], compare_name);
}

void model_normalise(char *name)
{
    for (char *p = strchr(name, '-'); p != NULL; p = strchr(p, '-'))
        *p = '_';
}

bool model_is_listed(const struct model *model)
{
    enum model_kind kind = model_kind(model);
    return model->list_path != NULL && (kind == MODEL_BY_ID || kind == MODEL_BY_LIST);
}
