/*
 * A POST is read and answered 204, and nothing else is done with it. Prints where it listens and
 * ends at SIGTERM.
 */
#include <stdint.h>
#include <stdlib.h>

#include "tests/bench/bare_server.h"

static enum MHD_Result on_data(void *context, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *data,
                               size_t *size, void **seen)
{
    static const char mark;
    struct MHD_Response *answer = context;
    (void)url;
    (void)method;
    (void)version;
    (void)data;
    if (*seen == NULL || *size != 0) {
        *seen = (void *)(uintptr_t)&mark;
        *size = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_NO_CONTENT, answer);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **seen,
                         enum MHD_RequestTerminationCode code)
{
    (void)context;
    (void)connection;
    (void)code;
    *seen = NULL;
}

int main(void)
{
    struct MHD_Response *answer =
        MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    bare_serve(0, on_data, on_completed, answer, NULL);
    MHD_destroy_response(answer);
    return EXIT_SUCCESS;
}
