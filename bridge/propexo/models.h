/*
 * The catalogue: every model name a webhook can carry, and what the API can do with it. The table
 * is made from schemas/models.json (make schemas). Constant; any thread.
 */
#ifndef BRIDGE_PROPEXO_MODELS_H
#define BRIDGE_PROPEXO_MODELS_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"

struct model {
    const char *name;            /* with underscores */
    const char *list_path;       /* NULL: no endpoint lists it */
    const char *get_path;        /* with {id}; NULL: none can be had by its id */
    bool has_integration_filter; /* the list takes integration_id */
};

size_t model_count(void);
const struct model *model_at(size_t index); /* index < model_count() */

/* The model's index, 0 to model_count() - 1. */
int model_index(const struct model *model);

/* By its name on the wire: hyphens, as used in 2024, count as underscores. NULL when there is none.
 */
const struct model *model_find(const char *name, size_t length);

#endif
