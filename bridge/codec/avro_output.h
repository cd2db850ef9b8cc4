/*
 * A mapped record as a frame of the Confluent wire format: encoder_avro's part, and the only one
 * that knows avro-c. On the encoder's thread.
 */
#ifndef BRIDGE_CODEC_AVRO_OUTPUT_H
#define BRIDGE_CODEC_AVRO_OUTPUT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/codec/mapping.h"
#include "bridge/codec/plan.h"
#include "bridge/codec/schema.h"

struct avro_output;

/* `plan` is the plan of `schema`; both must outlive the output. */
struct avro_output *avro_output_new(const struct schema *schema, struct plan *plan,
                                    struct error *error) MUST_CHECK;
void avro_output_free(struct avro_output *output); /* NULL is allowed */

/* `*bytes` lives until the next call. Errors as encoder.h says. */
bool avro_output_write(struct avro_output *output, struct mapping *mapping, const cJSON *record,
                       uint32_t schema_id, const void **bytes, size_t *length,
                       struct error *error) MUST_CHECK;

#endif
