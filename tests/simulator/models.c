#include "tests/simulator/models.h"

#include <stddef.h>
#include <string.h>

const struct model *models_find(const char *name)
{
    for (const struct model *model = models_core; model->name != NULL; model++) {
        if (strcmp(model->name, name) == 0)
            return model;
    }
    return NULL;
}

int model_field(const struct model *model, const char *name)
{
    for (int i = 0; model->fields[i].name != NULL; i++) {
        if (strcmp(model->fields[i].name, name) == 0)
            return i;
    }
    return -1;
}

unsigned model_field_count(const struct model *model)
{
    unsigned count = 0;
    while (model->fields[count].name != NULL)
        count++;
    return count;
}
