#include "tests/simulator/limits.h"

struct limits_verdict limits_take(struct limits *limits, int64_t now)
{
    int64_t length = (int64_t)limits->minute_ms;
    int64_t window = (now - limits->start) / length;
    struct limits_verdict verdict = {.window = (uint64_t)window};
    if (limits->per_minute == 0)
        return verdict;
    if (window != limits->window) {
        limits->window = window;
        limits->used = 0;
    }
    int64_t left = limits->start + (window + 1) * length - now;
    verdict.retry_after = (uint64_t)(left + 999) / 1000;
    verdict.refused = limits->used >= limits->per_minute;
    if (!verdict.refused)
        limits->used++;
    verdict.slow = !verdict.refused && limits->used * 5 > limits->per_minute * 4;
    verdict.remaining = limits->per_minute - limits->used;
    return verdict;
}
