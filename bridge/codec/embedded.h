/* What schemas/embed.py writes and schema.c reads: all schemas, sorted by model. */
#ifndef BRIDGE_CODEC_EMBEDDED_H
#define BRIDGE_CODEC_EMBEDDED_H

#include <stddef.h>

#include "bridge/codec/schema.h"

extern const struct schema embedded_schemas[];
extern const size_t embedded_schema_count;

#endif
