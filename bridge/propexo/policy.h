/*
 * The retry policy, one table: what each outcome of an API request means for the record that was
 * asked for. Outages never lead to a dead letter: they say something about the API, not about the
 * record. Pure; any thread.
 */
#ifndef BRIDGE_ENRICHER_POLICY_H
#define BRIDGE_ENRICHER_POLICY_H

#include <stdint.h>

#include "bridge/base/metrics.h"
#include "bridge/base/random.h"
#include "bridge/propexo/api.h"

enum policy_scope {
    SCOPE_RECORD, /* only this record is concerned */
    SCOPE_API,    /* the API as a whole: the breaker counts it */
    SCOPE_TOKEN,  /* our token: everything pauses and the instance is not ready */
    SCOPE_BUDGET, /* the rate limit: the budget learns */
};

struct policy {
    enum policy_scope scope;
    int attempts; /* then a dead letter (or, for API_GONE, a tombstone); 0 = never give up */
    int64_t first_delay_ms; /* before the next attempt; doubles with each */
    int64_t last_delay_ms;
    const char *code; /* the dead letter's error_code */
    enum metric metric;
};

const struct policy *policy_for(enum api_outcome outcome);

/* The delay before attempt number `attempts` + 1: exponential, with jitter over its upper half. */
int64_t policy_delay(const struct policy *policy, int attempts, struct random *random);

#endif
