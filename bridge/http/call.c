/* Requests that are waited for, on top of those that call back. */
#include <stdlib.h>

#include "bridge/base/memory.h"
#include "bridge/http/client.h"

#define POLL_MS 1000

struct call {
    struct http_answer *answer;
    struct error *error;
    bool done;
    bool ok;
};

static enum verdict verdict_of(enum http_outcome outcome)
{
    switch (outcome) {
    case HTTP_TLS:
    case HTTP_REDIRECTS:
        return VERDICT_CONFIGURATION;
    case HTTP_TOO_LARGE:
        return VERDICT_ABORT;
    default:
        return VERDICT_RETRY;
    }
}

static void end_call(void *context, const struct http_answer *answer)
{
    struct call *call = context;
    call->done = true;
    call->ok = answer->outcome == HTTP_ANSWERED;
    if (call->ok) {
        *call->answer = *answer;
        call->answer->body = memory_text_n(answer->body, answer->length);
        call->answer->problem = "";
    } else {
        error_set(call->error, verdict_of(answer->outcome), "%s: %s",
                  http_outcome_name(answer->outcome), answer->problem);
    }
}

bool http_client_send(struct http_client *client, const struct http_request *request,
                      struct http_answer *answer, struct error *error)
{
    struct call call = {.answer = answer, .error = error};
    if (!http_client_start(client, request, end_call, &call, error))
        return false;
    while (!call.done)
        http_client_poll(client, NULL, 0, POLL_MS);
    return call.ok;
}

bool http_client_call(struct http_client *client, const char *url, const char *content_type,
                      const char *body, struct http_answer *answer, struct error *error)
{
    struct http_request request = {.method = body == NULL ? HTTP_GET : HTTP_POST,
                                   .url = url,
                                   .content_type = content_type,
                                   .body = body};
    return http_client_send(client, &request, answer, error);
}

void http_answer_free(struct http_answer *answer)
{
    free((void *)(uintptr_t)answer->body);
    answer->body = NULL;
}
