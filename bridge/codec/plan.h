/*
 * A schema made ready for encoding: its fields in order, what each takes, and an index from member
 * name to field. Made from the text of the .avsc, because avro-c forgets logical types and the
 * attributes of our own. Belongs to one encoder, whose thread it is used on.
 */
#ifndef BRIDGE_CODEC_PLAN_H
#define BRIDGE_CODEC_PLAN_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"

enum plan_kind {
    PLAN_STRING,
    PLAN_LONG,
    PLAN_DOUBLE,
    PLAN_BOOLEAN,
    PLAN_TIMESTAMP, /* long, timestamp-millis */
    PLAN_JSON,      /* string that holds JSON text: "propexo.json": true */
    PLAN_STRINGS,   /* array of string */
    PLAN_RECORDS,   /* array of record */
    PLAN_UNMAPPED,  /* the map of all that has no field of its own; always the last of the outer
                       record */
};

struct plan_field {
    char *name;
    size_t length; /* of the name */
    enum plan_kind kind;
    bool nullable;      /* a union of null and the type; else the field must be there */
    struct plan *items; /* PLAN_RECORDS: the plan of one item; owned */
};

struct plan {
    struct plan_field *fields;
    size_t count;
    const cJSON **members; /* scratch of the encoder: the record's member for each field, or NULL */
    uint16_t *slots;       /* hash table: field number + 1, 0 = free */
    size_t mask;           /* slots - 1 */
};

/* NULL and VERDICT_FATAL when the schema is not of the kind that schemas/generate.py writes. */
struct plan *plan_new(const char *text, size_t length, struct error *error) MUST_CHECK;
void plan_free(struct plan *plan); /* NULL is allowed */

/*
 * The number of the field with this name, -1 when there is none (PLAN_UNMAPPED is never found).
 * `expected` is the field to try first: records mostly come in the schema's order.
 */
int plan_find(const struct plan *plan, const char *name, size_t expected);

#endif
