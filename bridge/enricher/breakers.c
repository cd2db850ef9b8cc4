#include "bridge/enricher/breakers.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/table.h"

/* Part of the requests at once that one integration leaves to others. */
#define LEFT_TO_OTHERS 8
/* Breakers are looked at so often at most. */
#define WAKE_EVERY_MS 50

struct circuit {
    struct breaker breaker;
    const char *integration_id; /* inside `key` */
    const char *model;          /* the same; NULL: it is of all models */
    bool refused;               /* somebody was told to wait, and is to be released */
    bool given_up;              /* of a model: it waited often enough */
    int64_t asked_ms;           /* when a request of it last ended */

    /* Of an integration: */
    int in_flight;
    int64_t quiet_ms;     /* since when no answer came: the last one, or the first start */
    uint64_t row;         /* of failures, in which it had a part; */
    int in_row;           /* so many are counted of it */
    struct circuit *next; /* in `busy`, or among those that are to be forgotten */
    struct circuit *previous;
    size_t key_length;
    char key[]; /* the integration's id; of a model's, a zero byte and its name behind it */
};

struct breakers {
    struct breakers_rules rules;
    struct random *random;
    struct breaker all;
    uint64_t row;    /* counts rows of failures of the whole */
    int row_members; /* integrations that have a part in it */
    int64_t doubt_ms;
    int64_t wake_ms;           /* when one of them is to be looked at */
    struct table integrations; /* id -> struct circuit */
    struct table models;       /* id, zero byte, model -> struct circuit */
    struct circuit *busy;      /* integrations with requests under way */
};

struct breakers *breakers_new(const struct breakers_rules *rules, struct random *random)
{
    struct breakers *breakers = memory_new(1, sizeof *breakers);
    breakers->rules = *rules;
    breakers->random = random;
    breakers->all = breaker_new(BREAKER_ALL, "", rules->threshold, random);
    breakers->row = 1;
    breakers->doubt_ms = BREAKERS_DOUBT_MS;
    breakers->wake_ms = INT64_MAX;
    breakers->integrations.borrows = breakers->models.borrows = true;
    return breakers;
}

static void forget_table(struct table *table)
{
    size_t cursor = 0;
    const struct table_slot *slot;
    while ((slot = table_next(table, &cursor)) != NULL) {
        struct circuit *circuit = slot->value;
        breaker_end(&circuit->breaker, true);
        free(circuit);
    }
    table_free(table);
}

void breakers_forget(struct breakers *breakers)
{
    breaker_forget_probe(&breakers->all);
    forget_table(&breakers->integrations);
    forget_table(&breakers->models);
    breakers->busy = NULL;
    breakers->wake_ms = INT64_MAX;
}

void breakers_free(struct breakers *breakers)
{
    if (breakers == NULL)
        return;
    breakers_forget(breakers);
    breaker_end(&breakers->all, true);
    free(breakers);
}

void breakers_set_most(struct breakers *breakers, int most)
{
    breakers->rules.max_concurrency = most;
}

int64_t breakers_wait(const struct breakers *breakers, int64_t now_ms)
{
    return breaker_wait(&breakers->all, now_ms);
}

bool breakers_are_open(const struct breakers *breakers)
{
    return breakers->all.state != BREAKER_CLOSED;
}

static bool is_one(const char *integration_id)
{
    return integration_id != NULL && integration_id[0] != '\0';
}

static struct circuit *find(const struct breakers *breakers, const char *integration_id)
{
    if (breakers->integrations.count == 0 || !is_one(integration_id))
        return NULL;
    return table_get(&breakers->integrations, integration_id, strlen(integration_id));
}

static struct circuit *new_circuit(struct breakers *breakers, const char *integration_id,
                                   const char *model)
{
    size_t id_length = strlen(integration_id);
    size_t length = model == NULL ? id_length : id_length + 1 + strlen(model);
    struct circuit *circuit = memory_new(1, sizeof *circuit + length + 1);
    circuit->key_length = length;
    memcpy(circuit->key, integration_id, id_length);
    circuit->integration_id = circuit->key;
    if (model != NULL) {
        circuit->model = circuit->key + id_length + 1;
        memcpy(circuit->key + id_length + 1, model, strlen(model));
    }
    circuit->breaker =
        breaker_new(model == NULL ? BREAKER_INTEGRATION : BREAKER_MODEL, circuit->integration_id,
                    breakers->rules.threshold, breakers->random);
    return circuit;
}

