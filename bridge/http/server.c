#include "bridge/http/server.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bridge/base/buffer.h"
#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/http/connections.h"
#include "bridge/http/drain.h"
#include "bridge/http/listen.h"

/* A body that is too large is read on to its end up to here, so that the sender sees the 413 and
 * not a reset; a still larger one is cut off. */
#define DISCARD_MAXIMUM ((size_t)16 << 20)

/* Head of a request and MHD's own bookkeeping, per connection. */
#define CONNECTION_MEMORY ((size_t)16 << 10)

/* Load balancers keep connections idle for 60 s (nginx, AWS): they are to be the ones that close.
 */
#define IDLE_SECONDS 75U

#define LONGEST_WAIT_MS 1000
#define DRAIN_TURN_MS   10
#define LAST_MS         1000 /* for what is to be sent when the server is freed */

struct server_request {
    struct server *server;
    struct MHD_Connection *connection;
    struct connection *place; /* among the server's connections */
    const char *method;
    const char *path;
    struct buffer body;
    size_t discarded;
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
    int epoll_fd;
    int wake_fd;
    int listening; /* the daemon's, until the drain closes it */
    pthread_t thread;
    atomic_bool draining;
    atomic_bool drained;
    atomic_bool stop;
    struct drain drain; /* these three: loop thread only */
    size_t busy;        /* requests whose head was read and that are not yet answered whole */
    struct connections connections;
    pthread_mutex_t lock;
    struct server_request *finished; /* newest first; under `lock` */
};

static void wake(struct server *server)
{
    uint64_t one = 1;
    ssize_t written = write(server->wake_fd, &one, sizeof one);
    (void)written; /* full means that a wake-up is pending already */
}

static enum MHD_Result queue_answer(struct server_request *request)
{
    return MHD_queue_response(request->connection, request->status, request->response);
}

/* A length that is over every limit is answered before a byte of the body is read. */
static bool refuse_at_once(struct server_request *request)
{
    const char *length = server_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (length == NULL || strtoull(length, NULL, 10) <= DISCARD_MAXIMUM)
        return false;
    server_answer_error(request, MHD_HTTP_CONTENT_TOO_LARGE, "too-large", "the body is too large",
                        "connection: close");
    return true;
}

