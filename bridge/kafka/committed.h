/* What a consumer group has committed, read from outside it. One thread; the call waits. */
#ifndef BRIDGE_KAFKA_COMMITTED_H
#define BRIDGE_KAFKA_COMMITTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/kafka/settings.h"

struct committed {
    int64_t offset;         /* -1 = nothing was committed */
    char *metadata;         /* what was committed with it; the caller frees; or NULL */
    size_t metadata_length; /* without the zero that kafka/transaction.c sends along */
};

/* Fills `list` for the partitions 0 to `count` - 1 of a topic. Transactions that have offsets of
 * the group in them and are not ended yet are waited for. VERDICT_RETRY, with nothing to free, when
 * that takes longer than 10 s. */
bool committed_read(const struct kafka_context *kafka, const char *group, const char *topic,
                    int count, struct committed *list, struct error *error) MUST_CHECK;

#endif
