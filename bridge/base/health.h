/*
 * Why the process is, or is not, ready for work: a few named conditions that their owners set and
 * the admin port shows. A condition nobody has set does not count. Any thread.
 */
#ifndef BRIDGE_BASE_HEALTH_H
#define BRIDGE_BASE_HEALTH_H

#include <stdbool.h>

#include "bridge/base/buffer.h"

enum health {
    HEALTH_RECEIVER,   /* the receiver's producer can take events */
    HEALTH_ASSIGNMENT, /* the enricher owns partitions, each number in all topics */
    HEALTH_PUBLISHER,  /* the transactional producer is there */
    HEALTH_REGISTRY,   /* schemas can be registered */
    HEALTH_API,        /* the API accepts our token */
    HEALTH_COUNT
};

#define HEALTH_REASON_SIZE 512

/* `reason` is copied, and cut at HEALTH_REASON_SIZE; "" when all is well. */
void health_set(enum health condition, bool ok, const char *reason);

/* Marks the process as draining: never ready again. */
void health_drain(void);

/* True when every condition that was set is well and the process is not draining. Appends a JSON
 * object with each condition and its reason. */
bool health_report(struct buffer *out);

#endif
