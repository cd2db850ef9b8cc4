/*
 * A rate limit as documented, several bridges and another application that spend from it, in
 * simulated time: fixed windows of a phase nobody knows, answers that come 2 s later from 80 % on,
 * 429 beyond the limit, and ways that take more or less time, so that nothing keeps its order.
 */
#ifndef TESTS_UNIT_BUDGET_FLEET_H
#define TESTS_UNIT_BUDGET_FLEET_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "bridge/base/attributes.h"
#include "bridge/base/random.h"
#include "bridge/propexo/budget.h"

#define FLEET_MINUTES   10
#define FLEET_BRIDGES   3
#define FLEET_REQUESTS  512 /* under way at once */
#define FLEET_STARTS    20000
#define FLEET_START_MS  INT64_C(123456789)
#define FLEET_END_MS    (FLEET_START_MS + FLEET_MINUTES * WINDOW_MS)
#define FLEET_MIDDLE_MS ((FLEET_START_MS + FLEET_END_MS) / 2)

enum fleet_foreign { FOREIGN_NONE, FOREIGN_EVEN, FOREIGN_BURST };

struct fleet_bridge {
    int owned;       /* of 6 partitions; 0 = no such bridge */
    bool is_waiting; /* it has work without end, else none */
};

struct fleet_case {
    const char *name;
    int64_t configured;
    int64_t limit;       /* the server's; 0 = none */
    int64_t later_limit; /* from half of the time on; 0 = the same */
    enum budget_pace pace;
    enum fleet_foreign foreign; /* wants half of the limit */
    bool no_headers;
    bool no_retry_after;
    int maximum; /* requests in flight of one bridge */
    struct fleet_bridge bridges[FLEET_BRIDGES];
};

/* One of the server's minutes. */
struct fleet_minute {
    int64_t limit;
    int64_t answered;
    int64_t refused;
    int64_t foreign;
    int64_t foreign_refused;
    bool changed; /* the limit, while it lasted */
};

struct fleet_result {
    struct fleet_minute minutes[FLEET_MINUTES + 2];
    int whole; /* the minutes from 1 to before this are whole; 0 is not */
    int64_t refused;
    int64_t most_in_60_s; /* started by one bridge, wherever the 60 s begin */
    int64_t started;
    int most_in_flight; /* of one bridge */
};

enum fleet_step { STEP_FREE, STEP_GOES, STEP_COMES };

struct fleet_request {
    enum fleet_step step;
    int bridge;
    int64_t start_ms;
    int64_t due_ms;
    int64_t limit;
    int64_t remaining;
    int64_t retry_after_s;
    bool refused;
};

struct fleet {
    const struct fleet_case *row;
    struct fleet_result *result;
    struct random random;
    int64_t zero_ms; /* a window began here */
    int64_t now_ms;
    int64_t foreign_ms; /* the other application's next request */
    struct budget budgets[FLEET_BRIDGES];
    int in_flight[FLEET_BRIDGES];
    int64_t wake_ms[FLEET_BRIDGES];
    int64_t starts[FLEET_BRIDGES][FLEET_STARTS];
    int64_t start_count[FLEET_BRIDGES];
    struct fleet_request requests[FLEET_REQUESTS];
};

static int64_t fleet_limit(const struct fleet_case *row, int64_t now_ms)
{
    return now_ms >= FLEET_MIDDLE_MS && row->later_limit != 0 ? row->later_limit : row->limit;
}

static struct fleet_minute *fleet_minute(struct fleet *fleet)
{
    struct fleet_minute *minute =
        &fleet->result->minutes[(fleet->now_ms - fleet->zero_ms) / WINDOW_MS];
    minute->limit = fleet_limit(fleet->row, fleet->now_ms);
    return minute;
}

static bool fleet_has_left(const struct fleet_minute *minute)
{
    return minute->limit == 0 || minute->answered + minute->foreign < minute->limit;
}

/* The request arrives at the server, which counts it and sends the answer on its way. */
static void fleet_serve(struct fleet *fleet, struct fleet_request *request)
{
    struct fleet_minute *minute = fleet_minute(fleet);
    request->step = STEP_COMES;
    request->refused = !fleet_has_left(minute);
    minute->answered += !request->refused;
    minute->refused += request->refused;
    fleet->result->refused += request->refused;
    request->limit = minute->limit;
    int64_t ends = WINDOW_MS - (fleet->now_ms - fleet->zero_ms) % WINDOW_MS;
    request->retry_after_s = (ends + 999) / 1000;
    int64_t used = minute->answered + minute->foreign;
    request->remaining = used < minute->limit ? minute->limit - used : 0;
    request->due_ms = fleet->now_ms + random_between(&fleet->random, 20, 150);
    if (!request->refused && minute->limit > 0 && used * 10 > minute->limit * 8)
        request->due_ms += 2000;
}

static void fleet_answer(struct fleet *fleet, struct fleet_request *request)
{
    const struct fleet_case *row = fleet->row;
    struct budget *budget = &fleet->budgets[request->bridge];
    bool told = !row->no_headers && row->limit > 0;
    int in_flight = --fleet->in_flight[request->bridge];
    budget_learn(budget, told ? request->limit : -1, told ? request->remaining : -1, in_flight,
                 fleet->now_ms - request->start_ms, fleet->now_ms);
    if (request->refused)
        budget_limited(budget, row->no_retry_after ? -1 : request->retry_after_s, fleet->now_ms);
    request->step = STEP_FREE;
    fleet->wake_ms[request->bridge] = fleet->now_ms;
}

