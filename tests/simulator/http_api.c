#include "tests/simulator/http_api.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/simulator/clock.h"
#include "tests/simulator/list.h"

#define DIFFS_PATH        "/v1/admin/data-diffs/"
#define INTEGRATIONS_PATH "/v1/admin/integrations/"

#define STREAM_FAULTS  UINT64_C(0xfa0175)
#define STREAM_TIMING  UINT64_C(0x7131)
#define STREAM_SHUFFLE UINT64_C(0x5407)

struct http_api {
    struct store *store;
    const struct diffs *diffs;
    struct subscriptions *subscriptions;
    const struct options *options;
    struct faults faults;
    struct limits limits;
    struct random timing;
    struct random shuffle;
    struct http_api_counts counts;
};

struct http_api *http_api_create(struct store *store, const struct diffs *diffs,
                                 struct subscriptions *subscriptions, const struct options *options,
                                 int64_t now)
{
    struct http_api *api = memory_get_zeroed(1, sizeof *api);
    api->store = store;
    api->diffs = diffs;
    api->subscriptions = subscriptions;
    api->options = options;
    api->faults.random = random_make(options->seed, STREAM_FAULTS);
    api->timing = random_make(options->seed, STREAM_TIMING);
    api->shuffle = random_make(options->seed, STREAM_SHUFFLE);
    api->limits = (struct limits){
        .per_minute = options->limit_per_minute, .minute_ms = options->minute_ms, .start = now};
    api->counts.windows_started_at = clock_wall() - (clock_monotonic() - now);
    return api;
}

void http_api_destroy(struct http_api *api)
{
    free(api);
}

bool http_api_set_faults(struct http_api *api, const char *spec, const char **problem)
{
    if (!faults_parse(&api->faults, spec, problem))
        return false;
    api->store->keep_previous = api->faults.percent[FAULT_STALE] > 0;
    return true;
}

const struct http_api_counts *http_api_counts(const struct http_api *api)
{
    return &api->counts;
}

static bool authorized(const struct http_api *api, const struct request *request)
{
    static const char scheme[] = "Bearer ";
    const char *given = request->authorization;
    return given != NULL && strncasecmp(given, scheme, sizeof scheme - 1) == 0 &&
           strcmp(given + sizeof scheme - 1, api->options->token) == 0;
}

static enum request_kind kind_of(struct http_api *api, const struct request *request)
{
    const char *id;
    if (request->uri_good && subscriptions_serve(&request->uri))
        return REQUEST_WEBHOOKS;
    if (!request->uri_good || strcmp(request->method, "GET") != 0)
        return REQUEST_OTHER;
    if (store_by_list_path(api->store, request->uri.path) != NULL)
        return REQUEST_LIST;
    if (strcmp(request->uri.path, DIFFS_PATH) == 0)
        return REQUEST_DIFFS;
    if (store_by_id_path(api->store, request->uri.path, &id) != NULL && id[0] != '\0')
        return REQUEST_ID;
    return REQUEST_OTHER;
}

/* True when the path is a list's but for its last slash: such a request is sent there. */
static bool redirect(struct http_api *api, struct request *request)
{
    struct text target = {0};
    text_format(&target, "%s/", request->uri.path);
    char *path = text_take(&target);
    bool found = store_by_list_path(api->store, path) != NULL || strcmp(path, DIFFS_PATH) == 0 ||
                 strcmp(path, SUBSCRIPTIONS_PATH) == 0;
    if (found) {
        const char *query = request->uri.query;
        text_format(&target, "%s%s%s", path, query != NULL ? "?" : "", query != NULL ? query : "");
        request->answer.location = text_take(&target);
        request->answer.status = 308;
    }
    free(path);
    return found;
}

