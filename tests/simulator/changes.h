#ifndef SIMULATOR_CHANGES_H
#define SIMULATOR_CHANGES_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/simulator/diffs.h"
#include "tests/simulator/options.h"
#include "tests/simulator/store.h"
#include "tests/simulator/webhooks.h"

/*
 * The stream of changes: the store first, then the webhook. What changes, how, and in which order
 * follows from the seed; when, and so updated_at and last_seen, from the clock. On the store's
 * thread.
 */
struct changes;

struct change_counts {
    uint64_t made; /* all, those by hand included */
    uint64_t made_new;
    uint64_t made_last_seen;
    uint64_t deleted;
    bool running;
};

/* Store, webhooks, diffs and options must outlive it. Begins at once when the options ask for
 * changes. */
struct changes *changes_create(struct store *store, struct webhooks *webhooks, struct diffs *diffs,
                               const struct options *options);
void changes_destroy(struct changes *changes);

/* Begins or goes on with `count` more; 0 = with those that are left, or without end when none are.
 */
void changes_start(struct changes *changes, uint64_t count);
void changes_stop(struct changes *changes);
void changes_set_rate(struct changes *changes, double rate);
void changes_set_shape(struct changes *changes, enum shape shape);

/* Makes what is due at `now` (monotonic). Returns when to call again; DELAYS_NEVER = after a
 * webhook has ended or a start. */
int64_t changes_run(struct changes *changes, int64_t now);

/*
 * One particular change. `fields` is an object of new values, known to the model or not, of any
 * type; empty or NULL moves last_seen alone. id and integration_id cannot change. On false *problem
 * says why (constant), and nothing was done.
 */
bool changes_make(struct changes *changes, struct collection *collection, uint32_t number,
                  const cJSON *fields, bool webhook, const char **problem);

/* The record becomes unknown; a webhook tells a new last_seen. */
void changes_delete(struct changes *changes, struct collection *collection, uint32_t number);

void changes_counts(const struct changes *changes, struct change_counts *counts);

#endif
