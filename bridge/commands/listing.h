/*
 * The API as a subcommand uses it: one request after the other, within the budget, patient with
 * outages. One thread.
 */
#ifndef BRIDGE_COMMANDS_LISTING_H
#define BRIDGE_COMMANDS_LISTING_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/config/config.h"
#include "bridge/http/client.h"
#include "bridge/propexo/api.h"

struct listing;

/* Keeps to the thrifty pace of `api.requests_per_minute`: a running bridge spends from it too. */
struct listing *listing_open(const struct config *config, struct error *error) MUST_CHECK;
void listing_close(struct listing *listing); /* NULL is allowed */

/* GETs a page. Waits for the budget and out a 429; tries a few more times what failed on the way.
 * `what` names the list in an error. On true the caller deletes `page->items`. Errors:
 * VERDICT_RETRY for an outage, VERDICT_CONFIGURATION for a refusal, with its status. */
bool listing_page(struct listing *listing, const char *url, const char *what, struct api_page *page,
                  struct error *error) MUST_CHECK;

/* POSTs, PUTs or DELETEs, as patient as listing_page: what failed on the way is tried again, so a
 * POST may have been done twice. True when it was done, and also when what was to be put or deleted
 * is no longer there. `what` names it in an error, and `secret` (or NULL) is never part of one. */
bool listing_change(struct listing *listing, const struct http_request *request, const char *what,
                    const char *secret, struct error *error) MUST_CHECK;
/* The same for one record, by api_record_url's URL. `*record` is the caller's, and NULL when the
 * API does not have it. */
bool listing_record(struct listing *listing, const char *url, const char *id, const char *what,
                    cJSON **record, struct error *error) MUST_CHECK;

/* What came of the last request: why it failed. */
enum api_outcome listing_outcome(const struct listing *listing);

/* Called with each integration's id and row. False ends the walk with `error`. */
typedef bool listing_integration(void *context, const char *id, const cJSON *row,
                                 struct error *error);

/* All integrations that /v1/admin/integrations/ lists. */
bool listing_integrations(struct listing *listing, listing_integration *each, void *context,
                          struct error *error) MUST_CHECK;

#endif
