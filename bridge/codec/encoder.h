/*
 * From a record as the REST API sent it to a snapshot's bytes, by the model's schema.
 *
 * The record is a tree of json_parse's. What the API sends and the schema does not know, or knows
 * with another type, becomes a text in unmapped_fields and the field null, so that nothing is
 * dropped.
 * A list with one item of the wrong type is itself of the wrong type; an item's own unknown field
 * goes under a path such as pets[0].colour. A number fits a long when it is written as a whole one
 * of 64 bits; a double is the one nearest to the number. Of a name that comes twice the last value
 * counts; those before it go under name[0], name[1] and so on. A text with U+0000 stays as it is;
 * one with half of a surrogate pair is of the wrong type, since Avro's strings are UTF-8. A text
 * that is not UTF-8 makes the record impossible to encode.
 *
 * One thread does all encoding (avro-c has one global text for its errors).
 */
#ifndef BRIDGE_CODEC_ENCODER_H
#define BRIDGE_CODEC_ENCODER_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/codec/schema.h"
#include "bridge/codec/unmapped.h"

struct encoder;

struct encoding {
    size_t unmapped;            /* fields that went to unmapped_fields */
    const char *first_unmapped; /* the first one's name or path, or NULL; lives like the bytes */
    bool too_large;             /* why it failed; also written when it did */
};

/* Made once per schema and kept. The schema must outlive it. VERDICT_FATAL when the schema is not
 * of the kind that schemas/generate.py writes. */
struct encoder *encoder_new(const struct schema *schema, struct error *error) MUST_CHECK;
void encoder_free(struct encoder *encoder); /* NULL is allowed */

/*
 * A frame of the Confluent wire format: header with `schema_id`, then the Avro body. At most
 * `maximum` bytes in all. `*bytes` lives until the encoder's next call. Fills `*info`. False with
 * VERDICT_ABORT when this record cannot be encoded: not an object, no id, not UTF-8, too large;
 * the message names the field and never tells a value.
 */
bool encoder_avro(struct encoder *encoder, const cJSON *record, uint32_t schema_id, size_t maximum,
                  const void **bytes, size_t *length, struct encoding *info,
                  struct error *error) MUST_CHECK;

/* The same record as JSON text of the same shape: every field of the schema in its order, null
 * where absent; timestamps are numbers of milliseconds, free-form objects strings of JSON text,
 * unmapped_fields an object of such strings, {} when there are none. */
bool encoder_json(struct encoder *encoder, const cJSON *record, size_t maximum, const void **bytes,
                  size_t *length, struct encoding *info, struct error *error) MUST_CHECK;

/* The name of an unmapped field of the record just encoded, without indices, for a metric's label:
 * `number` is below info->unmapped. NULL when it is longer than 100 bytes. */
const char *encoder_unmapped_label(const struct encoder *encoder, size_t number,
                                   char label[UNMAPPED_LABEL_SIZE]);

#endif
