/*
 * Makes one batch visible: everything that can make it wait is done first (schema ids, the bytes of
 * events that are forwarded or become dead letters), then the transaction, as often as it takes.
 *
 * A message that Kafka refuses for what it is (too large, not valid) becomes a dead letter, and a
 * dead letter that is too large goes without its bytes, so that no record holds up the others.
 * Publisher's thread.
 */
#ifndef BRIDGE_ENRICHER_COMMITTER_H
#define BRIDGE_ENRICHER_COMMITTER_H

#include <stdatomic.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/enricher/batch.h"
#include "bridge/kafka/settings.h"
#include "bridge/kafka/topics.h"
#include "bridge/propexo/selection.h"

struct committer;

enum commit_outcome {
    COMMIT_DONE,
    COMMIT_CANCELLED, /* `*cancel` became true: nothing of the batch is visible */
    COMMIT_FENCED,    /* the group refused it: nothing of it is visible, it is to be dropped */
    COMMIT_FAILED,    /* a person must act: `error` */
};

/* `*cancel` is looked at whenever something waits; it outlives the committer. */
struct committer *committer_new(const struct kafka_context *kafka, const struct topics *topics,
                                const struct selection *selection, const atomic_bool *cancel,
                                struct error *error) MUST_CHECK;
void committer_free(struct committer *committer); /* NULL is allowed */

/* Connects the transactional producer where it is not connected; ends a transaction that an earlier
 * one of the same name left open. Waits until it is done, cancelled (false) or refused (false,
 * `error`). The first time it then waits for a schema registry that has all models' schemas. */
bool committer_connect(struct committer *committer, struct error *error) MUST_CHECK;

/* Waits until the batch is visible, or never will be through us. May turn items into dead letters.
 */
enum commit_outcome committer_publish(struct committer *committer, struct batch *batch,
                                      struct error *error) MUST_CHECK;

#endif
