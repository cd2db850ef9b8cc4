#include "tests/simulator/control.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulator/truth.h"

#define PREFIX        "/_sim/"
#define SENT_STANDARD 100

bool control_serves(const struct request *request)
{
    return request->uri.path != NULL && strncmp(request->uri.path, PREFIX, sizeof PREFIX - 1) == 0;
}

static void bad_request(struct request *request, const char *problem)
{
    request_refuse(request, 400, "bad_request", problem);
}

static void answer_done(struct request *request)
{
    request->answer.status = 200;
    text_add(&request->answer.body, "{\"done\":true}\n");
}

static struct collection *wanted_collection(const struct control *control, struct request *request,
                                            const char *model)
{
    struct collection *collection = model != NULL ? store_collection(control->store, model) : NULL;
    if (collection == NULL)
        request_refuse(request, 404, "not_found", "model names none that is simulated");
    return collection;
}

static void get_truth(const struct control *control, struct request *request)
{
    const char *model = uri_value(&request->uri, "model");
    const char *changed = uri_value(&request->uri, "changed");
    const char *integration = uri_value(&request->uri, "integration_id");
    struct collection *collection = wanted_collection(control, request, model);
    if (collection == NULL)
        return;
    uint32_t number = STORE_NONE;
    if (integration != NULL) {
        number = store_integration(control->store, integration);
        if (number == STORE_NONE) {
            request_refuse(request, 404, "not_found", "integration_id names none");
            return;
        }
    }
    request->answer.status = 200;
    request->answer.context =
        truth_open(collection, number, changed != NULL && strcmp(changed, "1") == 0);
    request->answer.read = truth_read;
    request->answer.close = truth_close;
}

static void write_webhook_counts(struct text *text, const struct webhook_counts *counts)
{
    text_format(text, ",\"webhooks_sent\":%" PRIu64 ",\"webhooks_ok\":%" PRIu64, counts->sent,
                counts->ok);
    text_format(text, ",\"webhooks_retried\":%" PRIu64 ",\"webhooks_lost\":%" PRIu64,
                counts->retried, counts->lost);
    text_format(text, ",\"webhooks_late\":%" PRIu64 ",\"webhooks_replayed\":%" PRIu64, counts->late,
                counts->replayed);
    text_format(text, ",\"webhooks_waiting\":%" PRIu64 ",\"webhooks_dropped\":%" PRIu64,
                counts->waiting, counts->dropped);
    text_add(text, ",\"webhook_answers\":{");
    bool any = false;
    for (unsigned status = 0; status < WEBHOOKS_STATUSES; status++) {
        if (counts->statuses[status] == 0)
            continue;
        text_add(text, any ? "," : "");
        if (status == 0)
            text_add(text, "\"none\"");
        else
            text_format(text, "\"%u\"", status);
        text_format(text, ":%" PRIu64, counts->statuses[status]);
        any = true;
    }
    text_add(text, "}");
}

static void write_api_counts(struct text *text, const struct http_api_counts *counts)
{
    uint64_t total = 0;
    for (int i = 0; i < REQUEST_KINDS; i++)
        total += counts->requests[i];
    text_format(text, ",\"requests\":%" PRIu64 ",\"requests_id\":%" PRIu64, total,
                counts->requests[REQUEST_ID]);
    text_format(text, ",\"requests_list\":%" PRIu64 ",\"requests_diffs\":%" PRIu64,
                counts->requests[REQUEST_LIST], counts->requests[REQUEST_DIFFS]);
    text_format(text, ",\"requests_webhooks\":%" PRIu64 ",\"requests_other\":%" PRIu64,
                counts->requests[REQUEST_WEBHOOKS], counts->requests[REQUEST_OTHER]);
    for (unsigned i = 2; i < 6; i++)
        text_format(text, ",\"status_%uxx\":%" PRIu64, i, counts->statuses[i]);
    text_format(text, ",\"status_429\":%" PRIu64 ",\"status_none\":%" PRIu64, counts->too_many,
                counts->statuses[0]);
    text_format(text, ",\"in_flight\":%" PRIu64 ",\"max_in_flight\":%" PRIu64, counts->in_flight,
                counts->max_in_flight);
}

static void write_windows(struct text *text, const struct control *control)
{
    const struct http_api_counts *counts = http_api_counts(control->api);
    text_add(text, ",\"windows\":");
    windows_write(text, &counts->windows, counts->windows_started_at, control->minute_ms);
}

