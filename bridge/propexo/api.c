#include "bridge/propexo/api.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/propexo/brackets.h"

#define PLACE "{id}"

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
    cJSON *results = cJSON_GetObjectItemCaseSensitive(root, "results");
    if (cJSON_IsNull(results))
        return (struct api_answer){.outcome = API_GONE, .detail = "results is null"};
    if (!cJSON_IsObject(results))
        return (struct api_answer){.outcome = API_WRONG_RECORD,
                                   .detail = "results is not one object"};
    const char *found = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(results, "id"));
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

struct api_answer api_read_record(const struct http_answer *http, const char *id)
{
    if (http->outcome == HTTP_TOO_LARGE)
        return (struct api_answer){.outcome = API_WRONG_RECORD,
                                   .detail = "the answer is too large"};
    if (http->outcome != HTTP_ANSWERED)
        return (struct api_answer){.outcome = API_OUTAGE,
                                   .detail = http_outcome_name(http->outcome)};
    if (http->status != 200)
        return (struct api_answer){.outcome = outcome_of_status(http->status),
                                   .detail = "the status says so"};
    /* Up to and with the terminator: nothing else may follow. */
    cJSON *root = cJSON_ParseWithLengthOpts(http->body, http->length + 1, NULL, true);
    if (!cJSON_IsObject(root)) {
        cJSON_Delete(root);
        return looks_whole(http->body, http->length)
                   ? (struct api_answer){.outcome = API_WRONG_RECORD,
                                         .detail = "the record is not JSON that can be read"}
                   : (struct api_answer){.outcome = API_OUTAGE, .detail = "the body is not JSON"};
    }
    struct api_answer answer = read_results(root, id);
    cJSON_Delete(root);
    return answer;
}
