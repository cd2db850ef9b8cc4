/*
 * A webhook that did not arrive, put together again: as the body that Propexo would have sent, so
 * that whoever takes events in needs to know no other form. Pure; any thread.
 */
#ifndef BRIDGE_PROPEXO_RECREATE_H
#define BRIDGE_PROPEXO_RECREATE_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "bridge/base/attributes.h"

/* The header of such an event: who made it, "sync:ID", "recover" or "verify". What it speaks of was
 * found in the API, so it is no sign that webhooks arrive. */
#define RECREATE_HEADER "recovered"

/* A change of this record, in shape A; `content` is what is known of it, a diff ({"new",
 * "previous"}) or, when `is_new`, the payload; NULL = that it is to be read again, nothing more. As
 * JSON text that the caller frees. */
char *recreate_event(const char *integration_id, const char *model, const char *record_id,
                     bool is_new, const cJSON *content) MUST_CHECK;

/* One recorded change of /v1/admin/data-diffs/ (Propexo's API page for it), read. The texts live as
 * long as the tree. */
struct recreate_change {
    const char *id; /* of the recorded change; NULL = not told */
    const char *model;
    const char *record_id;
    const char *integration_id; /* NULL = not told */
    const char *created_at;     /* as told; NULL = not told */
    bool is_new;
    const cJSON *content; /* NULL = not told */
};

/* False when it names no model or no record. */
bool recreate_read(const cJSON *item, struct recreate_change *change) MUST_CHECK;

#endif
