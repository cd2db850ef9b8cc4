#include "bridge/propexo/budget.h"

#define RETRY_AFTER_MAXIMUM_S 300

/* Of the own share. What is held back at full pace is for the ways between our clock and the
 * server's count, which differ from request to request. */
#define THRIFTY_PART  0.8
#define FULL_PART     0.97
#define THRIFTY_BURST 0.1
#define FULL_BURST    0.025

/* The same for a bucket: of the last token of a minute this much comes within it. */
#define LAST_TOKEN 0.97

/* An instance without partitions has this part of one partition's share. */
#define SHARE_OF_NONE 0.25

/* How far, of the limit, all must be behind before what is left is anybody's. */
#define EXTRA_SLACK 0.01

/* See others_ahead. Found by simulation: less gives 429s, more leaves requests unused. */
#define OTHERS_AHEAD_MS    1000
#define INSTANCES_AHEAD_MS 3000

/* So many requests too few are no reason to spread what is left. */
#define SPREAD_SLACK 2

/* When a probe finds the new minute not begun, it is looked for this much later. */
#define PROBE_AGAIN_MS 2000

/* It is believed not to have begun when less than such a part of the limit is left, and less than
 * before. */
#define NEARLY_ALL 4

/* Others' rate is measured over this long at least. */
#define OTHERS_MINIMUM_MS 5000

/* A time-out is no latency to plan with. */
#define LATENCY_MAXIMUM_MS 5000

