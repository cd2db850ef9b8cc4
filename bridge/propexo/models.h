/*
 * The catalogue: every model that a Propexo webhook can name, and what the REST API offers for it.
 * Written by schemas/generate.py from schemas/models.json. Constant; any thread.
 */
#ifndef BRIDGE_PROPEXO_MODELS_H
#define BRIDGE_PROPEXO_MODELS_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/codec/schema.h"

/* A model whose records show up inside the records of another one. */
struct model_parent {
    int parent;        /* the parent's index */
    const char *field; /* the parent's field that holds them (records, or only their ids) */
    const char *key;   /* the child's field that names the parent; NULL = no field does */
};

struct model {
    const char *name; /* with underscores; as in topic names and schemas */

    /* Path of the list; NULL = no endpoint reads this model, only webhooks tell of it. */
    const char *list_path;

    /* Path of one record with the place {id} in it exactly once; NULL = only the list has it. */
    const char *get_path;

    const char *const *query; /* the keys that the list understands, paging and order included */
    size_t query_count;
    bool by_integration; /* integration_id is one of them */

    const struct model_parent *parents;
    size_t parent_count;
};

/* How a change of a model becomes visible. */
enum model_kind {
    MODEL_BY_ID,     /* the record is fetched by its id */
    MODEL_BY_LIST,   /* only the list has it: the newest page, then a scan */
    MODEL_CHILD,     /* it shows up in its parents' records only: they are fetched */
    MODEL_ASSEMBLED, /* only webhooks tell of it: the record is put together from them */
};

enum model_kind model_kind(const struct model *model);

/* One fetch of a record shows all that happened to it, and nothing else shows it. */
bool model_is_fetched(const struct model *model);

/* A list shows its records. */
bool model_is_listed(const struct model *model);

/* True when the model has snapshots of its own: all but children that no endpoint reads. */
bool model_has_snapshots(const struct model *model);

/* The schema of the model's snapshots; NULL when it has none. */
const struct schema *model_schema(const struct model *model);

/* A model's index runs from 0 to model_count() - 1, in the order of the names. It may change from
 * one release to the next: never store one. */
size_t model_count(void);
const struct model *model_at(size_t index);
int model_index(const struct model *model);

/* The model of this name, written with underscores or hyphens; NULL when there is none. */
const struct model *model_find(const char *name, size_t length);

/* Turns hyphens into underscores, in place: older webhooks write resident-charges. */
void model_normalise(char *name);

#endif
