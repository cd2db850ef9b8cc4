/*
 * A webhook's body, understood: which record of which model of which integration it speaks of.
 *
 * Three shapes are documented (wrapped, flat, and an old one without a kind); all are read by one
 * rule: the members are looked up in `data` when that is an object, else at the top, and `meta`
 * fills in what is missing. Nothing is refused for what it does not say: what cannot be routed gets
 * a verdict, and the receiver keeps its bytes as a dead letter. Pure; any thread.
 */
#ifndef BRIDGE_PROPEXO_WEBHOOK_H
#define BRIDGE_PROPEXO_WEBHOOK_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "bridge/propexo/models.h"

/* Longest integration id, record id or kind that is routed, in bytes. */
#define WEBHOOK_ID_MAXIMUM 512

/* Most values (members and items, at any depth) of a body that is parsed: each takes some 100 bytes
 * of memory, and as few as two of the body. */
#define WEBHOOK_MAX_VALUES 100000

enum webhook_class {
    WEBHOOK_EVENT,    /* DATA_NEW or DATA_UPDATE: goes to the model's events topic */
    WEBHOOK_ACTIVITY, /* syncs, jobs, write failures: goes to the activity topic */
    WEBHOOK_UNKNOWN,  /* well-formed JSON that cannot be routed: a dead letter, see `code` */
    WEBHOOK_NOT_JSON, /* not JSON, or not UTF-8: RFC 8259 knows no other encoding */
};

struct webhook {
    enum webhook_class class;
    const char *code; /* WEBHOOK_UNKNOWN, WEBHOOK_NOT_JSON: the dead letter's error_code */
    const char *kind; /* "DATA_UPDATE", ...; NULL while unknown */
    const char *integration_id; /* NULL when the body names none */
    const char *record_id;      /* WEBHOOK_EVENT only */
    const struct model *model;  /* WEBHOOK_EVENT only */
    const cJSON *diff;          /* {"new": ..., "previous": ...} or NULL */
    const cJSON *payload;       /* the fields known so far, or NULL */
    bool is_backsync;           /* a sync of which no DATA_* webhooks tell */
    const cJSON *synced;        /* the names of the models that a sync covers; NULL = all */
    cJSON *root;                /* owns every text above */
};

/* Reads `length` bytes. Always returns a filled struct that webhook_free frees. */
struct webhook webhook_parse(const char *body, size_t length);
void webhook_free(struct webhook *webhook);

/* A sync is complete: SYNC_COMPLETE or FIRST_SYNC_COMPLETE. */
bool webhook_is_sync(const struct webhook *webhook);

/* The sync covers this model. */
bool webhook_has_synced(const struct webhook *webhook, const struct model *model);

/* The record was seen again by a sync and nothing else changed: `last_seen`, at most with
 * `updated_at`. */
bool webhook_is_only_seen(const struct webhook *webhook);

#endif