#define NEVER INT64_MAX

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static int64_t longer(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t shorter(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static double bucket_size(const struct budget *budget, enum budget_pace pace)
{
    double part = pace == BUDGET_THRIFTY ? THRIFTY_BURST : FULL_BURST;
    return larger(1, part * budget->share * (double)budget->limit);
}

/* Tokens a millisecond: a full bucket and 60 s of refill stay below the next whole request. */
static double bucket_rate(const struct budget *budget, enum budget_pace pace)
{
    double part = pace == BUDGET_THRIFTY ? THRIFTY_PART : FULL_PART;
    double minute = part * budget->share * (double)budget->limit;
    if (minute < 1)
        return minute * LAST_TOKEN / WINDOW_MS;
    return ((double)(int64_t)minute + LAST_TOKEN - bucket_size(budget, pace)) / WINDOW_MS;
}

static void refill(struct budget *budget, int64_t now_ms)
{
    window_advance(&budget->window, now_ms);
    double passed = larger(0, (double)(now_ms - budget->refilled_ms));
    for (enum budget_pace pace = 0; pace < BUDGET_PACES; pace++) {
        double size = bucket_size(budget, pace);
        double *tokens = &budget->tokens[pace];
        *tokens += passed * bucket_rate(budget, pace);
        *tokens = *tokens > size ? size : *tokens;
    }
    budget->refilled_ms = now_ms;
}

struct budget budget_new(int64_t requests_per_minute, int64_t now_ms)
{
    struct budget budget = {.configured = requests_per_minute,
                            .limit = requests_per_minute,
                            .share = 1,
                            .refilled_ms = now_ms,
                            .window = window_new(now_ms)};
    for (enum budget_pace pace = 0; pace < BUDGET_PACES; pace++)
        budget.tokens[pace] = bucket_size(&budget, pace);
    return budget;
}

void budget_set_share(struct budget *budget, int owned, int all)
{
    if (all < 1 || owned >= all)
        budget->share = 1;
    else
        budget->share = (owned > 0 ? owned : SHARE_OF_NONE) / all;
}

/* How long others may send before our next request is counted. Other instances do as we do when
 * they see what is left, all at the same moment. */
static double others_ahead(const struct budget *budget)
{
    return OTHERS_AHEAD_MS + (1 - budget->share) * INSTANCES_AHEAD_MS;
}

/* What may still be sent of the server's minute. */
static double room(const struct budget *budget, int in_flight, int64_t now_ms)
{
    double age = larger(0, (double)(now_ms - budget->window.counted_ms));
    double most = 2 * budget->latency_ms + 1000;
    double margin = 1 + budget->others * ((age < most ? age : most) + others_ahead(budget));
    return (double)(budget->window.remaining - budget->window.unseen - in_flight) - margin;
}

static int64_t bucket_wait(const struct budget *budget, enum budget_pace pace)
{
    double missing = 1 - budget->tokens[pace];
    return missing <= 0 ? 0 : (int64_t)(missing / bucket_rate(budget, pace)) + 1;
}

/* Until all together are behind the even course to the end of the minute. */
static int64_t extra_wait(const struct budget *budget, double left, int64_t now_ms)
{
    double limit = (double)budget->limit;
    /* A limit lower than the server's is kept by all together. */
    if (budget->server_limit > budget->limit)
        left -= (double)(budget->server_limit - budget->limit);
    /* So little that all who see it would take more than it: the own shares are for that. */
    if (left * budget->share < 1)
        return NEVER;
    double course = (left - limit * EXTRA_SLACK) * WINDOW_MS / limit;
    double ends = (double)(window_end(&budget->window) - now_ms);
    return course >= ends ? 0 : (int64_t)(ends - course) + 1;
}

/* When others take so much that the own share would not last: what they leave, evenly. They may
 * have had their burst, so we never keep ourselves below half of our part. */
static int64_t spread_wait(const struct budget *budget, double left, int64_t now_ms)
{
    double ends = (double)(window_end(&budget->window) - now_ms);
    double own = FULL_PART * budget->share * (double)budget->limit / WINDOW_MS;
    left = larger(left - budget->others * ends, left * budget->share / 2);
    if (left + SPREAD_SLACK >= own * ends)
        return 0;
    return longer(0, budget->spent_ms + (int64_t)(ends / left) - now_ms);
}

static int64_t share_wait(const struct budget *budget, enum budget_pace pace)
{
    int64_t thrifty = bucket_wait(budget, BUDGET_THRIFTY);
    return pace == BUDGET_THRIFTY ? thrifty : shorter(thrifty, bucket_wait(budget, BUDGET_FULL));
}

int64_t budget_wait(struct budget *budget, enum budget_pace pace, int in_flight, int64_t now_ms)
{
    refill(budget, now_ms);
    int64_t blocked = longer(0, budget->blocked_ms - now_ms);
    int64_t wait = budget->limit == 0 ? 0 : share_wait(budget, pace);
    if (budget->window.remaining < 0)
        return longer(blocked, wait);
    double left = room(budget, in_flight, now_ms);
    if (left < 1 && !budget->window.old)
        return longer(blocked, longer(wait, window_end(&budget->window) - now_ms));
    if (left < 1 && budget->window.spent > 0) /* the one that tells is under way */
        return longer(blocked, longer(wait, (int64_t)budget->latency_ms + 1));
    if (budget->limit == 0 || budget->window.old)
        return longer(blocked, wait);
    wait = longer(wait, spread_wait(budget, left, now_ms));
    if (wait > 0 && pace == BUDGET_FULL)
        wait = shorter(wait, extra_wait(budget, left, now_ms));
    return longer(blocked, wait);
}

void budget_spend(struct budget *budget, int64_t now_ms)
{
    refill(budget, now_ms);
    double debt = bucket_size(budget, BUDGET_THRIFTY);
    for (enum budget_pace pace = 0; pace < BUDGET_PACES; pace++)
        budget->tokens[pace] = larger(budget->tokens[pace] - 1, -debt);
    budget->window.spent++;
    budget->spent_ms = now_ms;
}

static void learn_latency(struct budget *budget, int64_t took_ms)
{
    double took = (double)shorter(longer(took_ms, 1), LATENCY_MAXIMUM_MS);
    double weight = budget->latency_ms < 1 ? 1 : took > budget->latency_ms ? 0.5 : 1.0 / 32;
    budget->latency_ms += (took - budget->latency_ms) * weight;
}

static void learn_limit(struct budget *budget, int64_t limit)
{
    if (limit <= 0)
        return;
    if (budget->server_limit != 0)
        window_limit_changed(&budget->window, limit - budget->server_limit);
    budget->server_limit = limit;
    budget->limit =
        budget->configured == 0 || limit < budget->configured ? limit : budget->configured;
}

static void learn_others(struct budget *budget, int in_flight, int64_t now_ms)
{
    if (budget->server_limit == 0 || budget->window.old)
        return;
    double ours = (double)(budget->window.spent - in_flight);
    double used = (double)(budget->server_limit - budget->window.remaining);
    double passed = (double)longer(now_ms - budget->window.by_ms, OTHERS_MINIMUM_MS);
    double most = (double)budget->server_limit / WINDOW_MS;
    double others = larger(0, used - larger(0, ours)) / passed;
    budget->others = others > most ? most : others;
}

void budget_learn(struct budget *budget, int64_t limit, int64_t remaining, int in_flight,
                  int64_t took_ms, int64_t now_ms)
{
    refill(budget, now_ms);
    learn_latency(budget, took_ms);
    struct window_word word = {
        .remaining = remaining, .in_flight = in_flight, .start_ms = now_ms - longer(took_ms, 0)};
    /* A word on its way while the limit changed is no newer than the one held: it is taken in that
     * one's terms. */
    if (word.start_ms >= budget->window.counted_ms || budget->server_limit == 0)
        learn_limit(budget, limit);
    else if (limit > 0 && remaining >= 0)
        word.remaining = longer(0, remaining + budget->server_limit - limit);
    word.limit = budget->server_limit;
    if (remaining < 0) {
        window_learn_nothing(&budget->window, word.start_ms);
        return;
    }
    bool not_begun = budget->window.old && word.start_ms >= budget->window.by_ms &&
                     word.remaining < budget->window.remaining &&
                     word.remaining * NEARLY_ALL < word.limit;
    window_learn(&budget->window, &word, now_ms);
    if (not_begun)
        window_put_off(&budget->window, word.start_ms, PROBE_AGAIN_MS, now_ms);
    else
        learn_others(budget, in_flight, now_ms);
}

/* How long when a 429 does not say it: until the minute ends when that is known and this was not
 * the request that found it not ended; else it is looked for after 2, 4, 8 ... seconds. */
static int64_t limited_wait(const struct budget *budget, int64_t now_ms)
{
    int64_t ends = window_end(&budget->window) - now_ms;
    if (budget->limited == 0 && window_is_known(&budget->window) && ends < WINDOW_MS - 5000)
        return ends;
    return shorter(WINDOW_MS, INT64_C(2000) << shorter(budget->limited, 5));
}

void budget_limited(struct budget *budget, int64_t retry_after_s, int64_t now_ms)
{
    window_advance(&budget->window, now_ms);
    bool known = now_ms < budget->blocked_ms; /* it was under way when another was refused */
    if (now_ms - budget->blocked_ms > WINDOW_MS)
        budget->limited = 0;
    /* 0 would be a tight loop; and the API's own window is a minute, so a moment far off is a
     * mistake. */
    int64_t wait = longer(1, shorter(retry_after_s, RETRY_AFTER_MAXIMUM_S)) * 1000;
    if (retry_after_s < 0)
        wait = known ? 0 : limited_wait(budget, now_ms);
    budget->limited += known ? 0 : 1;
    budget->blocked_ms = longer(budget->blocked_ms, now_ms + wait);
    window_exhausted(&budget->window, now_ms);
}

int budget_concurrency(const struct budget *budget, int maximum)
{
    if (budget->limit == 0)
        return maximum;
    double needed = (double)budget->limit / WINDOW_MS * budget->latency_ms * 1.5 + 2;
    int most = needed < maximum ? (int)needed : maximum;
    int least = maximum < 2 ? maximum : 2;
    return most < least ? least : most;
}

int64_t budget_left(const struct budget *budget, int64_t now_ms)
{
    if (budget->limit == 0)
        return -1;
    if (now_ms < budget->blocked_ms)
        return 0;
    const struct window *window = &budget->window;
    if (now_ms >= window_end(window) || window->old)
        return budget->limit;
    if (window->remaining < 0)
        return longer(0, budget->limit - window->spent);
    return longer(0, shorter(window->remaining - window->unseen, budget->limit));
}

bool budget_is_idle(struct budget *budget, int64_t now_ms)
{
    refill(budget, now_ms);
    if (now_ms < budget->blocked_ms)
        return false;
    if (budget->limit == 0)
        return true;
    return budget->tokens[BUDGET_THRIFTY] >= 0.9 * bucket_size(budget, BUDGET_THRIFTY) &&
           (double)budget_left(budget, now_ms) >= (1 - THRIFTY_PART) * (double)budget->limit;
}
