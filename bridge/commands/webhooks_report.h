/* What `webhooks` prints: tables for people, JSON for programs. Neither shows a secret, a header,
 * or the part of a URL that may hide one. */
#ifndef BRIDGE_COMMANDS_WEBHOOKS_REPORT_H
#define BRIDGE_COMMANDS_WEBHOOKS_REPORT_H

#include <cjson/cJSON.h>

#include "bridge/base/attributes.h"
#include "bridge/propexo/subscriptions.h"

/* A line for each webhook that is or should be ours, and a sum. */
void webhooks_print_plan(const struct subscriptions_wish *wish,
                         const struct subscriptions_plan *plan);

/* A line for each webhook of the list, ours and others'. */
void webhooks_print_list(const struct subscriptions_wish *wish, const cJSON *rows);

/* The same as trees, which the caller deletes. */
cJSON *webhooks_plan_tree(const struct subscriptions_wish *wish,
                          const struct subscriptions_plan *plan) MUST_CHECK;
cJSON *webhooks_list_tree(const struct subscriptions_wish *wish, const cJSON *rows) MUST_CHECK;

/* What a webhook is for: its model, or a word where it has none. */
const char *webhooks_subject(const char *model);

#endif
