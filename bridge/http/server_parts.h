/*
 * What server.c (the loop) and request.c (one request) share. For these two only.
 */
#ifndef BRIDGE_HTTP_SERVER_PARTS_H
#define BRIDGE_HTTP_SERVER_PARTS_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "bridge/base/buffer.h"
#include "bridge/http/connections.h"
#include "bridge/http/drain.h"
#include "bridge/http/listen.h"
#include "bridge/http/peers.h"
#include "bridge/http/server.h"

struct server_request {
    struct server *server;
    struct MHD_Connection *connection;
    struct connection *place; /* among the server's connections */
    const char *method;
    const char *path;
    struct buffer body;
    size_t target;    /* bytes of the path and query as they came */
    size_t discarded; /* bytes of the body that were read and not kept */
    int refused;      /* 0, or the status that the request gets whatever it is */
    int wait_s;       /* of a 429 */
    bool begun;       /* the head was read */
    bool last;        /* its connection ends with the answer */
    bool handled;
    struct MHD_Response *response; /* NULL until answered */
    unsigned status;
    void *_Atomic state;
    int more; /* server_finish is awaited so many times more; under the server's lock */
    struct server_request *next; /* in the list of finished ones */
};

struct server {
    struct server_options options;
    char address[LISTEN_ADDRESS_SIZE];
    struct MHD_Daemon *daemon;
    struct MHD_Response *plain; /* the answer that has neither body nor header; shared */
    int epoll_fd;
    int wake_fd;
    int listening; /* the daemon's, until the drain closes it */
    pthread_t thread;
    atomic_bool draining;
    atomic_bool drained;
    atomic_bool stop;
    struct drain drain; /* from here to `buffered`: loop thread only */
    int64_t swept_ms;
    size_t busy; /* requests whose head was read and that are not yet answered whole */
    struct connections connections;
    struct peers peers;
    size_t buffered; /* bytes that bodies take */
    pthread_mutex_t lock;
    struct server_request *finished; /* newest first; under `lock` */
};

/* libmicrohttpd's callbacks for a request; `context` is the server. */
void *request_on_target(void *context, const char *target, struct MHD_Connection *connection);
enum MHD_Result request_on_data(void *context, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *upload,
                                size_t *upload_size, void **slot);
void request_on_completed(void *context, struct MHD_Connection *connection, void **slot,
                          enum MHD_RequestTerminationCode code);

#endif
