#ifndef SIMULATOR_DIFFS_H
#define SIMULATOR_DIFFS_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/simulator/store.h"
#include "tests/simulator/text.h"
#include "tests/simulator/uri.h"
#include "tests/simulator/webhook_body.h"

/*
 * The changes so far, as /v1/admin/data-diffs/ tells them: those of dropped webhooks too. The last
 * DIFFS_KEPT_MAX are kept, the oldest go. On the store's thread.
 */
struct diffs;

#define DIFFS_KEPT_MAX 200000

/* A page of them. */
struct diffs_query {
    uint64_t offset;
    uint64_t limit;
    bool descending;
    int64_t after; /* these two moments are not part of the span */
    int64_t before;
    bool by_integration;
    uint32_t integration; /* STORE_NONE = one that does not exist */
};

struct diffs *diffs_create(uint64_t seed);
void diffs_destroy(struct diffs *diffs);

/* Keeps one that happens at `moment` (milliseconds since 1970, never lower than before). It has the
 * job id that the event's webhook told, or one of its own when that told none. */
void diffs_add(struct diffs *diffs, const struct webhook_event *event, uint32_t integration,
               int64_t moment);

/* How many are kept. */
uint64_t diffs_kept(const struct diffs *diffs);

/* Reads the query string. On false *problem says what the API would refuse; the text is constant.
 */
bool diffs_parse(struct diffs_query *query, const struct store *store, const struct uri *uri,
                 const char **problem);

/* Appends {"meta", "results"}; `sequence` is the number of this read. */
void diffs_write(struct text *text, const struct diffs *diffs, const struct diffs_query *query,
                 uint64_t sequence);

#endif
