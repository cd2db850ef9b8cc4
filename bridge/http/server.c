#include "bridge/http/server_parts.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"

/* MHD's own idea of an idle connection ends those that the sweep leaves alone: whose answer is not
 * read. */
#define SLACK_SECONDS 5U

#define SWEEP_MS   500
#define HEAD_SLACK ((size_t)2 << 10) /* what MHD itself puts into a connection's memory */
#define OTHER_FILES                                                              \
    256 /* descriptors that are not connections: Kafka's, the API's, the spool's \
         */
#define LONGEST_WAIT_MS 1000
#define DRAIN_TURN_MS   10
#define LAST_MS         1000 /* for what is to be sent when the server is freed */

static void wake(struct server *server)
{
    uint64_t one = 1;
    ssize_t written = write(server->wake_fd, &one, sizeof one);
    (void)written; /* full means that a wake-up is pending already */
}

/* One too many of its address is closed before a byte of it is read. */
static struct connection *enter(struct server *server, struct MHD_Connection *connection)
{
    const struct sockaddr *address =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    int64_t now_ms = clock_ms();
    struct connection *place = connections_add(&server->connections, fd, now_ms);
    place->address = address_of_socket(address);
    metrics_add(METRIC_HTTP_CONNECTIONS, 1);
    if (!peers_enter(&server->peers, &place->address, now_ms, &place->peer)) {
        metrics_add(METRIC_HTTP_CONNECTIONS_REFUSED, 1);
        connection_cut(place);
    }
    return place;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **slot,
                          enum MHD_ConnectionNotificationCode code)
{
    struct server *server = context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *slot = enter(server, connection);
        return;
    }
    struct connection *place = *slot;
    peers_leave(place->peer);
    connections_remove(&server->connections, place);
    metrics_add(METRIC_HTTP_CONNECTIONS, -1);
}

static void drain_wakes(struct server *server)
{
    uint64_t count;
    ssize_t got = read(server->wake_fd, &count, sizeof count);
    (void)got;
}

/* Some are answered while they are handled: the loop does not wake itself. */
static bool has_finished(struct server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    bool has = server->finished != NULL;
    (void)pthread_mutex_unlock(&server->lock);
    return has;
}

static struct server_request *take_finished(struct server *server)
{
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

/* Ends the connections whose time is over. */
static void sweep(struct server *server)
{
    const struct server_limits *limits = &server->options.limits;
    int64_t now_ms = clock_ms();
    if (now_ms < server->swept_ms + SWEEP_MS)
        return;
    server->swept_ms = now_ms;
    struct connection_times times = {.now_ms = now_ms,
                                     .head_ms = limits->head_ms,
                                     .body_ms = limits->body_ms,
                                     .idle_ms = limits->idle_ms,
                                     .most = limits->max_connections};
    metrics_add(METRIC_HTTP_CUT, (int64_t)connections_sweep(&server->connections, &times));
}

enum { FD_CONNECTIONS, FD_WAKE, FD_SERVE, FDS };

static void turn(struct server *server, struct pollfd fds[static FDS])
{
    bool draining = atomic_load(&server->draining);
    int64_t longest = draining ? DRAIN_TURN_MS : LONGEST_WAIT_MS;
    MHD_UNSIGNED_LONG_LONG timeout = 0;
    if (MHD_get_timeout(server->daemon, &timeout) != MHD_YES || timeout > (uint64_t)longest)
        timeout = (uint64_t)longest;
    if (has_finished(server))
        timeout = 0;
    (void)poll(fds, FDS, (int)timeout);
    health_turned(server->options.loop, clock_ms());
    if (fds[FD_SERVE].revents != 0)
        server->options.serve(server->options.context);
    if (fds[FD_WAKE].revents != 0)
        drain_wakes(server);
    finish_all(server);
    if (draining)
        drain(server);
    else
        sweep(server);
    (void)MHD_run(server->daemon);
}

static void *loop(void *context)
{
    struct server *server = context;
    struct pollfd fds[FDS] = {
        [FD_CONNECTIONS] = {.fd = server->epoll_fd, .events = POLLIN},
        [FD_WAKE] = {.fd = server->wake_fd, .events = POLLIN},
        [FD_SERVE] = {.fd = server->options.serve == NULL ? -1 : server->options.serve_fd,
                      .events = POLLIN}};
    while (!atomic_load(&server->stop))
        turn(server, fds);
    /* Sends what was just answered, and comes to the end of a drain. */
    int64_t until_ms = clock_ms() + LAST_MS;
    do
        turn(server, fds);
    while ((server->busy > 0 || server->draining != server->drained) && clock_ms() < until_ms);
    return NULL;
}

/* As MHD does it, but that an encoded zero byte stays as it is: a path does not end there. */
static size_t unescape(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strstr(text, "%00") != NULL ? strlen(text) : MHD_http_unescape(text);
}

/* As many connections as there are descriptors for, at most. */
static void fit_files(struct server *server)
{
    struct server_limits *limits = &server->options.limits;
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur >= limits->max_connections + OTHER_FILES)
        return;
    limits->max_connections = files.rlim_cur > 2 * (rlim_t)OTHER_FILES
                                  ? files.rlim_cur - OTHER_FILES
                                  : files.rlim_cur / 2;
    log_warn("few_descriptors", LOG_TEXT("server", server->options.name),
             LOG_NUMBER("connections", (int64_t)limits->max_connections));
}

