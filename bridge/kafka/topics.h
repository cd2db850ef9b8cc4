/*
 * The bridge's topics: their names, their policy, whether they are there and as they should be.
 *
 * `struct topics` is made once at start and then only read; any thread may read it. The i-th events
 * and snapshots topic belong to the i-th model name it was made with.
 */
#ifndef BRIDGE_KAFKA_TOPICS_H
#define BRIDGE_KAFKA_TOPICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/buffer.h"
#include "bridge/base/error.h"
#include "bridge/kafka/embedded.h"
#include "bridge/kafka/settings.h"

struct topics {
    size_t model_count;
    char **events;    /* <prefix>.events.<model> */
    char **snapshots; /* <prefix>.snapshots.<model>; NULL where the model has none */
    char *activity;
    char *state;
    char *assembly; /* NULL when no model is assembled */
    char *dead_letters;
    int partitions;       /* of every events topic, as found by topics_prepare; 0 before */
    int64_t retention_ms; /* the shortest of the events topics, by the same; 0 = not known, or for
                             ever */
};

/* `has_snapshots` says of each model whether it has a snapshots topic, `assembled` whether the
 * topic of what is put together from webhooks is needed. */
struct topics *topics_new(const struct config *config, const char *const *models,
                          const bool *has_snapshots, size_t count, bool assembled) MUST_CHECK;
void topics_free(struct topics *topics);

struct topics_findings {
    int missing;
    int created;
    int drifted;          /* there, but with another policy or partition count than planned */
    int unread;           /* there, but the user may not see their policies */
    int64_t retention_ms; /* the shortest of the events topics; 0 = not known, or for ever */
};

/*
 * Compares what is there with the plan and, with `create`, makes what is missing. Appends a line
 * for each topic to `report` (may be NULL). What exists is never changed: a policy that differs is
 * reported, for a person to decide. VERDICT_RETRY when Kafka is away.
 */
bool topics_compare(const struct kafka_context *kafka, struct embedded *embedded,
                    const struct topics *topics, bool create, struct topics_findings *findings,
                    struct buffer *report, struct error *error) MUST_CHECK;

/*
 * What every start does before anything subscribes or produces: creates when topics.create says so,
 * then demands that all topics exist and that all events topics, state and assembly have one
 * partition count, which it stores. Unequal counts are VERDICT_CONFIGURATION: an integration would
 * not lie on one partition number in all topics, and no instance could own all its models.
 */
bool topics_prepare(const struct kafka_context *kafka, struct embedded *embedded,
                    struct topics *topics, struct error *error) MUST_CHECK;

#endif
