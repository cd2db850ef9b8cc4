/*
 * The circuit breaker: after `failures` outages in a row it opens and holds requests back; when its
 * pause is over one request goes as a probe (half-open); a success closes it, a failure doubles the
 * pause. The records wait meanwhile; partitions and other work are not touched. Pure; one thread.
 */
#ifndef BRIDGE_ENRICHER_BREAKER_H
#define BRIDGE_ENRICHER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/random.h"

enum breaker_state {
    BREAKER_CLOSED,    /* all requests go */
    BREAKER_OPEN,      /* none goes before `until_ms` */
    BREAKER_HALF_OPEN, /* one probe is under way */
};

struct breaker {
    enum breaker_state state;
    int threshold;
    int failures; /* in a row */
    int64_t pause_ms;
    int64_t until_ms;
    struct random *random;
};

struct breaker breaker_new(int threshold, struct random *random);

/* 0 when a request may start now, else the milliseconds to wait (INT64_MAX while a probe is under
 * way). */
int64_t breaker_wait(const struct breaker *breaker, int64_t now_ms);

void breaker_started(struct breaker *breaker); /* a request starts */
void breaker_succeeded(struct breaker *breaker);
void breaker_failed(struct breaker *breaker, int64_t now_ms);

/* Opens at once for `pause_ms`, whatever the count: the token was refused. */
void breaker_trip(struct breaker *breaker, int64_t now_ms, int64_t pause_ms);

/* The requests under way were given up; a probe among them will not report. */
void breaker_forget_probe(struct breaker *breaker);

#endif
