/*
 * Whether the process is well, as its admin port tells it. Any thread.
 *
 * Ready: a few named conditions that their owners set. Some must hold for the process to be ready;
 * others only say what is not as it should be, and do not keep work away from a process that can do
 * it. A condition nobody has set does not count.
 *
 * Alive: the loops turn. One that has not for long hangs, and only a new process helps.
 */
#ifndef BRIDGE_BASE_HEALTH_H
#define BRIDGE_BASE_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/buffer.h"

enum health {
    HEALTH_RECEIVER,   /* Kafka, or the spool, takes events */
    HEALTH_ASSIGNMENT, /* the enricher owns partitions, each number in all topics */
    HEALTH_PUBLISHER,  /* the transactional producer is there */
    HEALTH_REGISTRY,   /* schemas can be registered */
    HEALTH_API,        /* the API accepts our token */
    HEALTH_SPOOL,      /* its disk takes events; told only */
    HEALTH_BREAKER,    /* the API does not keep failing; told only */
    HEALTH_COUNT
};

#define HEALTH_REASON_SIZE 512

/* `reason` is copied, and cut at HEALTH_REASON_SIZE; "" when all is well. */
void health_set(enum health condition, bool ok, const char *reason);

/* Marks the process as draining: never ready again. */
void health_drain(void);

/* True when every condition that was set, and must hold, is well and the process is not draining.
 * Appends a JSON object with each condition and its reason. */
bool health_report(struct buffer *out);

enum health_loop {
    HEALTH_LOOP_NONE, /* of nobody; not looked at */
    HEALTH_LOOP_RECEIVER,
    HEALTH_LOOP_PRODUCER,
    HEALTH_LOOP_ENRICHER,
    HEALTH_LOOP_COUNT
};

/* Each turn of a loop. After health_drain nothing is looked at any more: the loops end. */
void health_turned(enum health_loop loop, int64_t now_ms);

/* NULL, or the name of a loop that has begun to turn, and then has not for longer than it may. */
const char *health_hangs(int64_t now_ms);

#endif
