/*
 * The Avro schemas of the readable models and the one of all assembled models, embedded from
 * schemas/<model>.avsc when the program is built. Constant; any thread.
 */
#ifndef BRIDGE_CODEC_SCHEMA_H
#define BRIDGE_CODEC_SCHEMA_H

#include <stddef.h>

/* The schema that the models share which are put together from webhooks. */
#define SCHEMA_ASSEMBLED "assembled"

struct schema {
    const char *model; /* or SCHEMA_ASSEMBLED */
    const char *text;  /* the file's bytes exactly (a registry gets these), terminated */
    size_t length;
};

/* Sorted by model; `index` < schema_count(). */
size_t schema_count(void);
const struct schema *schema_at(size_t index);

/* NULL when there is none of that name. */
const struct schema *schema_find(const char *model);

#endif