static void answer_other(struct http_api *api, struct request *request)
{
    if (!request->uri_good)
        request_refuse(request, 400, "bad_request",
                       "the target has characters that must be percent-encoded");
    else if (strcmp(request->method, "GET") != 0)
        request_refuse(request, 405, "method_not_allowed", "only GET is simulated here");
    else if (!redirect(api, request))
        request_refuse(request, 404, "not_found", "no such path");
}

static void answer_list(struct http_api *api, struct request *request)
{
    struct collection *collection = store_by_list_path(api->store, request->uri.path);
    struct list_query query;
    const char *problem;
    bool extended = api->options->extended_filters != 0;
    if (!list_parse(&query, api->store, collection, &request->uri, extended, &problem)) {
        request_refuse(request, 400, "bad_request", problem);
        return;
    }
    struct random *shuffle = api->options->ties == TIES_SHUFFLE ? &api->shuffle : NULL;
    request->answer.status = 200;
    list_write(&request->answer.body, collection, &query, store_read(api->store), shuffle);
}

static void answer_diffs(struct http_api *api, struct request *request)
{
    struct diffs_query query;
    const char *problem;
    if (api->options->data_diffs == 0) {
        request_refuse(request, 403, "forbidden", "data diffs are switched off");
    } else if (!diffs_parse(&query, api->store, &request->uri, &problem)) {
        request_refuse(request, 400, "bad_request", problem);
    } else {
        request->answer.status = 200;
        diffs_write(&request->answer.body, api->diffs, &query, store_read(api->store));
    }
}

/* All of them: a simulated application has few. */
static void answer_integrations(struct http_api *api, struct request *request)
{
    struct text *body = &request->answer.body;
    uint64_t count = api->store->values.integrations;
    request->answer.status = 200;
    text_format(body,
                "{\"meta\":{\"offset\":0,\"limit\":250,\"hasMore\":false,\"total\":%" PRIu64
                "},\"results\":[",
                count);
    for (uint64_t i = 0; i < count; i++)
        text_format(body, "%s{\"id\":\"%s\",\"active\":true}", i == 0 ? "" : ",",
                    api->store->integrations[i]);
    text_add(body, "]}");
}

static uint32_t another_record(struct http_api *api, const struct collection *collection,
                               uint32_t number)
{
    uint32_t other = (uint32_t)random_below(&api->timing, collection->count);
    for (uint32_t i = 0; i < collection->count; i++) {
        uint32_t tried = (other + i) % collection->count;
        if (tried != number && collection->records[tried].state != NULL)
            return tried;
    }
    return number;
}

/*
 * The state that this read shows. The first read after a change may, by that fault, show the one
 * before; it then carries the last number at which that was true, which is lower than that of every
 * read since.
 */
static void write_record(struct http_api *api, struct request *request,
                         struct collection *collection, uint32_t number)
{
    struct record *record = &collection->records[number];
    struct text *body = &request->answer.body;
    uint64_t sequence = store_read(api->store);
    const struct state *state = record->state;
    struct state *previous = record->previous;
    if (previous != NULL && faults_draw_stale(&api->faults)) {
        state = previous;
        sequence = record->previous_sequence;
    }
    text_format(body, "{\"meta\":{\"read_sequence\":%" PRIu64 "},\"results\":", sequence);
    state_write(body, &collection->layout, state, sequence);
    text_add(body, "}");
    record->previous = NULL;
    free(previous);
}

static void answer_missing(struct http_api *api, struct request *request)
{
    if (api->options->missing == MISSING_404) {
        request_refuse(request, 404, "not_found", "no record has this id");
        return;
    }
    request->answer.status = 200;
    text_format(&request->answer.body,
                "{\"meta\":{\"read_sequence\":%" PRIu64 "},\"results\":null}",
                store_read(api->store));
}

