#ifndef SIMULATOR_SUBSCRIPTIONS_H
#define SIMULATOR_SUBSCRIPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/simulator/request.h"
#include "tests/simulator/text.h"

/*
 * The webhooks that a client has asked for, /v1/webhooks/: kept, checked and listed as the API
 * documents it. They are not delivered to: --webhook-url is. On the store's thread.
 */
struct subscriptions;

#define SUBSCRIPTIONS_PATH "/v1/webhooks/"

struct subscriptions *subscriptions_create(uint64_t seed);
void subscriptions_destroy(struct subscriptions *subscriptions);

/* Whether the path is the list's or one webhook's. */
bool subscriptions_serve(const struct uri *uri);

/* Makes the answer, whatever the method; `sequence` is the number of this read. */
void subscriptions_answer(struct subscriptions *subscriptions, struct request *request,
                          uint64_t sequence);

/* Appends a JSON array of all of them as they are kept, secrets too, the oldest first. */
void subscriptions_write(const struct subscriptions *subscriptions, struct text *text);

#endif
