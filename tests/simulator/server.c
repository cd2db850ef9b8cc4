#include "tests/simulator/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "tests/simulator/clock.h"
#include "tests/simulator/compress.h"
#include "tests/simulator/delays.h"
#include "tests/simulator/log.h"

#define ADDRESS_LENGTH   64
#define CONNECTION_BYTES ((size_t)16 << 10) /* request head and answer head */
#define BACKLOG          4096U
#define STREAM_BLOCK     ((size_t)64 << 10)
#define OTHER_FILES      1200 /* open beside the connections: webhooks, standard streams */

struct server {
    const struct control *control;
    bool gzip;
    struct MHD_Daemon *daemon;
    int epoll_fd;
    char address[ADDRESS_LENGTH];
    struct delays delays; /* of struct exchange */
    struct compressor *compressor;
};

/* One request as the library sees it. */
struct exchange {
    struct MHD_Connection *connection;
    struct request request;
    bool begun;
    bool planned;
    bool too_large;
};

static void *begin_exchange(void *context, const char *target, struct MHD_Connection *connection)
{
    (void)context;
    struct exchange *exchange = memory_get_zeroed(1, sizeof *exchange);
    exchange->connection = connection;
    exchange->request.uri_good = uri_parse(&exchange->request.uri, target);
    return exchange;
}

static void end_exchange(void *context, struct MHD_Connection *connection, void **slot,
                         enum MHD_RequestTerminationCode code)
{
    (void)context;
    (void)connection;
    (void)code;
    struct exchange *exchange = *slot;
    if (exchange == NULL)
        return;
    request_clear(&exchange->request);
    free(exchange);
    *slot = NULL;
}

/* The target is taken apart by uri.c, which must see it as it came. */
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

static ssize_t read_stream(void *context, uint64_t position, char *room, size_t size)
{
    (void)position;
    struct request *request = context;
    ssize_t length = request->answer.read(request->answer.context, room, size);
    return length >= 0 ? length : MHD_CONTENT_READER_END_OF_STREAM;
}

/* Half of the body, then an error, which ends the connection. */
static ssize_t read_truncated(void *context, uint64_t position, char *room, size_t size)
{
    const struct text *body = context;
    size_t half = body->length / 2;
    if (position >= half)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t length = half - (size_t)position < size ? half - (size_t)position : size;
    memcpy(room, body->data + position, length);
    return (ssize_t)length;
}

static struct MHD_Response *make_response(struct answer *answer, struct request *request)
{
    if (answer->read != NULL)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream,
                                                 request, NULL);
    if (answer->end == ANSWER_TRUNCATED)
        return MHD_create_response_from_callback(answer->body.length, STREAM_BLOCK, read_truncated,
                                                 &answer->body, NULL);
    size_t length = answer->body.length;
    return MHD_create_response_from_buffer(length, text_take(&answer->body), MHD_RESPMEM_MUST_FREE);
}

static void add_number(struct MHD_Response *response, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    MHD_add_response_header(response, name, text);
}

static void add_headers(struct MHD_Response *response, const struct answer *answer, bool packed)
{
    MHD_add_response_header(response, "Content-Type", "application/json");
    if (packed)
        MHD_add_response_header(response, "Content-Encoding", "gzip");
    if (answer->location != NULL)
        MHD_add_response_header(response, "Location", answer->location);
    if (answer->limited) {
        add_number(response, "x-ratelimit-limit", answer->limit);
        add_number(response, "x-ratelimit-remaining", answer->remaining);
    }
    if (answer->retry_after > 0)
        add_number(response, "Retry-After", answer->retry_after);
}

static enum MHD_Result reset(struct exchange *exchange)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    if (info != NULL)
        setsockopt(info->connect_fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    return MHD_NO;
}