static struct table *table_of(struct breakers *breakers, const struct circuit *circuit)
{
    return circuit->model == NULL ? &breakers->integrations : &breakers->models;
}

static void put(struct breakers *breakers, struct circuit *circuit)
{
    (void)table_put(table_of(breakers, circuit), circuit->key, circuit->key_length, circuit);
}

static void drop(struct breakers *breakers, struct circuit *circuit)
{
    (void)table_remove(table_of(breakers, circuit), circuit->key, circuit->key_length);
    free(circuit);
}

static struct circuit *find_model(struct breakers *breakers, const char *integration_id,
                                  const char *model)
{
    if (breakers->models.count == 0 || !is_one(integration_id) || model == NULL)
        return NULL;
    struct circuit *like = new_circuit(breakers, integration_id, model);
    struct circuit *circuit = table_get(&breakers->models, like->key, like->key_length);
    free(like);
    return circuit;
}

/* Looks at the circuit at that time. */
static void look_at(struct breakers *breakers, int64_t at_ms)
{
    if (at_ms < breakers->wake_ms)
        breakers->wake_ms = at_ms;
}

static struct circuit *make_model(struct breakers *breakers, const char *integration_id,
                                  const char *model)
{
    const struct policy *policy = policy_for(API_FORBIDDEN);
    struct circuit *circuit = new_circuit(breakers, integration_id, model);
    circuit->breaker.model = circuit->model;
    circuit->breaker.threshold = BREAKERS_MODEL_FAILURES;
    circuit->breaker.first_pause_ms = policy->first_delay_ms;
    circuit->breaker.last_pause_ms = policy->last_delay_ms;
    put(breakers, circuit);
    return circuit;
}

static void look_again(struct breakers *breakers, const struct circuit *circuit, int64_t now_ms)
{
    look_at(breakers, circuit->breaker.state == BREAKER_OPEN ? circuit->breaker.until_ms
                                                             : now_ms + BREAKERS_FORGET_MS);
}

static bool is_doubted(const struct breakers *breakers, const struct circuit *circuit,
                       int64_t now_ms)
{
    return circuit->breaker.failures > 0 ||
           (circuit->in_flight > 0 && now_ms - circuit->quiet_ms >= breakers->doubt_ms);
}

static int most_in_flight(const struct breakers *breakers, const struct circuit *circuit,
                          int64_t now_ms)
{
    int all = breakers->rules.max_concurrency;
    int left = all < LEFT_TO_OTHERS ? 1 : all / LEFT_TO_OTHERS;
    int most = all - left < 1 ? 1 : all - left;
    if (is_doubted(breakers, circuit, now_ms) && most > BREAKERS_DOUBTED_MOST)
        return BREAKERS_DOUBTED_MOST;
    return most;
}

static bool allows(const struct breakers *breakers, const struct circuit *circuit, int64_t now_ms)
{
    return breaker_wait(&circuit->breaker, now_ms) == 0 &&
           (circuit->model != NULL ||
            circuit->in_flight < most_in_flight(breakers, circuit, now_ms));
}

static bool may(const struct breakers *breakers, struct circuit *circuit, int64_t now_ms)
{
    if (circuit == NULL || allows(breakers, circuit, now_ms))
        return true;
    circuit->refused = true;
    return false;
}

bool breakers_may(struct breakers *breakers, const char *integration_id, int64_t now_ms)
{
    return may(breakers, find(breakers, integration_id), now_ms);
}

bool breakers_may_model(struct breakers *breakers, const char *integration_id, const char *model,
                        int64_t now_ms)
{
    return may(breakers, find_model(breakers, integration_id, model), now_ms);
}

bool breakers_is_held(const struct breakers *breakers, const char *integration_id)
{
    const struct circuit *circuit = find(breakers, integration_id);
    return circuit != NULL && circuit->breaker.state != BREAKER_CLOSED;
}

bool breakers_gave_up(struct breakers *breakers, const char *integration_id, const char *model)
{
    const struct circuit *circuit = find_model(breakers, integration_id, model);
    return circuit != NULL && circuit->given_up;
}

static void release(struct breakers *breakers, struct circuit *circuit, int64_t now_ms)
{
    if (!circuit->refused || !allows(breakers, circuit, now_ms))
        return;
    circuit->refused = false;
    breakers->rules.release(breakers->rules.context, circuit->integration_id, circuit->model,
                            now_ms);
}

static void set_busy(struct breakers *breakers, struct circuit *circuit)
{
    circuit->previous = NULL;
    circuit->next = breakers->busy;
    if (circuit->next != NULL)
        circuit->next->previous = circuit;
    breakers->busy = circuit;
}