static void get_stats(const struct control *control, struct request *request)
{
    struct text *text = &request->answer.body;
    struct change_counts changes;
    struct webhook_counts webhooks;
    changes_counts(control->changes, &changes);
    webhooks_counts(control->webhooks, &webhooks);
    request->answer.status = 200;
    text_format(text, "{\"changes\":%" PRIu64 ",\"changes_new\":%" PRIu64, changes.made,
                changes.made_new);
    text_format(text, ",\"changes_last_seen\":%" PRIu64 ",\"deleted\":%" PRIu64 ",\"running\":%s",
                changes.made_last_seen, changes.deleted, changes.running ? "true" : "false");
    text_format(text, ",\"diffs_kept\":%" PRIu64, diffs_kept(control->diffs));
    write_webhook_counts(text, &webhooks);
    write_api_counts(text, http_api_counts(control->api));
    write_windows(text, control);
    text_format(text, ",\"read_sequence\":%" PRIu64 ",\"records\":{", control->store->sequence);
    for (unsigned i = 0; i < control->store->count; i++) {
        const struct collection *collection = &control->store->collections[i];
        text_format(text, "%s\"%s\":%" PRIu32, i > 0 ? "," : "", collection->layout.model->name,
                    collection->alive);
    }
    text_add(text, "},\"integrations\":[");
    for (uint64_t i = 0; i < control->store->values.integrations; i++)
        text_format(text, "%s\"%s\"", i > 0 ? "," : "", control->store->integrations[i]);
    text_add(text, "]}\n");
}

static void get_sent(const struct control *control, struct request *request)
{
    const char *text = uri_value(&request->uri, "limit");
    uint64_t limit = text != NULL ? strtoull(text, NULL, 10) : SENT_STANDARD;
    request->answer.status = 200;
    webhooks_write_sent(control->webhooks, &request->answer.body, limit);
}

static void get_webhooks(const struct control *control, struct request *request)
{
    request->answer.status = 200;
    subscriptions_write(control->subscriptions, &request->answer.body);
}

static void write_told(struct text *text, const struct store *store, const struct told *told)
{
    const struct collection *collection = &store->collections[told->change.collection];
    const struct state *state = collection->records[told->change.number].state;
    size_t length = 4;
    const char *id = "null";
    if (state != NULL)
        id = state_get(state, (unsigned)collection->layout.id, &length);
    text_format(text, "{\"model\":\"%s\",\"id\":", collection->layout.model->name);
    text_append(text, id, length);
    text_format(text, ",\"sequence\":%" PRIu64 ",\"seen_only\":%s", told->change.sequence,
                told->change.seen_only ? "true" : "false");
    text_format(text, ",\"queued_at\":%" PRId64 ",\"ended_at\":%" PRId64 ",\"outcome\":\"%s\"}\n",
                told->queued_at, told->ended_at, delivery_outcome_name(told->outcome));
}

static void get_told(const struct control *control, struct request *request)
{
    size_t count;
    struct told *told = webhooks_told(control->webhooks, &count);
    request->answer.status = 200;
    for (size_t i = 0; i < count; i++)
        write_told(&request->answer.body, control->store, &told[i]);
    free(told);
}

/* The body as an object without members other than the named ones; an empty body is an empty
 * object. NULL = refused. */
static cJSON *read_body(struct request *request, const char *const *names)
{
    cJSON *body = request->body.length == 0
                      ? cJSON_CreateObject()
                      : cJSON_ParseWithLength(request->body.data, request->body.length);
    const char *problem = cJSON_IsObject(body) ? NULL : "the body must be a JSON object";
    const cJSON *member;
    cJSON_ArrayForEach(member, body)
    {
        bool known = false;
        for (unsigned i = 0; names[i] != NULL && problem == NULL && !known; i++)
            known = strcmp(names[i], member->string) == 0;
        if (!known && problem == NULL)
            problem = "the body has a member that this page does not know";
    }
    if (problem == NULL)
        return body;
    bad_request(request, problem);
    cJSON_Delete(body);
    return NULL;
}

static const char *string_of(const cJSON *body, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(body, name));
}

/* True when the member is absent, or a number from 0 to most. */
static bool number_fits(const cJSON *body, const char *name, double most)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(body, name);
    if (member == NULL)
        return true;
    return cJSON_IsNumber(member) && member->valuedouble >= 0 && member->valuedouble <= most;
}

static const char *start_problem(const cJSON *body)
{
    const char *url = string_of(body, "webhook_url");
    const char *shape = string_of(body, "shape");
    enum shape ignored;
    if (cJSON_HasObjectItem(body, "webhook_url") && (url == NULL || strncmp(url, "http", 4) != 0))
        return "webhook_url must be an http or https URL";
    if (cJSON_HasObjectItem(body, "shape") && (shape == NULL || !options_shape(shape, &ignored)))
        return "shape must be A, B, C, A0 or mixed";
    if (!number_fits(body, "rate", 1e6))
        return "rate must be 0 to 1000000";
    if (!number_fits(body, "changes", 1e12))
        return "changes must be 0 to 1000000000000";
    return NULL;
}

