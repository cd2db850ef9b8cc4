/*
 * From a record as the API sent it to the values of a schema's fields: what fits, what is null,
 * and what goes to unmapped_fields. Both outputs, Avro and JSON, are written from here, so that
 * they cannot differ. One encoder's, on its thread.
 *
 * A record is resolved once (one pass over its members), then asked for each field in order.
 */
#ifndef BRIDGE_CODEC_MAPPING_H
#define BRIDGE_CODEC_MAPPING_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/buffer.h"
#include "bridge/base/error.h"
#include "bridge/codec/plan.h"
#include "bridge/codec/unmapped.h"

struct mapping {
    struct unmapped unmapped;
    struct buffer scratch; /* the text of the value at hand, where the tree does not have it */
    size_t maximum;        /* bytes of what is written */
    bool too_large;        /* something did not fit since mapping_begin */
};

enum value_kind {
    VALUE_NULL,
    VALUE_TEXT,
    VALUE_LONG,
    VALUE_DOUBLE,
    VALUE_BOOLEAN,
    VALUE_STRINGS, /* `list` holds strings only: mapping_item gives the text of each */
    VALUE_RECORDS, /* `list` holds objects only */
};

struct value {
    enum value_kind kind;
    const char *text; /* UTF-8 with U+0000 as a zero byte; lives until the next mapping_value */
    size_t length;
    int64_t number;
    double real;
    bool truth;
    const cJSON *list;
};

struct mapping mapping_new(void);
void mapping_free(struct mapping *mapping);

/* Begins an outer record: forgets the last one's unmapped fields. What is written may take
 * `maximum` bytes. */
void mapping_begin(struct mapping *mapping, size_t maximum);

/* Finds the member for each of the plan's fields, the last of a name; what has no field goes to
 * unmapped. */
bool mapping_resolve(struct mapping *mapping, struct plan *plan, const cJSON *record,
                     struct unmapped_place place, struct error *error) MUST_CHECK;

/*
 * The value of a field of the resolved record. A value of the wrong type is VALUE_NULL and goes to
 * unmapped. False with VERDICT_ABORT when the record cannot be encoded: a field that must be there
 * is not, a text is not UTF-8, the whole is too large.
 */
bool mapping_value(struct mapping *mapping, const struct plan *plan, size_t field,
                   struct unmapped_place place, struct value *value,
                   struct error *error) MUST_CHECK;

/* Notes that what is written passes the maximum, and says so in `error`. Returns false. */
bool mapping_too_large(struct mapping *mapping, struct error *error);

/* The text of an item of a VALUE_STRINGS; fills `item->text` and `item->length`. */
void mapping_item(struct mapping *mapping, const cJSON *string, struct value *item);

#endif