static void set_idle(struct breakers *breakers, struct circuit *circuit)
{
    if (circuit->next != NULL)
        circuit->next->previous = circuit->previous;
    if (circuit->previous != NULL)
        circuit->previous->next = circuit->next;
    else
        breakers->busy = circuit->next;
}

const char *circuit_integration(const struct circuit *circuit)
{
    return circuit == NULL ? NULL : circuit->integration_id;
}

struct circuit *breakers_started(struct breakers *breakers, const char *integration_id,
                                 const char *model, int64_t now_ms)
{
    struct circuit *circuit = find(breakers, integration_id);
    struct circuit *of_model = find_model(breakers, integration_id, model);
    breaker_started(&breakers->all);
    if (of_model != NULL)
        breaker_started(&of_model->breaker);
    if (!is_one(integration_id))
        return NULL;
    if (circuit == NULL) {
        circuit = new_circuit(breakers, integration_id, NULL);
        put(breakers, circuit);
    }
    breaker_started(&circuit->breaker);
    if (circuit->in_flight++ == 0) {
        circuit->quiet_ms = now_ms;
        set_busy(breakers, circuit);
    }
    return circuit;
}

/* An outage of an integration's request, as one of the whole. One integration's part is bounded,
 * and a single one's is no row of the whole. */
static void fail_all_by(struct breakers *breakers, struct circuit *circuit, int64_t now_ms)
{
    if (circuit->row != breakers->row) {
        circuit->row = breakers->row;
        circuit->in_row = 0;
        breakers->row_members++;
    }
    if (circuit->in_row >= (breakers->rules.threshold + 1) / 2)
        return;
    circuit->in_row++;
    if (breakers->row_members > 1 || breakers->all.failures + 1 < breakers->rules.threshold)
        breaker_failed(&breakers->all, now_ms);
}

static void on_outage(struct breakers *breakers, struct circuit *circuit,
                      const struct policy *policy, int64_t now_ms)
{
    bool counts = circuit != NULL && policy->scope == SCOPE_INTEGRATION;
    if (!counts || breakers_are_open(breakers))
        breaker_failed(&breakers->all, now_ms);
    else if (circuit->breaker.state == BREAKER_CLOSED)
        fail_all_by(breakers, circuit, now_ms);
    if (counts)
        breaker_failed(&circuit->breaker, now_ms);
    else if (circuit != NULL)
        breaker_forget_probe(&circuit->breaker);
}

/* What failed with the whole may be well with it. */
static void probe_all(struct breakers *breakers, int64_t now_ms)
{
    size_t cursor = 0;
    const struct table_slot *slot;
    while ((slot = table_next(&breakers->integrations, &cursor)) != NULL) {
        struct circuit *circuit = slot->value;
        if (circuit->breaker.until_ms > now_ms)
            circuit->breaker.until_ms = now_ms;
    }
    look_at(breakers, now_ms);
}

static void succeed_all(struct breakers *breakers, int64_t now_ms)
{
    if (breakers_are_open(breakers))
        probe_all(breakers, now_ms);
    breaker_succeeded(&breakers->all);
    breakers->row++;
    breakers->row_members = 0;
}

/* Another 403. After as many attempts as the policy has, all are asked for, and each is told by
 * itself. */
static void forbid(struct circuit *of_model, int64_t now_ms)
{
    bool may_wait = of_model->breaker.openings + 1 < policy_for(API_FORBIDDEN)->attempts;
    if (of_model->given_up)
        return;
    if (may_wait || of_model->breaker.state == BREAKER_OPEN) { /* it waits already */
        breaker_failed(&of_model->breaker, now_ms);
        return;
    }
    of_model->given_up = true;
    log_warn("model_forbidden", LOG_TEXT("integration_id", of_model->integration_id),
             LOG_TEXT("model", of_model->model),
             LOG_TEXT("hint", "its records become dead letters; give api.token the right to it"));
    breaker_end(&of_model->breaker, false);
}

/* `circuit`: the integration's, which knows its id. */
static void on_model(struct breakers *breakers, const struct circuit *circuit, const char *model,
                     const struct policy *policy, int64_t now_ms)
{
    struct circuit *of_model = find_model(breakers, circuit->integration_id, model);
    if (of_model == NULL && policy->scope == SCOPE_MODEL)
        of_model = make_model(breakers, circuit->integration_id, model);
    if (of_model == NULL)
        return;
    of_model->asked_ms = now_ms;
    if (policy->scope == SCOPE_MODEL)
        forbid(of_model, now_ms);
    else if (policy->scope == SCOPE_RECORD)
        breaker_succeeded(&of_model->breaker);
    else
        breaker_forget_probe(&of_model->breaker);
    release(breakers, of_model, now_ms);
    if (of_model->breaker.failures == 0)
        drop(breakers, of_model);
    else
        look_again(breakers, of_model, now_ms);
}

