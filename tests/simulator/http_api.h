#ifndef SIMULATOR_HTTP_API_H
#define SIMULATOR_HTTP_API_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/simulator/diffs.h"
#include "tests/simulator/options.h"
#include "tests/simulator/request.h"
#include "tests/simulator/store.h"
#include "tests/simulator/subscriptions.h"
#include "tests/simulator/windows.h"

/* The API's own pages: /v1/<path>/, /v1/<path>/{id}, /v1/admin/ and /v1/webhooks/, with its limit,
 * its latency and its faults. On the store's thread. */
struct http_api;

struct http_api_counts {
    uint64_t requests[REQUEST_KINDS];
    uint64_t statuses[6]; /* by hundreds; [0] = reset instead of an answer */
    uint64_t too_many;    /* 429 */
    uint64_t in_flight;
    uint64_t max_in_flight;
    struct windows windows;
    int64_t windows_started_at; /* milliseconds since 1970 */
};

/* `now` is monotonic: the limit's first minute begins. The others must outlive it. */
struct http_api *http_api_create(struct store *store, const struct diffs *diffs,
                                 struct subscriptions *subscriptions, const struct options *options,
                                 int64_t now);
void http_api_destroy(struct http_api *api);

/* See faults_parse(). */
bool http_api_set_faults(struct http_api *api, const char *spec, const char **problem);

/*
 * A request has come in whole: counts it, plans its answer, and returns in how many milliseconds
 * http_api_finish() is to be called (0 = at once). Half of the delayed answers are read from the
 * store now, the others at the end, by seeded chance: a client can rely on neither.
 */
uint64_t http_api_begin(struct http_api *api, struct request *request, int64_t now);

/* The answer is complete afterwards. Once for each request that was begun. */
void http_api_finish(struct http_api *api, struct request *request);

const struct http_api_counts *http_api_counts(const struct http_api *api);

#endif