static enum MHD_Result take_body(struct server_request *request, const char *data, size_t *size)
{
    if (request->discarded > 0 || !buffer_append(&request->body, data, *size)) {
        request->discarded += *size;
        buffer_free(&request->body);
    }
    *size = 0;
    return request->discarded > DISCARD_MAXIMUM ? MHD_NO : MHD_YES;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **slot,
                          enum MHD_ConnectionNotificationCode code)
{
    struct server *server = context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        *slot = connections_add(
            &server->connections,
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
    else
        connections_remove(&server->connections, *slot);
}

static struct server_request *begin_request(struct server *server,
                                            struct MHD_Connection *connection, const char *method,
                                            const char *path)
{
    struct server_request *request = memory_new(1, sizeof *request);
    *request = (struct server_request){
        .server = server,
        .connection = connection,
        .place =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context,
        .method = method,
        .path = path,
        .body = buffer_new(server->options.max_body)};
    if (request->place->phase == CONNECTION_IDLE)
        request->place->phase = CONNECTION_READING;
    server->busy++;
    server->connections.came_ms = clock_ms();
    return request;
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
    if (request->discarded > 0)
        server_answer_error(request, MHD_HTTP_CONTENT_TOO_LARGE, "too-large",
                            "the body is longer than receiver.max_body", NULL);
    else
        server->options.handle(server->options.context, request);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **slot)
{
    struct server *server = context;
    struct server_request *request = *slot;
    (void)version;
    if (request == NULL) {
        request = *slot = begin_request(server, connection, method, url);
        return refuse_at_once(request) ? queue_answer(request) : MHD_YES;
    }
    if (*upload_size > 0)
        return take_body(request, upload, upload_size);
    if (!request->handled)
        handle(request);
    if (request->response != NULL)
        return queue_answer(request);
    buffer_free(&request->body); /* whoever answers later has what it needs of it */
    MHD_suspend_connection(connection);
    return MHD_YES;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **slot,
                         enum MHD_RequestTerminationCode code)
{
    struct server *server = context;
    struct server_request *request = *slot;
    (void)connection;
    (void)code;
    if (request == NULL)
        return;
    if (request->response != NULL)
        MHD_destroy_response(request->response);
    if (request->place->phase != CONNECTION_TOLD)
        request->place->phase = CONNECTION_IDLE;
    buffer_free(&request->body);
    free(request);
    *slot = NULL;
    server->busy--;
}

static struct server_request *take_finished(struct server *server)
{
    uint64_t count;
    ssize_t got = read(server->wake_fd, &count, sizeof count);
    (void)got;
    (void)pthread_mutex_lock(&server->lock);
    struct server_request *list = server->finished;
    server->finished = NULL;
    (void)pthread_mutex_unlock(&server->lock);
    return list;
}

/* Answers all that was handed over; the list is newest first, the answers need no order. */
static void finish_all(struct server *server)
{
    struct server_request *next = NULL;
    for (struct server_request *request = take_finished(server); request != NULL; request = next) {
        next = request->next;
        server->options.finish(server->options.context, request);
        MHD_resume_connection(request->connection);
    }
}

static void close_listening(struct server *server)
{
    MHD_socket listening = MHD_quiesce_daemon(server->daemon);
    if (listening != MHD_INVALID_SOCKET)
        (void)close(listening);
}

/* Goes on with the drain as far as it can. */
static void drain(struct server *server)
{
    struct drain_view view = {.now_ms = clock_ms(),
                              .came_ms = server->connections.came_ms,
                              .hurry = atomic_load(&server->stop),
                              .unanswered = server->busy,
                              .connections = server->connections.count};
    drain_begin(&server->drain, view.now_ms);
    if (server->drain.phase == DRAIN_REFUSING)
        view.queue_empty = listen_is_empty(server->listening);
    if (drain_advance(&server->drain, &view)) {
        if (server->drain.phase == DRAIN_REFUSING)
            listen_refuse(server->listening);
        else if (server->drain.phase == DRAIN_CLOSED)
            close_listening(server);
        else
            atomic_store(&server->drained, true);
    }
    if (server->drain.phase >= DRAIN_CLOSED)
        connections_farewell(&server->connections, view.hurry);
}

static void turn(struct server *server, struct pollfd fds[static 2])
{
    bool draining = atomic_load(&server->draining);
    int64_t longest = draining ? DRAIN_TURN_MS : LONGEST_WAIT_MS;
    MHD_UNSIGNED_LONG_LONG timeout = 0;
    if (MHD_get_timeout(server->daemon, &timeout) != MHD_YES || timeout > (uint64_t)longest)
        timeout = (uint64_t)longest;
    (void)poll(fds, 2, (int)timeout);
    if (fds[1].revents != 0)
        finish_all(server);
    if (draining)
        drain(server);
    (void)MHD_run(server->daemon);
}

static void *loop(void *context)
{
    struct server *server = context;
    struct pollfd fds[] = {{.fd = server->epoll_fd, .events = POLLIN},
                           {.fd = server->wake_fd, .events = POLLIN}};
    while (!atomic_load(&server->stop))
        turn(server, fds);
    /* Sends what was just answered, and comes to the end of a drain. */
    int64_t until_ms = clock_ms() + LAST_MS;
    do
        turn(server, fds);
    while ((server->busy > 0 || server->draining != server->drained) && clock_ms() < until_ms);
    return NULL;
}

static bool start_daemon(struct server *server, int listening, struct error *error)
{
    const struct server_options *options = &server->options;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, memory_text(options->tls_certificate)},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, memory_text(options->tls_key)},
        {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    if (options->tls_certificate != NULL)
        flags |= MHD_USE_TLS;
    server->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET, listening,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, server, MHD_OPTION_CONNECTION_LIMIT, options->max_connections,
        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        CONNECTION_MEMORY, MHD_OPTION_ARRAY, options->tls_certificate != NULL ? tls : none,
        MHD_OPTION_END);
    free(tls[0].ptr_value);
    free(tls[1].ptr_value);
    if (server->daemon == NULL)
        return error_set(error, VERDICT_CONFIGURATION,
                         "the %s's HTTP server did not start: is the TLS certificate and its key "
                         "valid PEM?",
                         options->name);
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    server->epoll_fd = info->epoll_fd;
    server->listening = listening;
    server->connections.encrypted = options->tls_certificate != NULL;
    return true;
}

