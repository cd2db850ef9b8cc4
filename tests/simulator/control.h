#ifndef SIMULATOR_CONTROL_H
#define SIMULATOR_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/simulator/changes.h"
#include "tests/simulator/diffs.h"
#include "tests/simulator/http_api.h"
#include "tests/simulator/request.h"
#include "tests/simulator/store.h"
#include "tests/simulator/subscriptions.h"
#include "tests/simulator/webhooks.h"

/* The pages of /_sim/: what a test reads and steers. No token, no limit, no latency, no faults. On
 * the store's thread. */
struct control {
    struct store *store;
    struct diffs *diffs;
    struct changes *changes;
    struct webhooks *webhooks;
    struct subscriptions *subscriptions;
    struct http_api *api;
    uint64_t minute_ms; /* how long one window of the limit lasts */
};

bool control_serves(const struct request *request);

/* Makes the answer. */
void control_answer(const struct control *control, struct request *request);

#endif
