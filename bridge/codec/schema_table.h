/* The schemas' texts, embedded at build time by schemas/embed.py; sorted by model. */
#ifndef BRIDGE_CODEC_SCHEMA_TABLE_H
#define BRIDGE_CODEC_SCHEMA_TABLE_H

#include <stddef.h>

struct schema_text {
    const char *model;
    const char *text; /* the .avsc's own bytes, terminated */
    size_t length;
};

extern const struct schema_text schema_texts[];
extern const size_t schema_text_count;

#endif
