/*
 * The models this deployment works on: `bridge.models` looked up in the catalogue. The place of a
 * model in the selection is the index of its topics. Made once, then only read; any thread.
 */
#ifndef BRIDGE_PROPEXO_SELECTION_H
#define BRIDGE_PROPEXO_SELECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/config/config.h"
#include "bridge/propexo/models.h"
#include "bridge/propexo/redaction.h"

struct selection {
    size_t count;
    const struct model **models;
    const char **names;
    bool *has_snapshots;
    bool has_assembled;          /* one of them is put together from webhooks */
    struct redaction *redaction; /* what is not shown of their records */
    int *places;                 /* by the model's index in the catalogue; -1 = not selected */
};

/* NULL with VERDICT_CONFIGURATION naming a model that Propexo does not have, or what is wrong with
 * `snapshots.redact` (redaction.h). The configuration must outlive it. */
struct selection *selection_new(const struct config *config, struct error *error) MUST_CHECK;
void selection_free(struct selection *selection);

/* The model's place, or -1 when it is not selected. */
int selection_place(const struct selection *selection, const struct model *model);

/* The same for the model of this name; it need not end there. */
int selection_find(const struct selection *selection, const char *name, size_t length);

#endif
