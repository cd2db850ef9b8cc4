/*
 * The budget of API requests: what may start when, and how many at once.
 *
 * Propexo allows so many requests a minute, tells limit and remaining on every answer, delays
 * answers by 2 s from 80 % on and answers 429 at 100 % until the minute ends (API guide, rate
 * limits). Several instances, and other applications, may spend from the same token.
 *
 * - Own share: the limit times the share of the partitions owned, in two token buckets, one for
 *   each pace. It may be spent while the server's word leaves room.
 * - What is left: at full pace more may be spent while the headers show that all together are
 *   behind the even course to the end of the server's minute.
 * - Room: the last word, less what is under way, less what others are expected to have spent since.
 *   Without room nothing starts until the minute ends; then one request goes first, and tells.
 * - When others take so much that the own share would use up the minute before it ends, what is
 *   left is spread over the rest of it.
 *
 * Without headers there is the own share of the configured limit, and no 60 seconds, wherever they
 * begin, see more than it. Pure: the clock is passed in; one thread.
 */
#ifndef BRIDGE_PROPEXO_BUDGET_H
#define BRIDGE_PROPEXO_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/propexo/window.h"

enum budget_pace {
    BUDGET_THRIFTY, /* no 60 s see more than 80 % of the own share: answers stay quick */
    BUDGET_FULL,    /* all of it, and what others leave */
    BUDGET_PACES
};

struct budget {
    int64_t configured;   /* requests a minute we may spend; 0 = no limit of our own */
    int64_t limit;        /* the lower of that and what the server told; 0 = none known */
    int64_t server_limit; /* the server's last word; 0 = not told */
    double share;         /* of the limit, above 0 and at most 1 */
    double tokens[BUDGET_PACES];
    int64_t refilled_ms;
    int64_t spent_ms; /* the last request started */
    struct window window;
    double others;      /* requests a millisecond that are not ours, in this minute */
    double latency_ms;  /* smoothed; rises fast, falls slowly; 0 = no answer yet */
    int64_t blocked_ms; /* nothing starts before: a 429 was answered */
    int64_t limited;    /* 429s in a row, each within a minute of the last one's end */
};

/* All of `requests_per_minute` is the own share until budget_set_share says otherwise. */
struct budget budget_new(int64_t requests_per_minute, int64_t now_ms);

/* `owned` of `all` partitions are this instance's. Who owns none keeps a small part of one's. */
void budget_set_share(struct budget *budget, int owned, int all);

/* 0 when a request may start now, else the milliseconds until one may, by what is known now: an
 * answer may make it sooner or later. BUDGET_FULL never waits longer than BUDGET_THRIFTY. */
int64_t budget_wait(struct budget *budget, enum budget_pace pace, int in_flight, int64_t now_ms);

/* A request starts. */
void budget_spend(struct budget *budget, int64_t now_ms);

/* An answer came with these headers (-1 = absent), `took_ms` after its request was started, while
 * `in_flight` other requests were under way. For a 429 before budget_limited. */
void budget_learn(struct budget *budget, int64_t limit, int64_t remaining, int in_flight,
                  int64_t took_ms, int64_t now_ms);

/* A 429 came; `retry_after_s` is -1 when it did not say how long. */
void budget_limited(struct budget *budget, int64_t retry_after_s, int64_t now_ms);

/* How many requests must be under way at once to spend the limit at the latency seen, and some to
 * spare: 2 at least, `maximum` at most, and `maximum` when no limit is known. */
int budget_concurrency(const struct budget *budget, int maximum);

/* True when a request now takes nothing from later ones: the bucket of the thrifty pace is full, or
 * nearly, and the minute is not in its last fifth of requests; also when no limit is known. */
bool budget_is_idle(struct budget *budget, int64_t now_ms);

/* What is left of the minute to all who spend from it, as far as is known; -1 when no limit is. */
int64_t budget_left(const struct budget *budget, int64_t now_ms);

#endif
