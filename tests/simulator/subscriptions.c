#include "tests/simulator/subscriptions.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulator/clock.h"
#include "tests/simulator/ids.h"
#include "tests/simulator/list.h"
#include "tests/simulator/models.h"

#define STREAM_IDS        UINT64_C(0x50b5)
#define SECRET_CHARACTERS 10

static const char *const triggers[] = {
    "DATA_NEW",    "DATA_UPDATE", "SYNC_COMPLETE",           "FIRST_SYNC_COMPLETE",
    "JOB_SUCCESS", "JOB_FAILURE", "WRITE_OPERATION_FAILURE", NULL};

static const char *const members[] = {"url",    "triggers", "model", "headers",
                                      "secret", "active",   NULL};

struct subscriptions {
    cJSON *items; /* an array, the oldest first */
    struct random random;
};

struct subscriptions *subscriptions_create(uint64_t seed)
{
    struct subscriptions *subscriptions = memory_get_zeroed(1, sizeof *subscriptions);
    subscriptions->items = cJSON_CreateArray();
    subscriptions->random = random_make(seed, STREAM_IDS);
    return subscriptions;
}

void subscriptions_destroy(struct subscriptions *subscriptions)
{
    cJSON_Delete(subscriptions->items);
    free(subscriptions);
}

bool subscriptions_serve(const struct uri *uri)
{
    return strncmp(uri->path, SUBSCRIPTIONS_PATH, sizeof SUBSCRIPTIONS_PATH - 1) == 0;
}

static void bad_request(struct request *request, const char *problem)
{
    request_refuse(request, 400, "bad_request", problem);
}

static bool is_among(const char *const *names, const char *text)
{
    for (unsigned i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], text) == 0)
            return true;
    }
    return false;
}

static const cJSON *member(const cJSON *body, const char *name)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(body, name);
    return cJSON_IsNull(found) ? NULL : found;
}

static const char *triggers_problem(const cJSON *list, bool of_model)
{
    const cJSON *trigger;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) == 0)
        return "triggers must be a list with one trigger at least";
    cJSON_ArrayForEach(trigger, list)
    {
        if (!cJSON_IsString(trigger) || !is_among(triggers, trigger->valuestring))
            return "a trigger is unknown";
        if (of_model && strncmp(trigger->valuestring, "DATA_", 5) != 0)
            return "a model goes with DATA_NEW and DATA_UPDATE only";
    }
    return NULL;
}

static const char *headers_problem(const cJSON *list)
{
    const cJSON *header;
    if (list != NULL && !cJSON_IsArray(list))
        return "headers must be a list";
    cJSON_ArrayForEach(header, list)
    {
        if (!cJSON_IsString(member(header, "header")) || !cJSON_IsString(member(header, "value")))
            return "a header must be {\"header\", \"value\"}";
    }
    return NULL;
}

static bool secret_fits(const cJSON *secret)
{
    size_t characters = 0;
    if (!cJSON_IsString(secret))
        return secret == NULL;
    for (const char *c = secret->valuestring; *c != '\0'; c++)
        characters += ((unsigned char)*c & 0xc0) != 0x80;
    return characters >= SECRET_CHARACTERS;
}

/* What the API would refuse in the body of a POST or PUT; NULL = nothing. */
static const char *body_problem(const cJSON *body)
{
    const cJSON *url = member(body, "url");
    const cJSON *model = member(body, "model");
    const cJSON *active = member(body, "active");
    const cJSON *item;
    if (!cJSON_IsObject(body))
        return "the body must be a JSON object";
    cJSON_ArrayForEach(item, body)
    {
        if (!is_among(members, item->string))
            return "a member of the body is unknown";
    }
    if (!cJSON_IsString(url) || (strncmp(url->valuestring, "http://", 7) != 0 &&
                                 strncmp(url->valuestring, "https://", 8) != 0))
        return "url must be an http or https URL";
    if (model != NULL && (!cJSON_IsString(model) || models_find(model->valuestring) == NULL))
        return "model is unknown";
    if (active != NULL && !cJSON_IsBool(active))
        return "active must be true or false";
    if (!secret_fits(member(body, "secret")))
        return "secret must have 10 characters at least";
    const char *problem = triggers_problem(member(body, "triggers"), model != NULL);
    return problem != NULL ? problem : headers_problem(member(body, "headers"));
}

static void add_moment(cJSON *item, const char *name)
{
    struct text text = {0};
    clock_write(&text, clock_wall(), CLOCK_FULL);
    char *moment = text_take(&text);
    cJSON_AddItemToObject(item, name, cJSON_Parse(moment));
    free(moment);
}

/* What is kept of a body: everything that it leaves out is empty, `active` false. */
static cJSON *make_item(const cJSON *body, const char *id)
{
    cJSON *item = cJSON_CreateObject();
    cJSON_AddStringToObject(item, "id", id);
    for (unsigned i = 0; members[i] != NULL; i++) {
        const cJSON *given = member(body, members[i]);
        cJSON_AddItemToObject(item, members[i],
                              given != NULL ? cJSON_Duplicate(given, true) : cJSON_CreateNull());
    }
    if (member(item, "active") == NULL)
        cJSON_ReplaceItemInObjectCaseSensitive(item, "active", cJSON_CreateFalse());
    if (member(item, "headers") == NULL)
        cJSON_ReplaceItemInObjectCaseSensitive(item, "headers", cJSON_CreateArray());
    return item;
}

static void write_tree(struct text *text, const cJSON *tree)
{
    char *printed = cJSON_PrintUnformatted(tree);
    text_add(text, printed);
    free(printed);
}

