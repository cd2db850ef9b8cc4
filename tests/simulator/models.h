#ifndef SIMULATOR_MODELS_H
#define SIMULATOR_MODELS_H

#include <stdbool.h>

/*
 * What the simulated models look like: constant tables, taken from the public description of the
 * API (OpenAPI 3.1 of 2026-02-12). To add a model, add its row to a table in models_*.c; values.c
 * derives plausible values from a field's name and type. Every model has the fields id, created_at,
 * updated_at and last_seen.
 */

enum field_type {
    FIELD_STRING,
    FIELD_NUMBER,
    FIELD_INTEGER,
    FIELD_BOOLEAN,
    FIELD_OBJECT,  /* free-form */
    FIELD_STRINGS, /* a list of strings */
    FIELD_LIST     /* a list of objects, see items */
};

struct field {
    const char *name; /* NULL ends a table */
    enum field_type type;
    bool nullable;
    const char *const *choices; /* the values of an enum, ended by NULL; NULL = free text */
    const struct field *items;  /* the members of a FIELD_LIST's objects */
    const char *embeds; /* the model whose records this list shows: never part of a webhook */
    const char *shows;  /* of FIELD_STRINGS that embed: the field of those records that is listed */
    const char
        *parent; /* of a record that others show: the model of the record that this id names */
    unsigned char half; /* 1, 2: null in every other record, which belongs to another parent */
    bool loose;         /* an id of what is not simulated: not every reference finds its record */
};

struct model {
    const char *name;      /* NULL ends a table */
    const char *list_path; /* NULL = no endpoint reads it, only webhooks tell of it */
    const char *id_path;   /* in front of the id; NULL = cannot be read by id */
    const struct field *fields;
    const char *const *queries; /* the documented query keys of the list, ended by NULL */
};

#define MODEL_FIELDS_MAX 96 /* fields of one model */
#define MODELS_MAX       128

/* The tables; each is ended by a NULL name. */
extern const struct model models_core[];
extern const struct model models_a_f[];
extern const struct model models_i_p[];
extern const struct model models_r_u[];
extern const struct model models_children[];
extern const struct model models_unreadable[];

/* The values of integration_vendor, ended by NULL. */
extern const char *const models_vendors[];

/* All models, in the order of the tables. NULL from the end on. */
const struct model *models_at(unsigned index);

/* NULL when there is none of that name. */
const struct model *models_find(const char *name);

/* The field's place in the table, or -1. */
int model_field(const struct model *model, const char *name);

unsigned model_field_count(const struct model *model);

#endif
