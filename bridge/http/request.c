#include "bridge/http/server_parts.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/http/guard.h"

/* A body that is too large is read on to its end up to here, so that the sender sees the 413 and
 * not a reset; a still larger one is cut off. */
#define DISCARD_MAXIMUM ((size_t)16 << 20)

static enum MHD_Result queue_answer(struct server_request *request)
{
    return MHD_queue_response(request->connection, request->status, request->response);
}

void *request_on_target(void *context, const char *target, struct MHD_Connection *connection)
{
    struct server *server = context;
    struct server_request *request = memory_new(1, sizeof *request);
    *request = (struct server_request){
        .server = server,
        .connection = connection,
        .place =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context,
        .target = strlen(target),
        .body = buffer_new(server->options.limits.max_body)};
    return request;
}

struct head_reading {
    struct guard_head *head;
    const char *forwarded; /* X-Forwarded-For; NULL when there is not exactly one */
    size_t forwarded_count;
};

/* Names differ in their first letter mostly, which is looked at before the whole is. The bits that
 * are left out make a letter's case, and what is no letter; the call sees those. */
static bool is_name(const char *name, const char *wanted)
{
    return ((*name ^ *wanted) & 0x5f) == 0 && strcasecmp(name, wanted) == 0;
}

static enum MHD_Result read_header(void *context, enum MHD_ValueKind kind, const char *name,
                                   size_t name_length, const char *value, size_t length)
{
    struct head_reading *reading = context;
    struct guard_head *head = reading->head;
    (void)kind;
    if (value == NULL)
        value = "";
    head->headers++;
    head->strange = head->strange || !guard_header(name, name_length, value, length);
    if (is_name(name, MHD_HTTP_HEADER_CONTENT_LENGTH)) {
        head->content_length = value;
        head->content_lengths++;
    } else if (is_name(name, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
        head->transfer_encoding = value;
        head->transfer_encodings++;
    } else if (is_name(name, MHD_HTTP_HEADER_HOST)) {
        head->hosts++;
    } else if (is_name(name, "x-forwarded-for")) {
        reading->forwarded = reading->forwarded_count++ == 0 ? value : NULL;
    }
    return MHD_YES;
}

/* What is wrong with the head ends its connection, since nobody knows where it ends. */
static bool refuse_head(struct server_request *request, const struct guard_head *head)
{
    struct guard_verdict verdict = guard_judge(head);
    if (verdict.status == 0 && head->content_lengths > 0 &&
        strtoull(head->content_length, NULL, 10) > DISCARD_MAXIMUM)
        verdict = (struct guard_verdict){413, "too-large", "the body is too large"};
    if (verdict.status == 0)
        return false;
    metrics_add(METRIC_HTTP_REFUSED_HEAD, 1);
    request->last = true;
    server_answer_error(request, verdict.status, verdict.code, verdict.message, NULL);
    return true;
}

static size_t head_size(const struct server_request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return info == NULL ? 0 : info->header_size;
}

/* The head is there. True when it is answered already. */
static bool begin(struct server_request *request, const char *method, const char *path,
                  const char *version)
{
    struct server *server = request->server;
    const struct server_limits *limits = &server->options.limits;
    struct guard_head head = {.version = version,
                              .size = head_size(request),
                              .target = request->target,
                              .max_size = limits->max_head,
                              .max_headers = limits->max_headers,
                              .max_target = limits->max_target};
    struct head_reading reading = {.head = &head};
    int64_t now_ms = clock_ms();
    request->begun = true;
    request->method = method;
    request->path = path;
    server->busy++;
    server->connections.came_ms = now_ms;
    if (request->place->phase == CONNECTION_IDLE)
        connection_reads(request->place, now_ms);
    (void)MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, read_header, &reading);
    request->last = head.transfer_encodings > 0;
    if (refuse_head(request, &head))
        return true;
    struct address client =
        peers_client(&server->peers, &request->place->address, reading.forwarded);
    request->wait_s = peers_wait_s(&server->peers, &client, now_ms);
    if (request->wait_s > 0)
        request->refused = MHD_HTTP_TOO_MANY_REQUESTS;
    return false;
}

static void drop_body(struct server_request *request)
{
    request->server->buffered -= request->body.capacity;
    buffer_free(&request->body);
}

/* What is refused is read to its end and not kept: only then does the sender read the answer. */
static enum MHD_Result take_body(struct server_request *request, const char *data, size_t *size)
{
    struct server *server = request->server;
    size_t capacity = request->body.capacity;
    if (request->refused == 0 && !buffer_append(&request->body, data, *size))
        request->refused = MHD_HTTP_CONTENT_TOO_LARGE;
    server->buffered += request->body.capacity - capacity;
    if (request->refused == 0 && server->buffered > server->options.limits.max_buffered)
        request->refused = MHD_HTTP_SERVICE_UNAVAILABLE;
    if (request->refused != 0) {
        request->discarded += *size;
        drop_body(request);
    }
    *size = 0;
    return request->discarded > DISCARD_MAXIMUM ? MHD_NO : MHD_YES;
}