static bool start_daemon(struct server *server, int listening, struct error *error)
{
    const struct server_options *options = &server->options;
    /* Without the pipe that the flag brings along: requests are resumed on the loop. */
    unsigned flags = MHD_USE_EPOLL | (MHD_ALLOW_SUSPEND_RESUME & ~(unsigned)MHD_USE_ITC);
    bool encrypted = tls_is_wanted(&options->tls);
    static char priorities[] = TLS_PRIORITIES;
    struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)tls_identify},
                                   {MHD_OPTION_HTTPS_PRIORITIES, 0, priorities},
                                   {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    if (encrypted)
        flags |= MHD_USE_TLS;
    unsigned idle_s = (unsigned)(options->limits.idle_ms / 1000) + SLACK_SECONDS;
    server->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, request_on_data, server, MHD_OPTION_LISTEN_SOCKET, listening,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, request_on_target, server,
        MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_NOTIFY_COMPLETED,
        request_on_completed, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)options->limits.max_connections,
        MHD_OPTION_CONNECTION_TIMEOUT, idle_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        options->limits.max_head + HEAD_SLACK, MHD_OPTION_ARRAY, encrypted ? tls : none,
        MHD_OPTION_END);
    if (server->daemon == NULL)
        return error_set(error, VERDICT_FATAL, "the %s's HTTP server did not start", options->name);
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    server->epoll_fd = info->epoll_fd;
    server->listening = listening;
    server->connections.encrypted = encrypted;
    return true;
}

bool server_reload(struct server *server, struct error *error)
{
    return !tls_is_wanted(&server->options.tls) || tls_load(&server->options.tls, error);
}

/* What is left when no thread and no daemon is. */
static void release(struct server *server)
{
    if (server->plain != NULL)
        MHD_destroy_response(server->plain);
    if (server->wake_fd >= 0)
        (void)close(server->wake_fd);
    if (tls_is_wanted(&server->options.tls))
        tls_unload();
    (void)pthread_mutex_destroy(&server->lock);
    peers_free(&server->peers);
    free(server);
}

struct server *server_new(const struct server_options *options, struct error *error)
{
    struct server *server = memory_new(1, sizeof *server);
    server->options = *options;
    server->peers = (struct peers){.trusted = options->limits.trusted,
                                   .trusted_count = options->limits.trusted_count,
                                   .max_connections = options->limits.max_per_address,
                                   .rate = options->limits.rate};
    server->wake_fd = -1;
    fit_files(server);
    (void)pthread_mutex_init(&server->lock, NULL);
    if (!server_reload(server, error))
        goto failed;
    int listening = listen_open(options->listen, server->address, error);
    if (listening < 0)
        goto failed;
    if (!start_daemon(server, listening, error)) {
        (void)close(listening);
        goto failed;
    }
    server->plain = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    server->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (server->plain == NULL || server->wake_fd < 0 ||
        pthread_create(&server->thread, NULL, loop, server) != 0) {
        error_set(error, VERDICT_FATAL, "the %s's HTTP thread did not start: %s", options->name,
                  strerrordesc_np(errno));
        MHD_stop_daemon(server->daemon);
        goto failed;
    }
    return server;

failed:
    release(server);
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
    release(server);
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
    if (first && !pthread_equal(pthread_self(), server->thread)) /* the loop looks by itself */
        wake(server);
}

void server_await(struct server_request *request, int times)
{
    (void)pthread_mutex_lock(&request->server->lock);
    request->more = times - 1;
    (void)pthread_mutex_unlock(&request->server->lock);
}
