/*
 * The budget of API requests: a token bucket of our own, held against what the server's headers
 * tell.
 *
 * Propexo allows so many requests a minute, tells limit and remaining on every answer, delays
 * answers from 80 % on and answers 429 at 100 % until the minute ends (API guide, rate limits). The
 * bucket holds a tenth of the limit and refills at such a rate that no 60 seconds, wherever they
 * begin, see more than the limit. The server's `remaining` counts other clients of the same token
 * too: when it is lower than what we would allow ourselves, it wins. Pure: the clock is passed in;
 * one thread.
 */
#ifndef BRIDGE_PROPEXO_BUDGET_H
#define BRIDGE_PROPEXO_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct budget {
    int64_t configured; /* requests a minute we may spend; 0 = no limit of our own */
    int64_t limit;      /* the lower of that and what the server told; 0 = none known */
    double tokens;
    int64_t refilled_ms;
    int64_t remaining;  /* by the server's last word, less what was started since; -1 = not told */
    int64_t window_ms;  /* when the server's minute began, as far as seen */
    int64_t blocked_ms; /* nothing starts before: a 429 was answered */
    int64_t limited;    /* 429s in a row, each within a minute of the last one's end */
};

struct budget budget_new(int64_t requests_per_minute, int64_t now_ms);

/* 0 when a request may start now, else the milliseconds until one may. */
int64_t budget_wait(struct budget *budget, int64_t now_ms);

/* A request starts. */
void budget_spend(struct budget *budget, int64_t now_ms);

/* An answer came with these headers (-1 = absent), while `in_flight` other requests were under way.
 */
void budget_learn(struct budget *budget, int64_t limit, int64_t remaining, int in_flight,
                  int64_t now_ms);

/* A 429 came; `retry_after_s` is -1 when it did not say how long. */
void budget_limited(struct budget *budget, int64_t retry_after_s, int64_t now_ms);

#endif
