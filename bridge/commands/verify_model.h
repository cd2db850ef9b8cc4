/*
 * `verify` for one model: its snapshots topic beside the API's list. One thread; calls wait.
 *
 * Why nothing is reported falsely: both sides are read one after the other, so what differs at
 * first is only suspected. After a moment the topic's tail and the record are read again, and what
 * differs counts only when neither side has moved since it was seen differing: then the API has
 * told this state for longer than an event takes. Whatever moved is looked at again, a few times; a
 * record that never rests is not judged. What is not in the list is taken for gone only when the
 * list was read whole.
 */
#ifndef BRIDGE_COMMANDS_VERIFY_MODEL_H
#define BRIDGE_COMMANDS_VERIFY_MODEL_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/codec/avro_input.h"
#include "bridge/commands/arguments.h"
#include "bridge/commands/erasures.h"
#include "bridge/commands/listing.h"
#include "bridge/commands/orders.h"
#include "bridge/kafka/range.h"

struct verification {
    const struct config *config;
    const struct arguments *arguments;
    struct orders orders; /* its producer is connected when differences are to be repaired */
    struct listing *listing;
    struct range *range;
    struct erasures erasures;
    struct registry *registry;
    struct avro_input *avro; /* NULL where snapshots are JSON */
    cJSON *differences; /* an array of {model, record_id, integration_id, difference, fields} */
    int64_t shown;      /* how many there are in it */
    int64_t shown_most;
    int64_t without_order; /* differences whose integration is not known */
};

struct model_result {
    int64_t records; /* in the API */
    int64_t same;
    int64_t missing;   /* not on the topic */
    int64_t differing; /* on both sides */
    int64_t gone;      /* on the topic only */
    int64_t not_judged;
    int64_t total; /* of the list, as the API tells it; -1 = not told */
    int64_t met;   /* different ids in the list */
    bool whole;    /* the list was read whole */
};

/* True when verify can compare the model at this place: it has a list. */
bool verify_can(const struct verification *verification, int place);

/* Compares one model: counts into `result`, adds to the differences and, when a producer is
 * connected, orders that each be read again. Errors as of listing.h, range.h and registry.h. */
bool verify_model(struct verification *verification, int place, struct model_result *result,
                  struct error *error) MUST_CHECK;

#endif