static void answer_id(struct http_api *api, struct request *request)
{
    const char *segment;
    struct collection *collection = store_by_id_path(api->store, request->uri.path, &segment);
    size_t length = 0;
    char *id = uri_decode_segment(segment, &length);
    if (id == NULL) {
        request_refuse(request, 404, "not_found", "no such path");
        return;
    }
    if (request->uri.count > 0)
        request_refuse(request, 400, "bad_request", "unknown query key");
    else {
        uint32_t number = store_find(collection, id, length);
        if (number != STORE_NONE && request->fault == FAULT_WRONG_ID)
            number = another_record(api, collection, number);
        request->answer.status = 200;
        if (number == STORE_NONE)
            answer_missing(api, request);
        else
            write_record(api, request, collection, number);
    }
    free(id);
}

static void answer(struct http_api *api, struct request *request)
{
    unsigned status = faults_status(request->fault);
    request->answered = true;
    if (!authorized(api, request))
        request_refuse(request, 401, "unauthorized", "the bearer token is missing or wrong");
    else if (request->verdict.refused)
        request_refuse(request, 429, "too_many_requests", "the limit of this minute is used up");
    else if (status != 0)
        request_refuse(request, status, "simulated_fault", "this failure is simulated");
    else if (request->kind == REQUEST_ID)
        answer_id(api, request);
    else if (request->kind == REQUEST_LIST)
        answer_list(api, request);
    else if (request->kind == REQUEST_DIFFS)
        answer_diffs(api, request);
    else if (request->kind == REQUEST_WEBHOOKS)
        subscriptions_answer(api->subscriptions, request, store_read(api->store));
    else if (request->uri_good && strcmp(request->uri.path, INTEGRATIONS_PATH) == 0)
        answer_integrations(api, request);
    else
        answer_other(api, request);
    if (request->fault == FAULT_TRUNCATE)
        request->answer.end = ANSWER_TRUNCATED;
    if (request->fault == FAULT_RESET || request->fault == FAULT_TIMEOUT)
        request->answer.end = ANSWER_RESET;
}

static void set_limit_headers(const struct http_api *api, struct request *request)
{
    struct answer *made = &request->answer;
    made->limited = api->options->limit_per_minute > 0;
    made->limit = api->options->limit_per_minute;
    made->remaining = request->verdict.remaining;
    if (api->options->retry_after != 0 && request->verdict.refused)
        made->retry_after = request->verdict.retry_after;
}

static uint64_t delay_of(const struct http_api *api, const struct request *request)
{
    uint64_t delay = api->options->latency_ms;
    if (request->verdict.slow)
        delay += LIMITS_SLOW_MS;
    if (request->fault == FAULT_SLOW)
        delay += api->faults.ms[FAULT_SLOW];
    if (request->fault == FAULT_TIMEOUT)
        delay = api->faults.ms[FAULT_TIMEOUT];
    return delay;
}

uint64_t http_api_begin(struct http_api *api, struct request *request, int64_t now)
{
    struct http_api_counts *counts = &api->counts;
    request->kind = kind_of(api, request);
    counts->requests[request->kind]++;
    counts->in_flight++;
    if (counts->in_flight > counts->max_in_flight)
        counts->max_in_flight = counts->in_flight;
    request->verdict = limits_take(&api->limits, now);
    windows_count(&counts->windows, request->verdict.window, request->kind,
                  request->verdict.refused);
    if (request->kind != REQUEST_OTHER && !request->verdict.refused)
        request->fault = faults_draw(&api->faults, request->kind == REQUEST_ID);
    set_limit_headers(api, request);
    uint64_t delay = delay_of(api, request);
    if (random_below(&api->timing, 2) == 0)
        answer(api, request);
    return delay;
}

void http_api_finish(struct http_api *api, struct request *request)
{
    struct http_api_counts *counts = &api->counts;
    if (!request->answered)
        answer(api, request);
    counts->in_flight--;
    counts->too_many += request->answer.status == 429;
    unsigned hundreds = request->answer.status / 100;
    counts->statuses[request->answer.end == ANSWER_RESET ? 0 : hundreds]++;
}
