/*
 * Which parents an event of a child names: a change of a child is a change of the records that show
 * it. A parent that was exchanged for another one shows the child no more, so both are named. Pure;
 * any thread.
 */
#ifndef BRIDGE_ENRICHER_FAMILY_H
#define BRIDGE_ENRICHER_FAMILY_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "bridge/propexo/models.h"

#define FAMILY_MAXIMUM 8 /* at most two parents an edge, and no model has more than four edges */

struct kin {
    const struct model_parent *edge;
    const char *id; /* lives as long as what it was read from */
};

struct family {
    struct kin kin[FAMILY_MAXIMUM];
    size_t count;
};

/* True when some field of the model names a parent. */
bool family_is_named(const struct model *model);

/* The parents that the event tells of, the present and the former ones; then those of `known` (may
 * be NULL; {"resident_id": ...}) on edges that the event is silent about. */
struct family family_of(const struct model *model, const cJSON *diff, const cJSON *payload,
                        const cJSON *known);

/* What is known after the event: `known` (taken over; may be NULL) with what the event tells. NULL
 * when nothing is known; the caller deletes it. `*changed` says whether there is news. */
cJSON *family_learn(const struct model *model, const cJSON *diff, const cJSON *payload,
                    cJSON *known, bool *changed);

#endif
