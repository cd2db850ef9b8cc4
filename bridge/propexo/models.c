#include "bridge/propexo/models.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MAXIMUM 64

static const struct model models[] = {
#define MODEL(name, list, get, filter) {name, list, get, filter},
#include "bridge/propexo/models_table.inc"
#undef MODEL
};

size_t model_count(void)
{
    return ARRAY_LENGTH(models);
}

const struct model *model_at(size_t index)
{
    return &models[index];
}

int model_index(const struct model *model)
{
    return (int)(model - models);
}

static int compare(const void *name, const void *model)
{
    return strcmp(name, ((const struct model *)model)->name);
}

const struct model *model_find(const char *name, size_t length)
{
    char normal[NAME_MAXIMUM];
    if (length >= sizeof normal)
        return NULL;
    for (size_t i = 0; i < length; i++)
        normal[i] = name[i] == '-' ? '_' : name[i];
    normal[length] = '\0';
    return bsearch(normal, models, ARRAY_LENGTH(models), sizeof models[0], compare);
}
