/*
 * A frame of the Confluent wire format as JSON text of the shape that encoder_json writes: decoded
 * with the schema it was written with, so snapshots of earlier versions are read as they are. The
 * body is read by the Avro specification ("Binary Encoding") right here: avro-c's own reader makes
 * a tree of values first, and loses memory when a body is cut. One thread an input. avro-c has one
 * global text for its errors: only a schema from the registry that it cannot parse touches that
 * here, and then a sentence about an error of the thread that encodes may read oddly.
 */
#ifndef BRIDGE_CODEC_AVRO_INPUT_H
#define BRIDGE_CODEC_AVRO_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"
#include "bridge/base/buffer.h"
#include "bridge/base/error.h"
#include "bridge/codec/registry.h"

struct avro_input;

/* Borrows the registry. */
struct avro_input *avro_input_new(struct registry *registry) MUST_CHECK;
void avro_input_free(struct avro_input *input); /* NULL is allowed */

/* Appends the record to `out`. Asks the registry once a schema. False with VERDICT_ABORT when these
 * bytes cannot be read: no frame, a schema that the registry does not have or that has a type no
 * schema of ours has, a body that does not fit it; else as registry.h says. */
bool avro_input_json(struct avro_input *input, const void *frame, size_t length, struct buffer *out,
                     struct error *error) MUST_CHECK;

#endif
