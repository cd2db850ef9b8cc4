#include "tests/simulator/request.h"

#include <stdlib.h>
#include <string.h>

void request_refuse(struct request *request, unsigned status, const char *code, const char *message)
{
    struct text *body = &request->answer.body;
    request->answer.status = status;
    text_clear(body);
    text_add(body, "{\"error\":{\"code\":");
    text_json(body, code, strlen(code));
    text_add(body, ",\"message\":");
    text_json(body, message, strlen(message));
    text_add(body, "}}");
}

void request_clear(struct request *request)
{
    uri_free(&request->uri);
    text_free(&request->body);
    text_free(&request->answer.body);
    free(request->answer.location);
    if (request->answer.close != NULL)
        request->answer.close(request->answer.context);
}
