/*
 * Propexo's REST API: what to ask for, and which of the policy's outcomes an answer is. No I/O
 * here. Any thread.
 */
#ifndef BRIDGE_PROPEXO_API_H
#define BRIDGE_PROPEXO_API_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/http/client.h"
#include "bridge/propexo/models.h"
#include "bridge/propexo/policy.h"

/* GET this for one record. NULL when the model has no by-id path. The caller frees. */
char *api_record_url(const char *base_url, const struct model *model, const char *id) MUST_CHECK;

enum api_order {
    API_NEWEST_FIRST, /* by updated_at, falling */
    API_OLDEST_FIRST, /* by created_at, rising: new records come at the end */
    API_UNSEEN_FIRST, /* by last_seen, rising */
    API_SEEN_FIRST,   /* by last_seen, falling */
};

/* Records a page: the most that the API gives. */
#define API_PAGE_SIZE 250

/* The same list narrowed to what was last changed at `since_ms` (wall clock) or later. Documented
 * since 2026; older servers answer 400. The caller frees. */
char *api_list_url_since(const char *base_url, const struct model *model,
                         const char *integration_id, enum api_order order, int64_t offset,
                         int limit, int64_t since_ms) MUST_CHECK;

/* GET this for at most `limit` records of a list, from `offset` on; of one integration where the
 * list knows that filter and `integration_id` is not NULL. NULL when the model has no list. The
 * caller frees. */
char *api_list_url(const char *base_url, const struct model *model, const char *integration_id,
                   enum api_order order, int64_t offset, int limit) MUST_CHECK;

/* GET this for a page of an integration's recorded changes, the newest first. The caller frees. */
char *api_diffs_url(const char *base_url, const char *integration_id, int64_t offset) MUST_CHECK;

/* The same of those recorded after `after_ms` (wall clock), without it; by created_at. */
char *api_diffs_url_after(const char *base_url, const char *integration_id, enum api_order order,
                          int64_t after_ms, int64_t offset) MUST_CHECK;

/* GET this for a page of the application's integrations. The caller frees. */
char *api_integrations_url(const char *base_url, int64_t offset) MUST_CHECK;

/* GET this for a page of the application's webhooks. The caller frees. */
char *api_webhooks_url(const char *base_url, int64_t offset) MUST_CHECK;

/* PUT or DELETE this for one webhook; with `id` NULL, POST to it for a new one. The caller frees.
 */
char *api_webhook_url(const char *base_url, const char *id) MUST_CHECK;

struct api_answer {
    enum api_outcome outcome;
    cJSON *record;      /* API_RECORD: the caller's; NULL otherwise */
    const char *detail; /* a static text or the HTTP answer's: what was wrong */
};

/* Reads the answer to a request for the record `id`. `http` must outlive `detail`. */
struct api_answer api_read_record(const struct http_answer *http, const char *id) MUST_CHECK;

struct api_page {
    enum api_outcome outcome; /* API_RECORD: the page is there; never API_NO_RECORD, _WRONG_ID */
    cJSON *items;             /* an array; the caller's. NULL otherwise */
    bool has_more;
    int64_t total;      /* of the whole list, -1 when not told */
    const char *detail; /* as in api_answer */
};

/* Reads the answer to a request for a page. */
struct api_page api_read_page(const struct http_answer *http) MUST_CHECK;

/* Reads the answer to a POST, PUT or DELETE, of which nothing but its success is wanted.
 * API_RECORD: any 2xx, whatever its body. `*detail` is as in api_answer. */
enum api_outcome api_read_change(const struct http_answer *http, const char **detail) MUST_CHECK;

/* The words for an outcome of this answer: static, or the answer's. No secret is in them. */
const char *api_detail(const struct http_answer *http, enum api_outcome outcome);

/* What the API says of a refusal, {"error": {"message"}}: a text that the caller frees, or NULL. */
char *api_read_refusal(const struct http_answer *http) MUST_CHECK;

#endif
