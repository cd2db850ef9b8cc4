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

/* A 200: takes the record out of {"meta": ..., "results": RECORD}. */
static enum api_outcome read_results(cJSON *root, const char *id, cJSON **record)
{
    cJSON *results = json_member(root, "results");
    if (cJSON_IsNull(results))
        return API_GONE;
    if (!cJSON_IsObject(results))
        return API_NO_RECORD;
    const char *found = json_member_text(results, "id");
    if (found == NULL || strcmp(found, id) != 0)
        return API_WRONG_ID;
    *record = cJSON_DetachItemViaPointer(root, results);
    return API_RECORD;
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

/* It says so itself. RFC 6838 has types that end on +json. */
static bool is_other_content(const struct http_answer *http)
{
    size_t length = strlen(http->media_type);
    return length > 0 && (length < 4 || strcmp(http->media_type + length - 4, "json") != 0);
}

/* Only the API itself can say that a record is gone, and it speaks JSON; what it refuses may have
 * no body, but no page of somebody else. */
static bool is_proxy_page(const struct http_answer *http, enum api_outcome outcome)
{
    switch (outcome) {
    case API_GONE:
        return !looks_whole(http->body, http->length);
    case API_FORBIDDEN:
    case API_REFUSED:
        return http->length > 0 && is_other_content(http);
    default:
        return false;
    }
}

static enum api_outcome outcome_of(const struct http_answer *http)
{
    enum api_outcome outcome = policy_outcome(http);
    return is_proxy_page(http, outcome) ? API_PROXY_PAGE : outcome;
}

/* What became of a connection has better words of its own. */
const char *api_detail(const struct http_answer *http, enum api_outcome outcome)
{
    bool answered = http->outcome == HTTP_ANSWERED || http->outcome == HTTP_TOO_LARGE;
    return answered || http->problem[0] == '\0' ? policy_for(outcome)->when : http->problem;
}

/* The body of a 200 as JSON, NULL with what else came of it in `*outcome`. */
static cJSON *read_root(const struct http_answer *http, enum api_outcome *outcome)
{
    *outcome = outcome_of(http);
    if (*outcome != API_RECORD)
        return NULL;
    cJSON *root = json_parse_brief(http->body, http->length);
    if (cJSON_IsObject(root))
        return root;
    cJSON_Delete(root);
    *outcome = is_other_content(http)                  ? API_WRONG_CONTENT
               : looks_whole(http->body, http->length) ? API_UNREADABLE
                                                       : API_CUT;
    return NULL;
}

struct api_answer api_read_record(const struct http_answer *http, const char *id)
{
    struct api_answer answer = {0};
    cJSON *root = read_root(http, &answer.outcome);
    if (root != NULL)
        answer.outcome = read_results(root, id, &answer.record);
    cJSON_Delete(root);
    answer.detail = api_detail(http, answer.outcome);
    return answer;
}

struct api_page api_read_page(const struct http_answer *http)
{
    struct api_page page = {.total = -1};
    cJSON *root = read_root(http, &page.outcome);
    page.detail = api_detail(http, page.outcome);
    if (root == NULL)
        return page;
    cJSON *results = cJSON_GetObjectItemCaseSensitive(root, "results");
    const cJSON *meta = cJSON_GetObjectItemCaseSensitive(root, "meta");
    const cJSON *total = cJSON_GetObjectItemCaseSensitive(meta, "total");
    const cJSON *more = cJSON_GetObjectItemCaseSensitive(meta, "hasMore");
    if (cJSON_IsNumber(total) && total->valuedouble >= 0 && total->valuedouble < 1e15)
        page.total = (int64_t)total->valuedouble;
    if (cJSON_IsArray(results)) {
        page.has_more = cJSON_IsBool(more) ? cJSON_IsTrue(more) : cJSON_GetArraySize(results) > 0;
        page.items = cJSON_DetachItemViaPointer(root, results);
    } else {
        page.outcome = API_REFUSED;
        page.detail = "`results` is not a list";
    }
    cJSON_Delete(root);
    return page;
}

enum api_outcome api_read_change(const struct http_answer *http, const char **detail)
{
    bool done = http->outcome == HTTP_ANSWERED && http->status >= 200 && http->status < 300;
    enum api_outcome outcome = done ? API_RECORD : outcome_of(http);
    *detail = api_detail(http, outcome);
    return outcome;
}

char *api_read_refusal(const struct http_answer *http)
{
    cJSON *root = json_parse(http->body, http->length);
    char *message = memory_text(json_member_text(json_member(root, "error"), "message"));
    cJSON_Delete(root);
    return message;
}
