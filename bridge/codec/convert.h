/*
 * What both outputs share: one pass over a record's members that puts each into its field's place,
 * and the list of what has no place. Used by encoder_avro.c and encoder_json.c only.
 */
#ifndef BRIDGE_CODEC_CONVERT_H
#define BRIDGE_CODEC_CONVERT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/buffer.h"
#include "bridge/codec/plan.h"

#define CONVERT_PATH_MAXIMUM 1024
#define CONVERT_UNMAPPED     1024 /* entries of unmapped_fields; further ones make the record fail */

struct unmapped {
    char *path;
    char *text;
};

struct conversion {
    struct buffer path; /* of the member at hand */
    struct unmapped *unmapped;
    size_t unmapped_count;
    size_t unmapped_capacity;
    const cJSON **places; /* scratch for all nested records at once, a stack */
    size_t places_used;
    size_t places_capacity;
    bool failed; /* too many unmapped fields */
};

void conversion_clear(struct conversion *conversion);
void conversion_free(struct conversion *conversion);

/* Sorts the members of `object` into places of the scratch stack: returns where they begin. Members
 * without a place are noted as unmapped. Give the places back with conversion_drop. */
size_t conversion_sort(struct conversion *conversion, const struct plan_fields *fields,
                       const cJSON *object);
void conversion_drop(struct conversion *conversion, size_t begin);

/* Extends the path by a member or an element; returns what conversion_leave takes back. */
size_t conversion_enter(struct conversion *conversion, const char *member);
size_t conversion_enter_item(struct conversion *conversion, size_t index);
void conversion_leave(struct conversion *conversion, size_t length);

/* Notes the value at the present path as unmapped. */
void conversion_note(struct conversion *conversion, const cJSON *value);

/* A value as the field's type wants it. */
struct scalar {
    const char *text; /* TYPE_STRING */
    char *owned;      /* TYPE_JSON: the text, for the caller to cJSON_free */
    int64_t number;   /* TYPE_LONG, TYPE_TIMESTAMP, TYPE_BOOLEAN */
    double real;      /* TYPE_DOUBLE */
};

/* False when the value is not of this scalar type. */
bool convert_scalar(enum plan_type type, const cJSON *value, struct scalar *scalar);

#endif
