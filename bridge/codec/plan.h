/*
 * What the encoder does for each member of a record, made once from a schema's text: its place, its
 * type, and an index from names to places. avro-c forgets the attributes this needs (logicalType,
 * propexo.json), so the text is read by itself. Constant after it was made; any thread.
 */
#ifndef BRIDGE_CODEC_PLAN_H
#define BRIDGE_CODEC_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/base/table.h"

enum plan_type {
    TYPE_STRING,
    TYPE_LONG,
    TYPE_DOUBLE,
    TYPE_BOOLEAN,
    TYPE_TIMESTAMP, /* long, milliseconds */
    TYPE_JSON,      /* any JSON value, as text */
    TYPE_ARRAY,
    TYPE_RECORD,
    TYPE_MAP, /* unmapped_fields only */
};

struct plan_node {
    enum plan_type type;
    bool nullable;              /* a union of null and the type, in this order */
    struct plan_node *item;     /* TYPE_ARRAY */
    struct plan_fields *fields; /* TYPE_RECORD */
};

struct plan_field {
    char *name;
    struct plan_node *node;
};

struct plan_fields {
    struct plan_field *list; /* in the schema's order */
    size_t count;
    struct table places; /* name -> place + 1, as a pointer */
};

/* Reads a schema's text; VERDICT_FATAL when it uses something this encoder does not know. */
struct plan_node *plan_new(const char *text, struct error *error) MUST_CHECK;
void plan_free(struct plan_node *node); /* NULL is allowed */

/* The place of a member, or -1. */
int plan_place(const struct plan_fields *fields, const char *name);

#endif