static void answer_refused(struct server_request *request)
{
    char header[40];
    switch (request->refused) {
    case MHD_HTTP_TOO_MANY_REQUESTS:
        metrics_add(METRIC_HTTP_REFUSED_RATE, 1);
        (void)snprintf(header, sizeof header, "retry-after: %d", request->wait_s);
        server_answer_error(request, request->refused, "too-many-requests",
                            "this address sends more requests than it may", header);
        break;
    case MHD_HTTP_SERVICE_UNAVAILABLE:
        metrics_add(METRIC_HTTP_REFUSED_ROOM, 1);
        server_answer_error(request, request->refused, "unavailable",
                            "too many bodies at once; send it again", "retry-after: 1");
        break;
    default:
        metrics_add(METRIC_HTTP_REFUSED_BODY, 1);
        server_answer_error(request, request->refused, "too-large",
                            "the body is longer than is taken", NULL);
        break;
    }
}

static void handle(struct server_request *request)
{
    struct server *server = request->server;
    request->handled = true;
    if (request->place->phase == CONNECTION_TOLD) {
        server_answer_error(request, MHD_HTTP_SERVICE_UNAVAILABLE, "unavailable", "was told", NULL);
        return;
    }
    request->place->phase = CONNECTION_ASKED;
    if (request->refused != 0)
        answer_refused(request);
    else
        server->options.handle(server->options.context, request);
}

enum MHD_Result request_on_data(void *context, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *upload,
                                size_t *upload_size, void **slot)
{
    struct server_request *request = *slot;
    (void)context;
    if (!request->begun)
        return begin(request, method, url, version) ? queue_answer(request) : MHD_YES;
    if (*upload_size > 0)
        return take_body(request, upload, upload_size);
    if (!request->handled)
        handle(request);
    if (request->response != NULL)
        return queue_answer(request);
    drop_body(request); /* whoever answers later has what it needs of it */
    MHD_suspend_connection(connection);
    return MHD_YES;
}

void request_on_completed(void *context, struct MHD_Connection *connection, void **slot,
                          enum MHD_RequestTerminationCode code)
{
    struct server *server = context;
    struct server_request *request = *slot;
    (void)connection;
    (void)code;
    if (request == NULL)
        return;
    if (request->response != NULL && request->response != server->plain)
        MHD_destroy_response(request->response);
    if (request->begun)
        server->busy--;
    if (request->place->phase != CONNECTION_TOLD)
        connection_rests(request->place, clock_ms());
    drop_body(request);
    free(request);
    *slot = NULL;
}

const char *server_method(const struct server_request *request)
{
    return request->method;
}

const char *server_path(const struct server_request *request)
{
    return request->path;
}

const char *server_body(const struct server_request *request, size_t *length)
{
    *length = request->body.length;
    return buffer_text(&request->body);
}

struct wanted_headers {
    struct server_header *headers;
    size_t count;
};

static enum MHD_Result find_header(void *context, enum MHD_ValueKind kind, const char *key,
                                   size_t key_length, const char *value, size_t length)
{
    const struct wanted_headers *wanted = context;
    (void)kind;
    (void)key_length;
    for (size_t i = 0; i < wanted->count; i++) {
        struct server_header *header = &wanted->headers[i];
        if (!is_name(key, header->name))
            continue;
        if (header->count == 0)
            header->value = value;
        header->count += value == NULL || strlen(value) == length ? 1 : 2;
    }
    return MHD_YES;
}

void server_headers(const struct server_request *request, struct server_header *headers,
                    size_t count)
{
    struct wanted_headers wanted = {headers, count};
    (void)MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, find_header, &wanted);
}

void server_set_state(struct server_request *request, void *state)
{
    request->state = state;
}

void *server_state(const struct server_request *request)
{
    return request->state;
}

static void add_headers(struct MHD_Response *response, const char *headers)
{
    char *copy = memory_text(headers);
    char *rest = NULL;
    for (char *line = strtok_r(copy, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *colon = strchr(line, ':');
        *colon = '\0';
        (void)MHD_add_response_header(response, line, colon + 1 + strspn(colon + 1, " "));
    }
    free(copy);
}

/* Of a request that is not as it should be nobody knows for certain where it ends, and
 * libmicrohttpd forgives more than a head shows: chunks whose lines end in other ways, heads that
 * end at a line without a name. What comes behind is not read then. Where the request was right and
 * we were not able, the connection stays. */
static bool ends_connection(const struct server_request *request, int status)
{
    bool is_wrong = status >= 400 && status != MHD_HTTP_CONTENT_TOO_LARGE &&
                    status != MHD_HTTP_TOO_MANY_REQUESTS && status != MHD_HTTP_SERVICE_UNAVAILABLE;
    return is_wrong || request->last || request->server->drain.phase != DRAIN_SERVING;
}

void server_answer(struct server_request *request, int status, const char *content_type,
                   const char *body, const char *header)
{
    bool ends = ends_connection(request, status);
    request->status = (unsigned)status;
    if (*body == '\0' && header == NULL && !ends) {
        request->response = request->server->plain;
        return;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(body), (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);
    if (response == NULL) {
        log_error("out_of_memory", LOG_TEXT("in", "http answer"));
        abort();
    }
    if (*body != '\0')
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    if (header != NULL)
        add_headers(response, header);
    if (ends)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    request->response = response;
}

void server_answer_error(struct server_request *request, int status, const char *code,
                         const char *message, const char *header)
{
    cJSON *answer = cJSON_CreateObject();
    cJSON *inner = cJSON_AddObjectToObject(answer, "error");
    (void)cJSON_AddStringToObject(inner, "code", code);
    (void)cJSON_AddStringToObject(inner, "message", message);
    char *text = cJSON_PrintUnformatted(answer);
    server_answer(request, status, "application/json", text == NULL ? "{}" : text, header);
    cJSON_free(text);
    cJSON_Delete(answer);
}