struct server *server_new(const struct server_options *options, struct error *error)
{
    struct server *server = memory_new(1, sizeof *server);
    server->options = *options;
    server->wake_fd = -1;
    (void)pthread_mutex_init(&server->lock, NULL);
    int listening = listen_open(options->listen, server->address, error);
    if (listening < 0)
        goto failed;
    if (!start_daemon(server, listening, error)) {
        (void)close(listening);
        goto failed;
    }
    server->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (server->wake_fd < 0 || pthread_create(&server->thread, NULL, loop, server) != 0) {
        error_set(error, VERDICT_FATAL, "the %s's HTTP thread did not start: %s", options->name,
                  strerrordesc_np(errno));
        MHD_stop_daemon(server->daemon);
        goto failed;
    }
    return server;

failed:
    if (server->wake_fd >= 0)
        (void)close(server->wake_fd);
    (void)pthread_mutex_destroy(&server->lock);
    free(server);
    return NULL;
}

const char *server_address(const struct server *server)
{
    return server->address;
}

void server_drain(struct server *server)
{
    atomic_store(&server->draining, true);
    wake(server);
}

bool server_is_drained(const struct server *server)
{
    return atomic_load(&server->drained);
}

void server_free(struct server *server)
{
    if (server == NULL)
        return;
    atomic_store(&server->stop, true);
    wake(server);
    (void)pthread_join(server->thread, NULL);
    MHD_stop_daemon(server->daemon);
    (void)close(server->wake_fd);
    (void)pthread_mutex_destroy(&server->lock);
    free(server);
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

const char *server_header(const struct server_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
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
        if (strcasecmp(key, header->name) != 0)
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

static void add_header(struct MHD_Response *response, const char *header)
{
    const char *colon = strchr(header, ':');
    char *name = memory_text_n(header, (size_t)(colon - header));
    (void)MHD_add_response_header(response, name, colon + 1 + strspn(colon + 1, " "));
    free(name);
}

void server_answer(struct server_request *request, int status, const char *content_type,
                   const char *body, const char *header)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(body), (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);
    if (response == NULL) {
        log_error("out_of_memory", LOG_TEXT("in", "http answer"));
        abort();
    }
    if (*body != '\0')
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    if (header != NULL)
        add_header(response, header);
    if (request->server->drain.phase != DRAIN_SERVING)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    request->response = response;
    request->status = (unsigned)status;
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

void server_finish(struct server_request *request)
{
    struct server *server = request->server;
    (void)pthread_mutex_lock(&server->lock);
    bool last = request->more-- == 0;
    bool first = last && server->finished == NULL;
    if (last) {
        request->next = server->finished;
        server->finished = request;
    }
    (void)pthread_mutex_unlock(&server->lock);
    if (first)
        wake(server);
}

void server_await(struct server_request *request, int times)
{
    (void)pthread_mutex_lock(&request->server->lock);
    request->more = times - 1;
    (void)pthread_mutex_unlock(&request->server->lock);
}