static void end_request(struct breakers *breakers, struct circuit *circuit, int64_t now_ms)
{
    bool idle = --circuit->in_flight == 0;
    circuit->quiet_ms = circuit->asked_ms = now_ms;
    if (idle)
        set_idle(breakers, circuit);
    release(breakers, circuit, now_ms);
    if (idle && circuit->breaker.failures == 0 && circuit->breaker.state == BREAKER_CLOSED) {
        drop(breakers, circuit);
        return;
    }
    look_again(breakers, circuit, now_ms);
}

void breakers_answered(struct breakers *breakers, struct circuit *circuit, const char *model,
                       enum api_outcome outcome, int64_t latency_ms, int64_t now_ms)
{
    const struct policy *policy = policy_for(outcome);
    int64_t doubt_ms = BREAKERS_DOUBT_MS + 2 * latency_ms;
    int64_t most_ms = breakers->rules.timeout_ms / 2;
    breakers->doubt_ms = doubt_ms < most_ms ? doubt_ms : most_ms;
    switch (policy->verdict) {
    case POLICY_RETRY:
        on_outage(breakers, circuit, policy, now_ms);
        break;
    case POLICY_PAUSE:
        breaker_trip(&breakers->all, now_ms, policy->first_delay_ms);
        if (circuit != NULL)
            breaker_forget_probe(&circuit->breaker);
        break;
    case POLICY_BUDGET: /* the API is there; of the integration it says nothing */
        succeed_all(breakers, now_ms);
        if (circuit != NULL)
            breaker_forget_probe(&circuit->breaker);
        break;
    case POLICY_PUBLISH:
    case POLICY_TOMBSTONE:
    case POLICY_DEAD_LETTER:
        succeed_all(breakers, now_ms);
        if (circuit != NULL)
            breaker_succeeded(&circuit->breaker);
        break;
    }
    if (circuit == NULL)
        return;
    if (model != NULL)
        on_model(breakers, circuit, model, policy, now_ms);
    end_request(breakers, circuit, now_ms);
}

int breakers_doubted(const struct breakers *breakers, int64_t now_ms)
{
    int doubted = 0;
    for (const struct circuit *each = breakers->busy; each != NULL; each = each->next) {
        if (is_doubted(breakers, each, now_ms))
            doubted += each->in_flight;
    }
    return doubted;
}

/* Nothing was asked of it for long. */
static bool is_old(const struct circuit *circuit, int64_t now_ms)
{
    return circuit->in_flight == 0 && circuit->breaker.state != BREAKER_HALF_OPEN &&
           breaker_wait(&circuit->breaker, now_ms) == 0 &&
           now_ms - circuit->asked_ms >= BREAKERS_FORGET_MS;
}

static void wake_table(struct breakers *breakers, const struct table *table, int64_t now_ms)
{
    size_t cursor = 0;
    const struct table_slot *slot;
    struct circuit *old = NULL;
    while ((slot = table_next(table, &cursor)) != NULL) {
        struct circuit *circuit = slot->value;
        release(breakers, circuit, now_ms);
        if (is_old(circuit, now_ms)) {
            circuit->next = old;
            old = circuit;
        } else if (breaker_wait(&circuit->breaker, now_ms) > 0) {
            look_again(breakers, circuit, now_ms);
        } else {
            look_at(breakers, circuit->asked_ms + BREAKERS_FORGET_MS);
        }
    }
    for (struct circuit *next; old != NULL; old = next) {
        next = old->next;
        breaker_end(&old->breaker, false);
        drop(breakers, old);
    }
}

int64_t breakers_wake(struct breakers *breakers, int64_t now_ms)
{
    if (now_ms >= breakers->wake_ms) {
        breakers->wake_ms = INT64_MAX;
        wake_table(breakers, &breakers->integrations, now_ms);
        wake_table(breakers, &breakers->models, now_ms);
        if (breakers->wake_ms < now_ms + WAKE_EVERY_MS)
            breakers->wake_ms = now_ms + WAKE_EVERY_MS;
    }
    return breakers->wake_ms == INT64_MAX ? INT64_MAX : breakers->wake_ms - now_ms;
}
