/*
 * Who may be asked for: a circuit breaker for the API as a whole, one for each integration whose
 * requests fail, and one for each model of an integration that is forbidden.
 *
 * Whose failure is it? DNS, connection and TLS say something of the API as a whole, and so does an
 * outage of a request that is of no integration. Any other outage counts for its integration. It
 * counts for the whole as well, but of the failures in a row at most half the threshold are counted
 * of one integration: so one that is sick, however often it fails, never holds the others back, and
 * an API that is dead is found out by the first two. Any answer of the API's own, a refusal too,
 * ends a row of failures. When it ends that of the whole, every integration that is held back gets
 * its probe at once: it may have failed with the whole.
 *
 * 403 counts for the model of the integration that was asked for by id: MODEL_FAILURES in a row,
 * and the model waits before each further attempt, longer each time. When the last attempt by the
 * policy fails as well it is given up: from then on each of its records is asked for once, and is a
 * dead letter at once (breakers_gave_up).
 *
 * Connections are shared, and a time-out holds one for long. So one integration never has all that
 * may be under way at once (what is left still spends the budget, budget_concurrency); and while it
 * is in doubt (its last answer was a failure, or none came for a while though requests are under
 * way) it has DOUBTED_MOST, which do not count among those that the budget allows at once.
 *
 * What is kept is of integrations with requests under way or whose last answer was a failure, some
 * 200 bytes each; a breaker that nothing was asked of for FORGET_MS is forgotten. Pure: the clock
 * is passed in; one thread.
 */
#ifndef BRIDGE_ENRICHER_BREAKERS_H
#define BRIDGE_ENRICHER_BREAKERS_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/random.h"
#include "bridge/enricher/breaker.h"
#include "bridge/propexo/policy.h"

#define BREAKERS_MODEL_FAILURES 3
#define BREAKERS_DOUBTED_MOST   2
#define BREAKERS_DOUBT_MS       4000 /* and twice the latency, half the time-out at most */
#define BREAKERS_FORGET_MS      600000

/* The integration, or with a name its model, may be asked for again; it was refused before. */
typedef void breakers_release(void *context, const char *integration_id, const char *model,
                              int64_t now_ms);

struct breakers_rules {
    int threshold;       /* enricher.breaker_failures */
    int max_concurrency; /* requests in flight, of all (breakers_set_most) */
    int64_t timeout_ms;  /* of one request */
    breakers_release *release;
    void *context;
};

struct breakers;
struct circuit; /* of one integration */

struct breakers *breakers_new(const struct breakers_rules *rules, struct random *random) MUST_CHECK;
void breakers_free(struct breakers *breakers); /* NULL is allowed */

/* Everything but the API's own state is forgotten, requests under way included: their circuits must
 * not be given back. */
void breakers_forget(struct breakers *breakers);

/* So many requests may be in flight now, of all: of one integration there are fewer. */
void breakers_set_most(struct breakers *breakers, int most);

/* How long nothing at all may be asked; as breaker_wait. */
int64_t breakers_wait(const struct breakers *breakers, int64_t now_ms);

/* The API as a whole is held back, or was until its probe. */
bool breakers_are_open(const struct breakers *breakers);

/* May the integration be asked for (true for NULL and "", which is of none)? If not, it is released
 * later. */
bool breakers_may(struct breakers *breakers, const char *integration_id, int64_t now_ms);

/* The same for a model of it, by id. */
bool breakers_may_model(struct breakers *breakers, const char *integration_id, const char *model,
                        int64_t now_ms);

/* The integration is held back for its failures. */
bool breakers_is_held(const struct breakers *breakers, const char *integration_id);

/* The model has answered 403 for so long that another is final. */
bool breakers_gave_up(struct breakers *breakers, const char *integration_id, const char *model);

const char *circuit_integration(const struct circuit *circuit); /* NULL for NULL */

/* A request starts. `model` is that of a record that is asked for by its id, else NULL. Returns the
 * integration's circuit, NULL for none; it lives until the request is given to breakers_answered or
 * all are forgotten. */
struct circuit *breakers_started(struct breakers *breakers, const char *integration_id,
                                 const char *model, int64_t now_ms) MUST_CHECK;

/* It ended so. `latency_ms`: of the API's answers, lately. */
void breakers_answered(struct breakers *breakers, struct circuit *circuit, const char *model,
                       enum api_outcome outcome, int64_t latency_ms, int64_t now_ms);

/* Requests under way of integrations in doubt. */
int breakers_doubted(const struct breakers *breakers, int64_t now_ms) MUST_CHECK;

/* Releases those whose pause is over, and forgets old ones. Returns the milliseconds until it wants
 * to be called again, INT64_MAX when there is nothing to wait for. */
int64_t breakers_wake(struct breakers *breakers, int64_t now_ms);

#endif
