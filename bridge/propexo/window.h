/*
 * The server's minute, as far as its answers let us know it: when it began, and what is left of it.
 *
 * Propexo counts requests in fixed windows of 60 s whose phase it does not tell (API guide, rate
 * limits). Between an answer that tells n and one, counted surely later, that tells more than n, a
 * window began: these bounds are kept, and narrowed window by window. What is not known is taken to
 * the safe side: a window is believed to last until the latest moment it can. Pure: the clock is
 * passed in; one thread.
 */
#ifndef BRIDGE_PROPEXO_WINDOW_H
#define BRIDGE_PROPEXO_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#define WINDOW_MS INT64_C(60000)

struct window {
    int64_t after_ms;   /* the present window began after this ... */
    int64_t by_ms;      /* ... and by this; 60 s apart when nothing is known */
    int64_t remaining;  /* the lowest word of this window; -1 = never told */
    int64_t unseen;     /* answered since, but perhaps not counted in it */
    int64_t counted_ms; /* the server counted the request that told this not before ... */
    int64_t told_ms;    /* ... and not after this */
    int64_t spent;      /* requests of ours since it began, about */
    bool old;           /* `remaining` is of a window that is over by now */
};

/* One answer's word: the request was started at `start_ms` and answered now, with `in_flight`
 * others under way. */
struct window_word {
    int64_t remaining;
    int64_t limit;
    int in_flight;
    int64_t start_ms;
};

struct window window_new(int64_t now_ms);

/* Goes on to the window that now_ms is in. Every other function wants this done. */
void window_advance(struct window *window, int64_t now_ms);

/* The limit is `more` than it was (less than 0: less), and so is what remains. */
void window_limit_changed(struct window *window, int64_t more);

/* A word of the server. Words that arrive out of order, or from the window before, do no harm. */
void window_learn(struct window *window, const struct window_word *word, int64_t now_ms);

/* An answer without a word: the request may have been counted. */
void window_learn_nothing(struct window *window, int64_t start_ms);

/* The server refused: nothing is left, and the next request tells whether that is over. */
void window_exhausted(struct window *window, int64_t now_ms);

/* The looked-for new window, believed in, has not begun: look again after `delay_ms`. */
void window_put_off(struct window *window, int64_t start_ms, int64_t delay_ms, int64_t now_ms);

/* The latest moment the present window can end. */
int64_t window_end(const struct window *window);

/* True when the bounds are closer than ten seconds. */
bool window_is_known(const struct window *window);

#endif
