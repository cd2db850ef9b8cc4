/*
 * Pages of lists that may show many waiting records at once: what is known of how the server
 * answers them. Asking and reading is pages.c. Loop thread.
 *
 * Why nothing is lost: a page satisfies a record only when its request started after the record's
 * last event was taken in (pending.h), and passes the stale rule like every other copy (recency.h);
 * a record that it does not show stays where it waits. So rows that move between pages while these
 * are read cost requests at most.
 */
#ifndef BRIDGE_ENRICHER_PAGES_H
#define BRIDGE_ENRICHER_PAGES_H

#include <stdbool.h>
#include <stdint.h>

struct page_reader {
    bool probed;  /* the filter updated_at_gte was tried, once a process */
    bool narrows; /* and it works */
    bool known;   /* `ahead_ms` is */
    bool paired;  /* `skew_ms` is known */
    int64_t
        skew_ms; /* a row's updated_at less the moment at which its event came to Kafka, lately */
    int64_t ahead_ms; /* the server's clock, as its newest rows show it, less our monotonic one: at
                         most the truth */
};

#endif
