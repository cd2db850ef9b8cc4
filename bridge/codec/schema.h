/*
 * The schema catalogue: schemas/<model>.avsc as embedded in the program. The text is what goes to
 * the registry, byte for byte (avro-c's own printing loses defaults, docs and logical types).
 * Constant; any thread.
 */
#ifndef BRIDGE_CODEC_SCHEMA_H
#define BRIDGE_CODEC_SCHEMA_H

#include "bridge/codec/schema_table.h"

/* By the model's name with underscores; NULL when the model has none (no endpoint reads it). */
const struct schema_text *schema_find(const char *model);

#endif
