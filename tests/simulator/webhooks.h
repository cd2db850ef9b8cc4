#ifndef SIMULATOR_WEBHOOKS_H
#define SIMULATOR_WEBHOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/simulator/options.h"
#include "tests/simulator/text.h"
#include "tests/simulator/told.h"

/*
 * Signs and delivers webhooks on a thread of its own: many at once over kept connections, so that
 * no order is kept. A webhook that is not answered with 2xx is sent again after `retry_ms`,
 * WEBHOOKS_RETRIES times at most, then it is lost. Which ones are late or replayed follows from the
 * seed and the order in which they are queued. All functions may be called from any thread.
 */
struct webhooks;

#define WEBHOOKS_RETRIES     10
#define WEBHOOKS_WAITING_MAX 100000
#define WEBHOOKS_KEPT_MAX    10000 /* the last ones that webhooks_write_sent() can show */
#define WEBHOOKS_STATUSES    600

struct webhook_counts {
    uint64_t sent; /* attempts that came to an end */
    uint64_t ok;
    uint64_t retried;
    uint64_t lost;
    uint64_t late;     /* first attempts that failed without being sent */
    uint64_t replayed; /* sent once more after they were delivered, whatever was answered */
    uint64_t waiting;  /* queued, in flight, or waiting for their next attempt or to be replayed */
    uint64_t dropped;  /* never sent: chosen by --drop-webhooks, or there was no URL */
    uint64_t statuses[WEBHOOKS_STATUSES]; /* by answer; [0] = none came */
};

/* Starts the thread. NULL when there are no resources. Signals must be blocked before. */
struct webhooks *webhooks_create(const struct options *options);

/* Ends the thread at once; what waits is not sent. NULL is taken. */
void webhooks_destroy(struct webhooks *webhooks);

/* For webhooks from now on and retries too. Empty = none are sent. */
void webhooks_set_url(struct webhooks *webhooks, const char *url);

/* Takes the body. A dropped one is only remembered. False when WEBHOOKS_WAITING_MAX wait: nothing
 * was taken. */
bool webhooks_send(struct webhooks *webhooks, struct text *body, const struct told_change *change,
                   bool dropped);

/* How many wait, and how many of these sleep because they are late or still to be replayed. */
struct webhook_load {
    uint64_t waiting;
    uint64_t asleep;
};

struct webhook_load webhooks_load(struct webhooks *webhooks);
void webhooks_counts(struct webhooks *webhooks, struct webhook_counts *counts);

/* Becomes readable (eventfd) when webhooks have ended since it was last read. */
int webhooks_fd(const struct webhooks *webhooks);

/* Appends a JSON array of the last `limit` webhooks, the newest last. */
void webhooks_write_sent(struct webhooks *webhooks, struct text *text, uint64_t limit);

/* A copy of the notes of the first TOLD_KEPT_MAX webhooks, to be freed by the caller. */
struct told *webhooks_told(struct webhooks *webhooks, size_t *count);

#endif