static void fleet_start(struct fleet *fleet, int bridge)
{
    struct fleet_request *request = fleet->requests;
    while (request->step != STEP_FREE)
        request++;
    *request = (struct fleet_request){
        .step = STEP_GOES,
        .bridge = bridge,
        .start_ms = fleet->now_ms,
        .due_ms = fleet->now_ms + random_between(&fleet->random, 5, 60),
    };
    budget_spend(&fleet->budgets[bridge], fleet->now_ms);
    struct fleet_result *result = fleet->result;
    int64_t *starts = fleet->starts[bridge];
    int64_t count = fleet->start_count[bridge]++;
    starts[count] = fleet->now_ms;
    int64_t first = count;
    while (first > 0 && starts[first - 1] > fleet->now_ms - WINDOW_MS)
        first--;
    if (count - first + 1 > result->most_in_60_s)
        result->most_in_60_s = count - first + 1;
    result->started++;
    if (++fleet->in_flight[bridge] > result->most_in_flight)
        result->most_in_flight = fleet->in_flight[bridge];
}

/* What the bridge's loop does when it wakes. */
static void fleet_wake(struct fleet *fleet, int bridge)
{
    const struct fleet_case *row = fleet->row;
    struct budget *budget = &fleet->budgets[bridge];
    fleet->wake_ms[bridge] = INT64_MAX; /* an answer wakes it */
    while (fleet->start_count[bridge] < FLEET_STARTS &&
           fleet->in_flight[bridge] < budget_concurrency(budget, row->maximum)) {
        int64_t wait = budget_wait(budget, row->pace, fleet->in_flight[bridge], fleet->now_ms);
        if (wait > 0) {
            fleet->wake_ms[bridge] = fleet->now_ms + wait;
            return;
        }
        fleet_start(fleet, bridge);
    }
}

/* The other application: one request, or at the window's begin all that it wants. */
static void fleet_foreign(struct fleet *fleet)
{
    struct fleet_minute *minute = fleet_minute(fleet);
    bool even = fleet->row->foreign == FOREIGN_EVEN;
    int64_t wanted = even ? 1 : minute->limit / 2;
    for (int64_t i = 0; i < wanted; i++) {
        minute->foreign_refused += !fleet_has_left(minute);
        minute->foreign += fleet_has_left(minute);
    }
    fleet->foreign_ms =
        even ? fleet->now_ms + WINDOW_MS * 2 / minute->limit
             : fleet->now_ms + WINDOW_MS - (fleet->now_ms - fleet->zero_ms) % WINDOW_MS;
}

static int64_t fleet_next_ms(const struct fleet *fleet)
{
    int64_t next = fleet->foreign_ms;
    for (int i = 0; i < FLEET_BRIDGES; i++)
        next = fleet->wake_ms[i] < next ? fleet->wake_ms[i] : next;
    for (int i = 0; i < FLEET_REQUESTS; i++)
        if (fleet->requests[i].step != STEP_FREE && fleet->requests[i].due_ms < next)
            next = fleet->requests[i].due_ms;
    return next;
}

static void fleet_step(struct fleet *fleet)
{
    if (fleet->foreign_ms == fleet->now_ms)
        fleet_foreign(fleet);
    for (int i = 0; i < FLEET_REQUESTS; i++) {
        struct fleet_request *request = &fleet->requests[i];
        if (request->step == STEP_FREE || request->due_ms > fleet->now_ms)
            continue;
        if (request->step == STEP_GOES)
            fleet_serve(fleet, request);
        else
            fleet_answer(fleet, request);
    }
    for (int i = 0; i < FLEET_BRIDGES; i++)
        if (fleet->wake_ms[i] <= fleet->now_ms)
            fleet_wake(fleet, i);
}

/* FLEET_MINUTES of it, the first window having begun `phase_ms` before. */
UNUSED static struct fleet_result fleet_run(const struct fleet_case *row, int64_t phase_ms,
                                            uint64_t seed)
{
    static struct fleet fleet;
    struct fleet_result result = {0};
    memset(&fleet, 0, sizeof fleet);
    fleet.row = row;
    fleet.result = &result;
    fleet.random = random_from_seed(seed);
    fleet.zero_ms = FLEET_START_MS - phase_ms;
    fleet.foreign_ms = row->foreign == FOREIGN_NONE ? INT64_MAX : FLEET_START_MS;
    for (int i = 0; i < FLEET_BRIDGES; i++) {
        fleet.budgets[i] = budget_new(row->configured, FLEET_START_MS);
        budget_set_share(&fleet.budgets[i], row->bridges[i].owned, 6);
        fleet.wake_ms[i] = row->bridges[i].is_waiting
                               ? FLEET_START_MS + random_between(&fleet.random, 0, 3000)
                               : INT64_MAX;
    }
    for (fleet.now_ms = FLEET_START_MS; fleet.now_ms < FLEET_END_MS;
         fleet.now_ms = fleet_next_ms(&fleet))
        fleet_step(&fleet);
    for (int i = 0; i < FLEET_MINUTES + 2; i++) {
        int64_t began_ms = fleet.zero_ms + i * WINDOW_MS;
        result.minutes[i].limit = fleet_limit(row, began_ms + WINDOW_MS - 1);
        result.minutes[i].changed = result.minutes[i].limit != fleet_limit(row, began_ms);
    }
    result.whole = (int)((FLEET_END_MS - fleet.zero_ms) / WINDOW_MS);
    return result;
}

#endif
