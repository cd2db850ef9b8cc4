#include "tests/simulator/models.h"

#include <stddef.h>
#include <string.h>

static const struct model *const tables[] = {models_core, models_a_f,      models_i_p,
                                             models_r_u,  models_children, models_unreadable};

#define TABLES (sizeof tables / sizeof tables[0])

const char *const models_vendors[] = {
    "SAMPLE2",  "BUILDIUM",     "ENTRATA",     "MRI",      "PROPERTYWARE", "PROPERTYWARE_REST",
    "REALPAGE", "REALPAGE_RPX", "RENTMANAGER", "RENTVINE", "RESMAN",       "SAMPLE1",
    NULL};

const struct model *models_at(unsigned index)
{
    for (size_t i = 0; i < TABLES; i++) {
        const struct model *model = tables[i];
        for (; model->name != NULL; model++) {
            if (index-- == 0)
                return model;
        }
    }
    return NULL;
}

const struct model *models_find(const char *name)
{
    for (size_t i = 0; i < TABLES; i++) {
        for (const struct model *model = tables[i]; model->name != NULL; model++) {
            if (strcmp(model->name, name) == 0)
                return model;
        }
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
