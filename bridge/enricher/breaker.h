/*
 * One circuit breaker: after `threshold` failures in a row it opens and holds requests back; when
 * its pause is over one request goes as a probe (half-open); a success closes it, a failure doubles
 * the pause. What waits for it waits; nothing else is touched. Whose failures it counts is
 * breakers.h. Pure; one thread.
 */
#ifndef BRIDGE_ENRICHER_BREAKER_H
#define BRIDGE_ENRICHER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/random.h"

#define BREAKER_FIRST_PAUSE_MS 1000
#define BREAKER_LAST_PAUSE_MS  30000

/* Whose requests it holds back. */
enum breaker_scope {
    BREAKER_ALL,
    BREAKER_INTEGRATION,
    BREAKER_MODEL, /* of one integration */
};

enum breaker_state {
    BREAKER_CLOSED,    /* all requests go */
    BREAKER_OPEN,      /* none goes before `until_ms` */
    BREAKER_HALF_OPEN, /* one probe is under way */
};

struct breaker {
    enum breaker_scope scope;
    const char *integration_id; /* borrowed; for the log, "" where there is none */
    const char *model;
    int threshold;
    int64_t first_pause_ms;
    int64_t last_pause_ms;
    struct random *random;

    enum breaker_state state;
    int failures; /* in a row */
    int openings; /* in a row: how often it opened since it was last closed by a success */
    int64_t pause_ms;
    int64_t until_ms;
};

/* Of all requests, or of an integration's. */
struct breaker breaker_new(enum breaker_scope scope, const char *integration_id, int threshold,
                           struct random *random);

/* 0 when a request may start now, else the milliseconds to wait (INT64_MAX while a probe is under
 * way). */
int64_t breaker_wait(const struct breaker *breaker, int64_t now_ms);

void breaker_started(struct breaker *breaker); /* a request starts */
void breaker_succeeded(struct breaker *breaker);
void breaker_failed(struct breaker *breaker, int64_t now_ms);

/* Opens at once for `pause_ms`, whatever the count: the token was refused. */
void breaker_trip(struct breaker *breaker, int64_t now_ms, int64_t pause_ms);

/* A probe ended without telling anything, or was given up: another may go at once. */
void breaker_forget_probe(struct breaker *breaker);

/* It ends: without a word when `silent`, else as one that nothing was asked of any more. */
void breaker_end(struct breaker *breaker, bool silent);

#endif
