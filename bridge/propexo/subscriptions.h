/*
 * The webhooks that Propexo holds for us, compared with those that there should be: for each model
 * one for its changes, since a webhook names one model at most, and one without a model for what
 * tells of syncs, jobs and failed writes. No I/O. Any thread.
 *
 * Ours are those with our URL, a slash at its end aside. All others are somebody else's and are
 * never part of a change.
 */
#ifndef BRIDGE_PROPEXO_SUBSCRIPTIONS_H
#define BRIDGE_PROPEXO_SUBSCRIPTIONS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"

/* What there should be. Borrowed texts. */
struct subscriptions_wish {
    const char *url;           /* without a slash at its end */
    const char *const *models; /* no name twice */
    size_t model_count;
    const char *secret; /* NULL = none */
    bool rotate;        /* the secret is set anew on all that there are */
};

enum subscription_action {
    SUBSCRIPTION_CREATE,
    SUBSCRIPTION_UPDATE,
    SUBSCRIPTION_KEEP,
    SUBSCRIPTION_REMOVE,
    SUBSCRIPTION_ACTIONS
};

/* What differs in an update; a set of bits. */
enum subscription_field {
    SUBSCRIPTION_URL = 1,
    SUBSCRIPTION_TRIGGERS = 2,
    SUBSCRIPTION_ACTIVE = 4,
    SUBSCRIPTION_SECRET = 8,
};
#define SUBSCRIPTION_FIELDS 4

/* One webhook that is or should be ours. */
struct subscription_change {
    enum subscription_action action;
    const char *model; /* the wish's or the row's; NULL = none: syncs, jobs and failed writes */
    const cJSON *row;  /* as the API lists it; NULL of one to create */
    unsigned fields;   /* of an update */
    bool duplicate;    /* of a removal: there is another one for the model */
};

struct subscriptions_plan {
    struct subscription_change *changes; /* creations, updates and kept ones first, removals last,
                                            so that no event falls between two webhooks */
    size_t count;
    size_t counts[SUBSCRIPTION_ACTIONS];
    size_t foreign;      /* webhooks of others */
    bool secrets_hidden; /* one of ours shows no secret, so it could not be compared */
};

/* `rows` is the API's whole list, each with an id; it and the wish must outlive the plan. Of
 * several webhooks for one model that stays which differs least, and of equal ones that with the
 * lowest id, so that the order of the list does not matter. Free with subscriptions_free. */
struct subscriptions_plan subscriptions_compare(const struct subscriptions_wish *wish,
                                                const cJSON *rows) MUST_CHECK;
void subscriptions_free(struct subscriptions_plan *plan);

/* True when the row has our URL. */
bool subscriptions_ours(const struct subscriptions_wish *wish, const cJSON *row);

/* The body of the POST or PUT that makes the change. A PUT says everything, since one that leaves a
 * field out may empty it; headers stay as they are listed. The caller frees. */
char *subscriptions_body(const struct subscriptions_wish *wish,
                         const struct subscription_change *change) MUST_CHECK;

/* Words for people and programs: "create", ...; the field's name by its place, 0 to
 * SUBSCRIPTION_FIELDS - 1, as the API has it. */
const char *subscription_action_name(enum subscription_action action);
const char *subscription_field_name(unsigned place);

#endif
