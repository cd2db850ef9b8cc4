#include "bridge/propexo/selection.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"

static void add(struct selection *selection, const struct model *model)
{
    int index = model_index(model);
    if (selection->places[index] >= 0)
        return;
    selection->places[index] = (int)selection->count;
    selection->models[selection->count] = model;
    selection->names[selection->count] = model->name;
    selection->has_snapshots[selection->count] = model_has_snapshots(model);
    selection->has_assembled |= model_kind(model) == MODEL_ASSEMBLED;
    selection->count++;
}

struct selection *selection_new(const struct config *config, struct error *error)
{
    size_t all = model_count();
    struct selection *selection = memory_new(1, sizeof *selection);
    selection->models = memory_new(all, sizeof(const struct model *));
    selection->names = memory_new(all, sizeof(const char *));
    selection->has_snapshots = memory_new(all, sizeof(bool));
    selection->places = memory_new(all, sizeof(int));
    for (size_t i = 0; i < all; i++)
        selection->places[i] = -1;
    for (size_t i = 0; i < config->bridge.models.count; i++) {
        const char *name = config->bridge.models.items[i];
        const struct model *model = model_find(name, strlen(name));
        if (strcmp(name, "*") == 0) {
            for (size_t m = 0; m < all; m++)
                add(selection, model_at(m));
        } else if (model != NULL) {
            add(selection, model);
        } else {
            error_set(error, VERDICT_CONFIGURATION,
                      "bridge.models: Propexo's description has no model %s", name);
            selection_free(selection);
            return NULL;
        }
    }
    selection->redaction = redaction_new(config, error);
    if (selection->redaction == NULL) {
        selection_free(selection);
        return NULL;
    }
    return selection;
}

void selection_free(struct selection *selection)
{
    if (selection == NULL)
        return;
    redaction_free(selection->redaction);
    free(selection->models);
    free(selection->names);
    free(selection->has_snapshots);
    free(selection->places);
    free(selection);
}

int selection_place(const struct selection *selection, const struct model *model)
{
    return selection->places[model_index(model)];
}

int selection_find(const struct selection *selection, const char *name, size_t length)
{
    const struct model *model = model_find(name, length);
    return model == NULL ? -1 : selection_place(selection, model);
}
