#include "bridge/propexo/budget.h"

#define RETRY_AFTER_MAXIMUM_S 300
#define MINUTE_MS             60000

/* The share of the limit that may go at once. */
#define BURST_DIVISOR 10

static double burst(const struct budget *budget)
{
    double tenth = (double)budget->limit / BURST_DIVISOR;
    return tenth < 1 ? 1 : tenth;
}

/* Tokens a millisecond: burst + 60 s of refill come to the limit. A limit of 1 still refills. */
static double rate(const struct budget *budget)
{
    double steady = (double)budget->limit - burst(budget);
    return (steady < 0.5 ? 0.5 : steady) / MINUTE_MS;
}

static void refill(struct budget *budget, int64_t now_ms)
{
    if (budget->limit == 0)
        return;
    budget->tokens += (double)(now_ms - budget->refilled_ms) * rate(budget);
    if (budget->tokens > burst(budget))
        budget->tokens = burst(budget);
    budget->refilled_ms = now_ms;
}

struct budget budget_new(int64_t requests_per_minute, int64_t now_ms)
{
    struct budget budget = {.configured = requests_per_minute,
                            .limit = requests_per_minute,
                            .refilled_ms = now_ms,
                            .window_ms = now_ms,
                            .remaining = -1};
    budget.tokens = burst(&budget);
    return budget;
}

/* What the server's word makes us wait: its minute is over at the latest 60 s after we saw it
 * begin. */
static int64_t window_wait(const struct budget *budget, int64_t now_ms)
{
    if (budget->remaining != 0)
        return 0;
    int64_t ends = budget->window_ms + MINUTE_MS;
    return ends > now_ms ? ends - now_ms : 0;
}

int64_t budget_wait(struct budget *budget, int64_t now_ms)
{
    refill(budget, now_ms);
    int64_t wait = window_wait(budget, now_ms);
    if (budget->blocked_ms > now_ms && budget->blocked_ms - now_ms > wait)
        wait = budget->blocked_ms - now_ms;
    if (budget->limit != 0 && budget->tokens < 1) {
        int64_t own = (int64_t)((1 - budget->tokens) / rate(budget)) + 1;
        wait = own > wait ? own : wait;
    }
    return wait;
}

void budget_spend(struct budget *budget, int64_t now_ms)
{
    refill(budget, now_ms);
    if (budget->limit != 0)
        budget->tokens -= 1;
    if (budget->remaining > 0)
        budget->remaining--;
    else if (budget->remaining == 0) /* the minute should be over: this request will tell */
        budget->remaining = -1;
}

void budget_learn(struct budget *budget, int64_t limit, int64_t remaining, int in_flight,
                  int64_t now_ms)
{
    if (limit > 0) {
        refill(budget, now_ms);
        budget->limit =
            budget->configured == 0 || limit < budget->configured ? limit : budget->configured;
    }
    if (remaining < 0)
        return;
    int64_t left = remaining > in_flight ? remaining - in_flight : 0;
    if (budget->remaining < 0 || left > budget->remaining + in_flight + 1)
        budget->window_ms =
            now_ms; /* it rose: a new minute began between this answer and the last */
    budget->remaining = left;
}

void budget_limited(struct budget *budget, int64_t retry_after_s, int64_t now_ms)
{
    /* 0 would be a tight loop; and the API's own window is a minute, so a moment far off is a
     * mistake. */
    int64_t seconds = retry_after_s > RETRY_AFTER_MAXIMUM_S ? RETRY_AFTER_MAXIMUM_S : retry_after_s;
    int64_t wait = seconds < 1 ? 1000 : seconds * 1000;
    bool known = now_ms < budget->blocked_ms; /* it was under way when another was refused */
    if (now_ms - budget->blocked_ms > MINUTE_MS)
        budget->limited = 0;
    if (retry_after_s < 0) {
        /* The minute ends some time; look after 2, 4, 8 ... seconds. */
        wait = INT64_C(2000) << (budget->limited < 5 ? budget->limited : 5);
        wait = known ? 0 : wait > MINUTE_MS ? MINUTE_MS : wait;
    }
    budget->limited += known ? 0 : 1;
    if (now_ms + wait > budget->blocked_ms)
        budget->blocked_ms = now_ms + wait;
    budget->remaining = -1;
}
