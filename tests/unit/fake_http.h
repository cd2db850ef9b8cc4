/*
 * An HTTP server of a few lines for unit tests, on raw sockets so that it can also misbehave: a
 * thread per connection, up to FAKE_CONNECTIONS. The handler runs on those threads.
 */
#ifndef TESTS_UNIT_FAKE_HTTP_H
#define TESTS_UNIT_FAKE_HTTP_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge/base/attributes.h"

#define FAKE_CONNECTIONS 64
#define FAKE_REQUEST     65536

enum fake_then { FAKE_KEEP, FAKE_CLOSE, FAKE_RESET, FAKE_HANG };

struct fake_reply {
    char bytes[70000]; /* the whole answer as it goes over the wire */
    size_t length;
    enum fake_then then;
};

struct fake_http;

/* `request` is the head and the body, terminated. */
typedef void fake_handler(struct fake_http *server, const char *request, struct fake_reply *reply);

struct fake_http {
    int listener;
    int stop; /* eventfd: readable = everybody goes home */
    int port;
    fake_handler *handler;
    void *context;
    pthread_t acceptor;
    pthread_t threads[FAKE_CONNECTIONS];
    pthread_mutex_t mutex; /* guards what follows */
    int connections;
    int requests;
    char last[FAKE_REQUEST]; /* the last request */
};

struct fake_connection {
    struct fake_http *server;
    int fd;
};

/* False when the server stops first. */
static bool fake_readable(struct fake_http *server, int fd)
{
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = server->stop, .events = POLLIN}};
    return poll(fds, 2, -1) > 0 && fds[1].revents == 0;
}

#define FAKE_TLS_HANDSHAKE 0x16

/* Reads one request; false at the end of the connection, and when it is TLS. */
static bool fake_read(struct fake_http *server, int fd, char *request)
{
    size_t length = 0;
    size_t whole = 0;
    while (whole == 0 || length < whole) {
        if (!fake_readable(server, fd))
            return false;
        ssize_t got = recv(fd, request + length, FAKE_REQUEST - 1 - length, 0);
        if (got <= 0)
            return false;
        length += (size_t)got;
        request[length] = '\0';
        if (request[0] == FAKE_TLS_HANDSHAKE)
            return false;
        const char *end = strstr(request, "\r\n\r\n");
        const char *size = strcasestr(request, "\r\ncontent-length:");
        if (end != NULL)
            whole = (size_t)(end - request) + 4 + (size == NULL ? 0 : strtoul(size + 17, NULL, 10));
    }
    return true;
}

static void *fake_serve(void *argument)
{
    struct fake_connection *connection = argument;
    struct fake_http *server = connection->server;
    int fd = connection->fd;
    char *request = malloc(FAKE_REQUEST);
    struct fake_reply *reply = calloc(1, sizeof *reply);
    bool more = true;
    free(connection);
    while (more && fake_read(server, fd, request)) {
        pthread_mutex_lock(&server->mutex);
        server->requests++;
        memcpy(server->last, request, strlen(request) + 1);
        pthread_mutex_unlock(&server->mutex);
        reply->length = 0;
        reply->then = FAKE_KEEP;
        server->handler(server, request, reply);
        more = send(fd, reply->bytes, reply->length, MSG_NOSIGNAL) >= 0 && reply->then == FAKE_KEEP;
        if (reply->then == FAKE_HANG)
            (void)fake_readable(server, fd);
    }
    if (reply->then == FAKE_RESET)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    close(fd);
    free(request);
    free(reply);
    return NULL;
}

static void *fake_accept(void *argument)
{
    struct fake_http *server = argument;
    while (fake_readable(server, server->listener)) {
        struct fake_connection *connection = malloc(sizeof *connection);
        connection->server = server;
        connection->fd = accept(server->listener, NULL, NULL);
        pthread_mutex_lock(&server->mutex);
        int number = server->connections++;
        pthread_mutex_unlock(&server->mutex);
        if (number >= FAKE_CONNECTIONS)
            abort();
        pthread_create(&server->threads[number], NULL, fake_serve, connection);
    }
    return NULL;
}

static struct fake_http *fake_start(fake_handler *handler, void *context)
{
    struct fake_http *server = calloc(1, sizeof *server);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    server->handler = handler;
    server->context = context;
    server->stop = eventfd(0, 0);
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    pthread_mutex_init(&server->mutex, NULL);
    if (bind(server->listener, (struct sockaddr *)&address, size) != 0 ||
        listen(server->listener, 256) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &size) != 0)
        abort();
    server->port = ntohs(address.sin_port);
    pthread_create(&server->acceptor, NULL, fake_accept, server);
    return server;
}

static void fake_stop(struct fake_http *server)
{
    (void)!write(server->stop, &(uint64_t){1}, sizeof(uint64_t));
    pthread_join(server->acceptor, NULL);
    for (int i = 0; i < server->connections; i++)
        pthread_join(server->threads[i], NULL);
    close(server->listener);
    close(server->stop);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}

/* An answer with a status line, extra header lines (each with its end) and a body. */
static void fake_answer(struct fake_reply *reply, const char *status, const char *headers,
                        const void *body, size_t length)
{
    int head = snprintf(reply->bytes, sizeof reply->bytes,
                        "HTTP/1.1 %s\r\ncontent-length: %zu\r\n%s\r\n", status, length, headers);
    memcpy(reply->bytes + head, body, length);
    reply->length = (size_t)head + length;
}

/* Is `text` in the last request? */
UNUSED static bool fake_saw(struct fake_http *server, const char *text)
{
    pthread_mutex_lock(&server->mutex);
    bool seen = strcasestr(server->last, text) != NULL;
    pthread_mutex_unlock(&server->mutex);
    return seen;
}

#endif