/* As the API shows it: without the secret. */
static void write_shown(struct text *text, const cJSON *item)
{
    cJSON *shown = cJSON_Duplicate(item, true);
    cJSON_DeleteItemFromObjectCaseSensitive(shown, "secret");
    write_tree(text, shown);
    cJSON_Delete(shown);
}

static void answer_result(struct request *request, const cJSON *item)
{
    request->answer.status = 200;
    text_add(&request->answer.body, "{\"result\":");
    write_shown(&request->answer.body, item);
    text_add(&request->answer.body, "}");
}

/* The body when it can be kept, to be deleted by the caller; NULL = refused. */
static cJSON *read_body(struct request *request)
{
    cJSON *body = cJSON_ParseWithLength(request->body.data, request->body.length);
    const char *problem = body_problem(body);
    if (problem == NULL)
        return body;
    bad_request(request, problem);
    cJSON_Delete(body);
    return NULL;
}

static void post(struct subscriptions *subscriptions, struct request *request)
{
    cJSON *body = read_body(request);
    if (body == NULL)
        return;
    struct text id = {0};
    ids_fresh(&id, &subscriptions->random);
    char *text = text_take(&id);
    cJSON *item = make_item(body, text);
    add_moment(item, "created_at");
    add_moment(item, "updated_at");
    cJSON_AddItemToArray(subscriptions->items, item);
    answer_result(request, item);
    free(text);
    cJSON_Delete(body);
}

static void put(struct subscriptions *subscriptions, struct request *request, cJSON *old)
{
    cJSON *body = read_body(request);
    if (body == NULL)
        return;
    cJSON *item = make_item(body, member(old, "id")->valuestring);
    cJSON_AddItemToObject(item, "created_at", cJSON_Duplicate(member(old, "created_at"), true));
    add_moment(item, "updated_at");
    cJSON_ReplaceItemViaPointer(subscriptions->items, old, item);
    answer_result(request, item);
    cJSON_Delete(body);
}

/* The newest first, as the API's lists are. */
static void get_list(const struct subscriptions *subscriptions, struct request *request,
                     uint64_t sequence)
{
    struct list_meta meta = {.limit = LIST_LIMIT_STANDARD,
                             .key = "created_at",
                             .descending = true,
                             .sequence = sequence};
    const char *problem = NULL;
    for (unsigned i = 0; i < request->uri.count && problem == NULL; i++) {
        if (!list_read_paging(&request->uri.parameters[i], &meta.offset, &meta.limit, &problem))
            problem = "unknown query key";
    }
    if (problem != NULL) {
        bad_request(request, problem);
        return;
    }
    meta.total = (uint64_t)cJSON_GetArraySize(subscriptions->items);
    uint64_t left = meta.offset < meta.total ? meta.total - meta.offset : 0;
    meta.more = left > meta.limit;
    request->answer.status = 200;
    list_write_meta(&request->answer.body, &meta);
    for (uint64_t i = 0; i < left && i < meta.limit; i++) {
        text_add(&request->answer.body, i > 0 ? "," : "");
        write_shown(&request->answer.body,
                    cJSON_GetArrayItem(subscriptions->items, (int)(left - 1 - i)));
    }
    text_add(&request->answer.body, "]}");
}

static void get_one(struct request *request, const cJSON *item, uint64_t sequence)
{
    request->answer.status = 200;
    text_format(&request->answer.body,
                "{\"meta\":{\"read_sequence\":%" PRIu64 "},\"results\":", sequence);
    write_shown(&request->answer.body, item);
    text_add(&request->answer.body, "}");
}

static cJSON *find(const struct subscriptions *subscriptions, const struct request *request)
{
    size_t length;
    char *id = uri_decode_segment(request->uri.path + sizeof SUBSCRIPTIONS_PATH - 1, &length);
    cJSON *found = NULL;
    cJSON *item;
    cJSON_ArrayForEach(item, subscriptions->items)
    {
        if (id != NULL && strcmp(member(item, "id")->valuestring, id) == 0)
            found = item;
    }
    free(id);
    return found;
}

static void answer_one(struct subscriptions *subscriptions, struct request *request,
                       uint64_t sequence)
{
    cJSON *item = find(subscriptions, request);
    if (item == NULL) {
        request_refuse(request, 404, "not_found", "no webhook has this id");
    } else if (strcmp(request->method, "GET") == 0) {
        get_one(request, item, sequence);
    } else if (strcmp(request->method, "PUT") == 0) {
        put(subscriptions, request, item);
    } else if (strcmp(request->method, "DELETE") == 0) {
        answer_result(request, item);
        cJSON_Delete(cJSON_DetachItemViaPointer(subscriptions->items, item));
    } else {
        request_refuse(request, 405, "method_not_allowed", "GET, PUT or DELETE");
    }
}

void subscriptions_answer(struct subscriptions *subscriptions, struct request *request,
                          uint64_t sequence)
{
    if (request->uri.path[sizeof SUBSCRIPTIONS_PATH - 1] != '\0')
        answer_one(subscriptions, request, sequence);
    else if (strcmp(request->method, "GET") == 0)
        get_list(subscriptions, request, sequence);
    else if (strcmp(request->method, "POST") == 0)
        post(subscriptions, request);
    else
        request_refuse(request, 405, "method_not_allowed", "GET or POST");
}

void subscriptions_write(const struct subscriptions *subscriptions, struct text *text)
{
    write_tree(text, subscriptions->items);
}