static void post_start(const struct control *control, struct request *request)
{
    static const char *const names[] = {"webhook_url", "rate", "changes", "shape", NULL};
    cJSON *body = read_body(request, names);
    if (body == NULL)
        return;
    const char *problem = start_problem(body);
    if (problem != NULL) {
        bad_request(request, problem);
        cJSON_Delete(body);
        return;
    }
    const cJSON *rate = cJSON_GetObjectItemCaseSensitive(body, "rate");
    const cJSON *changes = cJSON_GetObjectItemCaseSensitive(body, "changes");
    const char *shape_name = string_of(body, "shape");
    enum shape shape;
    if (string_of(body, "webhook_url") != NULL)
        webhooks_set_url(control->webhooks, string_of(body, "webhook_url"));
    if (shape_name != NULL && options_shape(shape_name, &shape))
        changes_set_shape(control->changes, shape);
    if (rate != NULL)
        changes_set_rate(control->changes, rate->valuedouble);
    changes_start(control->changes, changes != NULL ? (uint64_t)changes->valuedouble : 0);
    answer_done(request);
    cJSON_Delete(body);
}

static void post_stop(const struct control *control, struct request *request)
{
    changes_stop(control->changes);
    answer_done(request);
}

static void change(const struct control *control, struct request *request, const cJSON *body)
{
    const char *id = string_of(body, "id");
    const cJSON *fields = cJSON_GetObjectItemCaseSensitive(body, "fields");
    const cJSON *webhook = cJSON_GetObjectItemCaseSensitive(body, "webhook");
    struct collection *collection = wanted_collection(control, request, string_of(body, "model"));
    if (collection == NULL)
        return;
    uint32_t number = id != NULL ? store_find(collection, id, strlen(id)) : STORE_NONE;
    const char *problem;
    if ((fields != NULL && !cJSON_IsObject(fields)) || (webhook != NULL && !cJSON_IsBool(webhook)))
        bad_request(request, "fields must be an object and webhook true or false");
    else if (number == STORE_NONE)
        request_refuse(request, 404, "not_found", "id names no record");
    else if (!changes_make(control->changes, collection, number, fields, !cJSON_IsFalse(webhook),
                           &problem))
        bad_request(request, problem);
    else
        answer_done(request);
}

static void post_change(const struct control *control, struct request *request)
{
    static const char *const names[] = {"model", "id", "fields", "webhook", NULL};
    cJSON *body = read_body(request, names);
    if (body != NULL)
        change(control, request, body);
    cJSON_Delete(body);
}

static void post_delete(const struct control *control, struct request *request)
{
    const char *id = uri_value(&request->uri, "id");
    struct collection *collection =
        wanted_collection(control, request, uri_value(&request->uri, "model"));
    if (collection == NULL)
        return;
    uint32_t number = id != NULL ? store_find(collection, id, strlen(id)) : STORE_NONE;
    if (number == STORE_NONE) {
        request_refuse(request, 404, "not_found", "id names no record");
        return;
    }
    changes_delete(control->changes, collection, number);
    answer_done(request);
}

static void post_fault(const struct control *control, struct request *request)
{
    static const char *const names[] = {"spec", NULL};
    cJSON *body = read_body(request, names);
    const char *spec = string_of(body, "spec");
    const char *problem = "spec must be a string";
    if (body != NULL && (spec == NULL || !http_api_set_faults(control->api, spec, &problem)))
        bad_request(request, problem);
    else if (body != NULL)
        answer_done(request);
    cJSON_Delete(body);
}

struct page {
    const char *method;
    const char *name;
    void (*answer)(const struct control *control, struct request *request);
};

static const struct page pages[] = {
    {"GET", "truth", get_truth},     {"GET", "stats", get_stats},
    {"GET", "sent", get_sent},       {"GET", "told", get_told},
    {"POST", "start", post_start},   {"POST", "stop", post_stop},
    {"POST", "change", post_change}, {"POST", "delete", post_delete},
    {"POST", "fault", post_fault},   {"GET", "webhooks", get_webhooks},
};

void control_answer(const struct control *control, struct request *request)
{
    if (!request->uri_good) {
        bad_request(request, "the target has characters that must be percent-encoded");
        return;
    }
    const char *name = request->uri.path + sizeof PREFIX - 1;
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (strcmp(pages[i].name, name) != 0)
            continue;
        if (strcmp(pages[i].method, request->method) == 0)
            pages[i].answer(control, request);
        else
            request_refuse(request, 405, "method_not_allowed", pages[i].method);
        return;
    }
    request_refuse(request, 404, "not_found", "no such page");
}
