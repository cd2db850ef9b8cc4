/* Which records are kept out of the topics because they were erased (enricher/erasing.c), as the
 * state topic tells it. One thread. */
#ifndef BRIDGE_COMMANDS_ERASURES_H
#define BRIDGE_COMMANDS_ERASURES_H

#include <stdbool.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/base/table.h"
#include "bridge/kafka/range.h"
#include "bridge/kafka/topics.h"

struct erasures { /* zeroed = none */
    struct table records;
    int partitions; /* of the state topic */
};

/* Reads them anew. VERDICT_RETRY when Kafka does not answer. */
bool erasures_read(struct erasures *erasures, struct range *range, const struct topics *topics,
                   struct error *error) MUST_CHECK;

/* The record is kept out in some partition number. */
bool erasures_have(const struct erasures *erasures, const char *model,
                   const char *record_id) MUST_CHECK;

void erasures_free(struct erasures *erasures);

#endif
