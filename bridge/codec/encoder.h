/*
 * From a record as the API answered it (JSON) to a snapshot's value: Avro in the Confluent wire
 * format, or JSON of the same shape.
 *
 * Nothing the API sends is dropped: a member the schema does not know, and a value of another type
 * than the schema's, goes into `unmapped_fields` as JSON text under its path ("pets[0].colour"),
 * and the field itself is null. An encoder belongs to one schema and one thread (avro-c's error
 * text is one global buffer).
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

/* Deepest nesting of embedded records that is encoded; free-form values may nest as deep as the
 * parser. */
#define ENCODER_DEPTH 8

struct encoding {
    size_t unmapped; /* entries of unmapped_fields */
};

struct encoder;

struct encoder *encoder_new(const struct schema *schema, struct error *error) MUST_CHECK;
void encoder_free(struct encoder *encoder); /* NULL is allowed */

/* The value, at most `maximum` bytes, alive until the encoder's next call. False with VERDICT_ABORT
 * when this record cannot be encoded (no id, too large); the message names the field, never a
 * value. */
bool encoder_avro(struct encoder *encoder, const cJSON *record, uint32_t schema_id, size_t maximum,
                  const void **bytes, size_t *length, struct encoding *info,
                  struct error *error) MUST_CHECK;
bool encoder_json(struct encoder *encoder, const cJSON *record, size_t maximum, const void **bytes,
                  size_t *length, struct encoding *info, struct error *error) MUST_CHECK;

#endif
