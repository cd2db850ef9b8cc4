/*
 * From a record to the bytes of its snapshot: the encoder and the schema id of each model, made at
 * first use. Publisher's thread.
 */
#ifndef BRIDGE_ENRICHER_OUTPUT_H
#define BRIDGE_ENRICHER_OUTPUT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/config/config.h"
#include "bridge/kafka/topics.h"
#include "bridge/propexo/selection.h"

struct output;

struct output *output_new(const struct config *config, const struct topics *topics,
                          const struct selection *selection, struct error *error) MUST_CHECK;
void output_free(struct output *output); /* NULL is allowed */

/* Makes ready what encoding this model needs; asks the registry, and waits for it, at most once a
 * model. VERDICT_RETRY: the registry is away. VERDICT_CONFIGURATION: it refuses our schema. */
bool output_prepare(struct output *output, int place, struct error *error) MUST_CHECK;

/* The snapshot's bytes, alive until the next call. False with VERDICT_ABORT when this record cannot
 * be encoded; `*code` is then the dead letter's error_code. output_prepare must have succeeded for
 * the model. */
bool output_encode(struct output *output, int place, const cJSON *record, const void **bytes,
                   size_t *length, const char **code, struct error *error) MUST_CHECK;

/* The content-type header of the snapshots. */
const char *output_content_type(const struct output *output);

#endif
