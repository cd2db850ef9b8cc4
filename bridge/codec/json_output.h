/* A mapped record as JSON text: encoder_json's part. On the encoder's thread. */
#ifndef BRIDGE_CODEC_JSON_OUTPUT_H
#define BRIDGE_CODEC_JSON_OUTPUT_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "bridge/base/attributes.h"
#include "bridge/base/buffer.h"
#include "bridge/base/error.h"
#include "bridge/codec/mapping.h"
#include "bridge/codec/plan.h"

/* Appends the object to `out`. VERDICT_ABORT as encoder.h says, also when `out` is full. */
bool json_output_write(struct buffer *out, struct plan *plan, struct mapping *mapping,
                       const cJSON *record, struct error *error) MUST_CHECK;

#endif
