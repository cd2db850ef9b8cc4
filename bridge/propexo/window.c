#include "bridge/propexo/window.h"

#define KNOWN_MS 10000

struct window window_new(int64_t now_ms)
{
    return (struct window){.after_ms = now_ms - WINDOW_MS, .by_ms = now_ms, .remaining = -1};
}

int64_t window_end(const struct window *window)
{
    return window->by_ms + WINDOW_MS;
}

bool window_is_known(const struct window *window)
{
    return window->by_ms - window->after_ms < KNOWN_MS;
}

static void shift(struct window *window, int64_t windows)
{
    window->after_ms += windows * WINDOW_MS;
    window->by_ms += windows * WINDOW_MS;
}

void window_advance(struct window *window, int64_t now_ms)
{
    if (now_ms < window_end(window))
        return;
    shift(window, (now_ms - window->by_ms) / WINDOW_MS);
    window->spent = 0;
    window->old = window->remaining >= 0;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A window began in (after, by], `by` being now. */
static void began(struct window *window, int64_t after_ms, int64_t by_ms)
{
    if (by_ms - after_ms >= WINDOW_MS) {
        /* That says nothing of the phase, but of the window that may last 60 s from now. */
        if (!window->old) {
            window->after_ms = by_ms - WINDOW_MS;
            window->by_ms = by_ms;
        }
        return;
    }
    if (!window_is_known(window)) {
        window->after_ms = after_ms;
        window->by_ms = by_ms;
        return;
    }
    /* The next window may have begun before we believed that it must. */
    if (window->after_ms + WINDOW_MS < by_ms)
        shift(window, 1);
    window->after_ms = larger(window->after_ms, after_ms);
    window->by_ms = smaller(window->by_ms, by_ms);
    if (window->after_ms >= window->by_ms) { /* the phase is not what it was */
        window->after_ms = after_ms;
        window->by_ms = by_ms;
    }
}

static void accept(struct window *window, const struct window_word *word, int64_t now_ms)
{
    window->remaining = word->remaining;
    window->unseen = 0;
    window->counted_ms = word->start_ms;
    window->told_ms = now_ms;
}

/* A difference that reordering does not explain. */
static int64_t far(const struct window_word *word)
{
    return word->limit / 4 + word->in_flight;
}

/* Perhaps of the window before: started before this one had surely begun, or before the word held
 * and yet telling far less. */
static bool is_late(const struct window *window, const struct window_word *word)
{
    if (window->old)
        return false;
    return word->start_ms < window->by_ms ||
           (word->start_ms < window->counted_ms && word->remaining + far(word) < window->remaining);
}

/* More is left than before, and not because this answer was counted before that one: surely when it
 * was started after that one had come, else when it is far more than reordering explains. As much
 * is more, too, because the request itself took one; not believed when the phase says otherwise. */
static bool is_rise(const struct window *window, const struct window_word *word)
{
    int64_t more = word->remaining - window->remaining;
    bool searching = window->old || !window_is_known(window);
    if (word->start_ms >= window->told_ms)
        return more > 0 || (more == 0 && word->remaining > 0 && searching);
    return word->start_ms > window->counted_ms && more > far(word);
}

void window_learn(struct window *window, const struct window_word *word, int64_t now_ms)
{
    bool surely_now = word->start_ms >= window->by_ms;
    if (window->remaining < 0) {
        window->after_ms = now_ms - WINDOW_MS;
        window->by_ms = now_ms;
        accept(window, word, now_ms);
    } else if (is_rise(window, word)) {
        began(window, window->counted_ms, now_ms);
        if (!window->old)
            window->spent = 1 + word->in_flight;
        window->old = false;
        accept(window, word, now_ms);
    } else if (window->old && surely_now && word->start_ms >= window->told_ms) {
        window->old = false;
        accept(window, word, now_ms);
    } else if (is_late(window, word)) {
        window->unseen++; /* it may have been counted in this one all the same */
    } else if (word->remaining <= window->remaining) {
        accept(window, word, now_ms);
    }
}

void window_limit_changed(struct window *window, int64_t more)
{
    if (window->remaining >= 0)
        window->remaining = larger(0, window->remaining + more);
}

void window_learn_nothing(struct window *window, int64_t start_ms)
{
    if (window->old && start_ms >= window->by_ms)
        window->remaining = -1; /* the server speaks of it no more */
    else
        window->unseen++;
}

void window_exhausted(struct window *window, int64_t now_ms)
{
    if (window->remaining < 0)
        window->counted_ms = now_ms - WINDOW_MS;
    window->remaining = 0;
    window->unseen = 0;
    window->told_ms = now_ms;
    window->old = true;
    window->spent = 0;
}

void window_put_off(struct window *window, int64_t start_ms, int64_t delay_ms, int64_t now_ms)
{
    window->after_ms = larger(window->after_ms, start_ms) - WINDOW_MS;
    window->by_ms = now_ms + delay_ms - WINDOW_MS;
    if (window->after_ms < window->by_ms - WINDOW_MS)
        window->after_ms = window->by_ms - WINDOW_MS;
}
