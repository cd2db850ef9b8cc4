#include "bridge/propexo/api.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/codec/json_parse.h"
#include "bridge/propexo/brackets.h"

#define PLACE      "{id}"
#define DIFFS_PATH "/v1/admin/data-diffs/"
#define HOOKS_PATH "/v1/webhooks/"

char *api_record_url(const char *base_url, const struct model *model, const char *id)
{
    if (model->get_path == NULL)
        return NULL;
    const char *place = strstr(model->get_path, PLACE);
    char *encoded = http_encode(id);
    char *url = memory_format("%s%.*s%s%s", base_url, (int)(place - model->get_path),
                              model->get_path, encoded, place + strlen(PLACE));
    free(encoded);
    return url;
}

static const char *const orders[] = {
    [API_NEWEST_FIRST] = "updated_at:desc",
    [API_OLDEST_FIRST] = "created_at:asc",
    [API_UNSEEN_FIRST] = "last_seen:asc",
    [API_SEEN_FIRST] = "last_seen:desc",
};

char *api_list_url(const char *base_url, const struct model *model, const char *integration_id,
                   enum api_order order, int64_t offset, int limit)
{
    if (model->list_path == NULL)
        return NULL;
    bool filters = model->by_integration && integration_id != NULL;
    char *encoded = filters ? http_encode(integration_id) : memory_text("");
    char *url = memory_format("%s%s?order-by=%s&limit=%d&offset=%" PRId64 "%s%s", base_url,
                              model->list_path, orders[order], limit, offset,
                              filters ? "&integration_id=" : "", encoded);
    free(encoded);
    return url;
}