static enum MHD_Result send_answer(struct server *server, struct exchange *exchange)
{
    struct answer *answer = &exchange->request.answer;
    if (answer->end == ANSWER_RESET)
        return reset(exchange);
    bool packed = false;
    const char *offer = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND,
                                                    MHD_HTTP_HEADER_ACCEPT_ENCODING);
    if (server->gzip && answer->body.length >= COMPRESS_LEAST && compress_offered(offer))
        packed = compressor_run(server->compressor, &answer->body);
    struct MHD_Response *response = make_response(answer, &exchange->request);
    if (response == NULL)
        return MHD_NO;
    add_headers(response, answer, packed);
    enum MHD_Result queued = MHD_queue_response(exchange->connection, answer->status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result finish_api(struct server *server, struct exchange *exchange)
{
    http_api_finish(server->control->api, &exchange->request);
    return send_answer(server, exchange);
}

/* The request is here as a whole. */
static enum MHD_Result answer(struct server *server, struct exchange *exchange)
{
    struct request *request = &exchange->request;
    if (exchange->planned)
        return finish_api(server, exchange);
    exchange->planned = true;
    if (exchange->too_large) {
        request_refuse(request, 413, "too_large", "the body is too large");
        return send_answer(server, exchange);
    }
    if (control_serves(request)) {
        control_answer(server->control, request);
        return send_answer(server, exchange);
    }
    int64_t now = clock_monotonic();
    uint64_t delay = http_api_begin(server->control->api, request, now);
    if (delay == 0)
        return finish_api(server, exchange);
    MHD_suspend_connection(exchange->connection);
    delays_add(&server->delays, now + (int64_t)delay, exchange);
    return MHD_YES;
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_length, void **slot)
{
    (void)url;
    (void)version;
    struct server *server = context;
    struct exchange *exchange = *slot;
    struct request *request = &exchange->request;
    if (!exchange->begun) {
        exchange->begun = true;
        return MHD_YES;
    }
    if (*upload_length > 0) {
        exchange->too_large |= request->body.length + *upload_length > SERVER_BODY_MAX;
        if (!exchange->too_large)
            text_append(&request->body, upload, *upload_length);
        *upload_length = 0;
        return MHD_YES;
    }
    request->method = method;
    request->authorization =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    return answer(server, exchange);
}

static bool parse_address(const char *text, struct sockaddr_in *address)
{
    char host[ADDRESS_LENGTH];
    const char *colon = strrchr(text, ':');
    size_t length = colon != NULL ? (size_t)(colon - text) : 0;
    if (colon == NULL || length >= sizeof host)
        return false;
    memcpy(host, text, length);
    host[length] = '\0';
    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || port > UINT16_MAX)
        return false;
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return inet_pton(AF_INET, host, &address->sin_addr) == 1;
}

/* As many files as connections and webhooks may need, where the system allows it. */
static unsigned raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return SERVER_CONNECTIONS_MAX;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > SERVER_CONNECTIONS_MAX + OTHER_FILES)
        return SERVER_CONNECTIONS_MAX;
    return limit.rlim_cur > 2 * OTHER_FILES ? (unsigned)limit.rlim_cur - OTHER_FILES
                                            : (unsigned)limit.rlim_cur / 2;
}

static bool start_daemon(struct server *server, struct sockaddr_in *address)
{
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO;
    server->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, handle, server, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)address,
        MHD_OPTION_CONNECTION_LIMIT, raise_file_limit(), MHD_OPTION_LISTEN_BACKLOG_SIZE, BACKLOG,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, MHD_OPTION_URI_LOG_CALLBACK,
        begin_exchange, server, MHD_OPTION_NOTIFY_COMPLETED, end_exchange, server,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, server, MHD_OPTION_END);
    if (server->daemon == NULL)
        return false;
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
    char host[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &address->sin_addr, host, sizeof host);
    snprintf(server->address, sizeof server->address, "%s:%u", host, (unsigned)info->port);
    info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    server->epoll_fd = info->epoll_fd;
    return true;
}

struct server *server_create(const struct options *options, const struct control *control)
{
    struct server *server = memory_get_zeroed(1, sizeof *server);
    struct sockaddr_in address;
    server->control = control;
    server->gzip = options->gzip != 0;
    server->compressor = compressor_create();
    if (server->compressor == NULL || !parse_address(options->listen, &address)) {
        log_line("error", "cannot_listen", "listen=%s message=\"want ADDRESS:PORT\"",
                 options->listen);
    } else if (!start_daemon(server, &address)) {
        log_line("error", "cannot_listen", "listen=%s message=\"%s\"", options->listen,
                 strerror(errno));
    }
    if (server->daemon != NULL)
        return server;
    server_destroy(server);
    return NULL;
}

void server_destroy(struct server *server)
{
    if (server == NULL)
        return;
    struct exchange *waiting;
    while ((waiting = delays_take(&server->delays, DELAYS_NEVER)) != NULL)
        MHD_resume_connection(waiting->connection);
    if (server->daemon != NULL)
        MHD_stop_daemon(server->daemon);
    delays_free(&server->delays);
    compressor_destroy(server->compressor);
    free(server);
}

const char *server_address(const struct server *server)
{
    return server->address;
}

int server_fd(const struct server *server)
{
    return server->epoll_fd;
}

void server_run(struct server *server, int64_t now)
{
    struct exchange *due;
    while ((due = delays_take(&server->delays, now)) != NULL)
        MHD_resume_connection(due->connection);
    MHD_run(server->daemon);
}

int64_t server_next(struct server *server, int64_t now)
{
    MHD_UNSIGNED_LONG_LONG wait;
    int64_t next = delays_next(&server->delays);
    if (MHD_get_timeout(server->daemon, &wait) == MHD_YES && now + (int64_t)wait < next)
        next = now + (int64_t)wait;
    return next;
}
