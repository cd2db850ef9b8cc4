#include "bridge/kafka/membership.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "bridge/base/memory.h"

struct membership {
    atomic_int references;
    rd_kafka_consumer_group_metadata_t *metadata;
};

struct membership *membership_new(rd_kafka_consumer_group_metadata_t *metadata)
{
    struct membership *membership = memory_new(1, sizeof *membership);
    atomic_init(&membership->references, 1);
    membership->metadata = metadata;
    return membership;
}

struct membership *membership_outside(const char *group)
{
    return membership_new(rd_kafka_consumer_group_metadata_new(group));
}

struct membership *membership_share(struct membership *membership)
{
    atomic_fetch_add(&membership->references, 1);
    return membership;
}

void membership_release(struct membership *membership)
{
    if (membership == NULL || atomic_fetch_sub(&membership->references, 1) != 1)
        return;
    rd_kafka_consumer_group_metadata_destroy(membership->metadata);
    free(membership);
}

const rd_kafka_consumer_group_metadata_t *membership_metadata(const struct membership *membership)
{
    return membership->metadata;
}