char *api_list_url_since(const char *base_url, const struct model *model,
                         const char *integration_id, enum api_order order, int64_t offset,
                         int limit, int64_t since_ms)
{
    char *url = api_list_url(base_url, model, integration_id, order, offset, limit);
    char text[32];
    struct tm parts;
    time_t seconds = (time_t)(since_ms / 1000);
    if (url == NULL || gmtime_r(&seconds, &parts) == NULL ||
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        return url;
    char *encoded = http_encode(text);
    char *narrowed = memory_format("%s&updated_at_gte=%s", url, encoded);
    free(encoded);
    free(url);
    return narrowed;
}

static char *diffs_url(const char *base_url, const char *integration_id, enum api_order order,
                       int64_t offset)
{
    char *encoded = http_encode(integration_id);
    char *url = memory_format(
        "%s" DIFFS_PATH "?order-by=created_at:%s&limit=%d&offset=%" PRId64 "&integration_id=%s",
        base_url, order == API_NEWEST_FIRST ? "desc" : "asc", API_PAGE_SIZE, offset, encoded);
    free(encoded);
    return url;
}

char *api_diffs_url(const char *base_url, const char *integration_id, int64_t offset)
{
    return diffs_url(base_url, integration_id, API_NEWEST_FIRST, offset);
}

char *api_diffs_url_after(const char *base_url, const char *integration_id, enum api_order order,
                          int64_t after_ms, int64_t offset)
{
    char moment[CLOCK_TEXT_SIZE];
    char *after = http_encode(clock_format(after_ms, moment));
    char *all = diffs_url(base_url, integration_id, order, offset);
    char *url = memory_format("%s&after=%s", all, after);
    free(all);
    free(after);
    return url;
}

char *api_integrations_url(const char *base_url, int64_t offset)
{
    return memory_format("%s/v1/admin/integrations/?limit=%d&offset=%" PRId64, base_url,
                         API_PAGE_SIZE, offset);
}

char *api_webhooks_url(const char *base_url, int64_t offset)
{
    return memory_format("%s" HOOKS_PATH "?limit=%d&offset=%" PRId64, base_url, API_PAGE_SIZE,
                         offset);
}

char *api_webhook_url(const char *base_url, const char *id)
{
    char *encoded = http_encode(id == NULL ? "" : id);
    char *url = memory_format("%s" HOOKS_PATH "%s", base_url, encoded);
    free(encoded);
    return url;
}

static enum api_outcome outcome_of_status(long status)
{
    switch (status) {
    case 401:
        return API_UNAUTHORIZED;
    case 403:
        return API_FORBIDDEN;
    case 404:
    case 410:
        return API_GONE;
    case 408: /* request timeout */
    case 425: /* too early */
        return API_OUTAGE;
    case 429:
        return API_LIMITED;
    default:
        return status >= 400 && status < 500 ? API_REFUSED : API_OUTAGE;
    }
}

/* A 200: takes the record out of {"meta": ..., "results": RECORD}. */
static struct api_answer read_results(cJSON *root, const char *id)
{
    cJSON *results = json_member(root, "results");
    if (cJSON_IsNull(results))
        return (struct api_answer){.outcome = API_GONE, .detail = "results is null"};
    if (!cJSON_IsObject(results))
        return (struct api_answer){.outcome = API_WRONG_RECORD,
                                   .detail = "results is not one object"};
    const char *found = json_member_text(results, "id");
    if (found == NULL || strcmp(found, id) != 0)
        return (struct api_answer){.outcome = API_WRONG_RECORD,
                                   .detail = "the record has another id than the one asked for"};
    return (struct api_answer){
        .outcome = API_RECORD, .record = cJSON_DetachItemViaPointer(root, results), .detail = ""};
}

/* An object whose bracket closes at the very end came whole: what cannot be read in it (half of a
 * surrogate pair, say) is this record's fault and stays so. Anything else is a proxy's page or a
 * cut body. */
static bool looks_whole(const char *body, size_t length)
{
    static const char space[] = " \t\r\n";
    size_t closed = brackets_scan(body, length).closed;
    return body[strspn(body, space)] == '{' && closed > 0 &&
           strspn(body + closed, space) == length - closed;
}

/* What a status other than success says. */
static enum api_outcome outcome_of_failure(const struct http_answer *http, const char **detail)
{
    enum api_outcome outcome = outcome_of_status(http->status);
    *detail = "the status says so";
    if (outcome == API_GONE && !looks_whole(http->body, http->length)) {
        outcome = API_REFUSED;
        *detail = "a 404 that is not the API's own: its body is no JSON object";
    }
    return outcome;
}

/* The body of a 200 as JSON, NULL with what else came of it in `*outcome` and `*detail`. */
static cJSON *read_root(const struct http_answer *http, enum api_outcome *outcome,
                        const char **detail)
{
    *outcome = API_OUTAGE;
    if (http->outcome == HTTP_TOO_LARGE) {
        *outcome = API_TOO_LARGE;
        *detail = "the answer is more than twice as large as topics.max_message";
        return NULL;
    }
    if (http->outcome != HTTP_ANSWERED) {
        *detail = http_outcome_name(http->outcome);
        return NULL;
    }
    if (http->status != 200) {
        *outcome = outcome_of_failure(http, detail);
        return NULL;
    }
    cJSON *root = json_parse(http->body, http->length);
    if (cJSON_IsObject(root))
        return root;
    cJSON_Delete(root);
    *detail = "the body is not JSON";
    if (looks_whole(http->body, http->length)) {
        *outcome = API_WRONG_RECORD;
        *detail = "the record is not JSON that can be read";
    }
    return NULL;
}

struct api_answer api_read_record(const struct http_answer *http, const char *id)
{
    struct api_answer answer = {.detail = ""};
    cJSON *root = read_root(http, &answer.outcome, &answer.detail);
    if (root == NULL)
        return answer;
    answer = read_results(root, id);
    cJSON_Delete(root);
    return answer;
}

struct api_page api_read_page(const struct http_answer *http)
{
    struct api_page page = {.total = -1, .detail = ""};
    cJSON *root = read_root(http, &page.outcome, &page.detail);
    if (root == NULL)
        return page;
    cJSON *results = cJSON_GetObjectItemCaseSensitive(root, "results");
    const cJSON *meta = cJSON_GetObjectItemCaseSensitive(root, "meta");
    const cJSON *total = cJSON_GetObjectItemCaseSensitive(meta, "total");
    const cJSON *more = cJSON_GetObjectItemCaseSensitive(meta, "hasMore");
    if (cJSON_IsNumber(total) && total->valuedouble >= 0 && total->valuedouble < 1e15)
        page.total = (int64_t)total->valuedouble;
    if (cJSON_IsArray(results)) {
        page.outcome = API_RECORD;
        page.has_more = cJSON_IsBool(more) ? cJSON_IsTrue(more) : cJSON_GetArraySize(results) > 0;
        page.items = cJSON_DetachItemViaPointer(root, results);
    } else {
        page.outcome = API_REFUSED;
        page.detail = "results is not a list";
    }
    cJSON_Delete(root);
    return page;
}

enum api_outcome api_read_change(const struct http_answer *http, const char **detail)
{
    *detail = "";
    if (http->outcome != HTTP_ANSWERED) {
        *detail = http_outcome_name(http->outcome);
        return API_OUTAGE;
    }
    if (http->status >= 200 && http->status < 300)
        return API_RECORD;
    return outcome_of_failure(http, detail);
}

char *api_read_refusal(const struct http_answer *http)
{
    cJSON *root = json_parse(http->body, http->length);
    char *message = memory_text(json_member_text(json_member(root, "error"), "message"));
    cJSON_Delete(root);
    return message;
}
