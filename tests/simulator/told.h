#ifndef SIMULATOR_TOLD_H
#define SIMULATOR_TOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/simulator/delivery.h"

/*
 * A short note of each webhook, kept for far more of them than their bodies are: what a judge needs
 * to say how long a change took to become visible. The lock of its owner (webhooks.c) guards it. An
 * all-zero struct is empty.
 */

#define TOLD_KEPT_MAX 1000000 /* the first ones; of those after them there is no note */

/* What a webhook is about. */
struct told_change {
    uint32_t collection; /* its place in the store */
    uint32_t number;     /* of the record */
    uint64_t sequence; /* the read sequence at the change: every read with a higher one shows it */
    bool seen_only;    /* moves nothing but the record's stamps */
};

struct told {
    struct told_change change;
    int64_t queued_at; /* milliseconds since 1970 */
    int64_t ended_at;  /* when its 200 came, or it was lost; 0 = not yet */
    enum delivery_outcome outcome;
};

struct told_log {
    struct told *items; /* by the webhook's number */
    size_t count;
    size_t capacity;
};

void told_add(struct told_log *log, const struct told_change *change, int64_t queued_at);

/* The webhook of that number has ended. */
void told_end(struct told_log *log, const struct delivery *delivery);

void told_free(struct told_log *log);

#endif
