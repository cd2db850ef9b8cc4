/*
 * The HTTP server: one loop thread runs libmicrohttpd, and a request may wait there without a
 * thread until its answer is known. Only server.c and request.c know
 * libmicrohttpd.
 *
 * Life of a request, all on the loop thread: the head and body are read (within limits), `handle`
 * is called with the whole body; it answers with server_answer, or returns without an answer, and
 * then the request sleeps. Somebody calls server_finish, in `serve` or on some other thread; the
 * loop calls `finish` for every request handed over so far, which must answer, and sends all
 * answers in one go. (Resuming one by one from another thread costs a factor of four: each resume
 * would wake the loop. So libmicrohttpd is not even told that there are other threads: it has no
 * pipe to be woken by.)
 *
 * What clients may ask of it is bounded (struct server_limits), and so is its memory: connections
 * times (CONNECTION_MEMORY and some 1.5 KiB), and max_buffered for all bodies together. Heads that
 * can be read in more than one way are refused (guard.h), slow senders are cut, addresses have
 * their shares (peers.h), and the fuller it is, the sooner idle connections must go.
 *
 * A sleeping request never times out and its client's going is not noticed: whoever lets it sleep
 * has a deadline of its own and calls server_finish exactly once.
 *
 * The drain, so that every request of which a byte came in is answered, and no connection is reset
 * after its client has sent something:
 *  1. Answers carry Connection: close from now on, so a connection ends with its answer. New
 *     connections are taken as before, for as long as some come (a load balancer needs a moment to
 *     hear that we leave), but at most 5 s.
 *  2. The kernel lets nothing new in, what it has is accepted, the listening socket is closed
 *     (listen.h). Who comes now is refused before a byte was sent.
 *  3. Connections on which no request is under way are told 503 and half closed (connections.h).
 *  4. What is under way is answered. Then, or at the caller's deadline, the end: server_free.
 */
#ifndef BRIDGE_HTTP_SERVER_H
#define BRIDGE_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/base/health.h"
#include "bridge/http/peers.h"
#include "bridge/http/tls.h"

struct server;
struct server_request;

/* What is not told (0) is not bounded, but for the first three. */
struct server_limits {
    size_t max_connections; /* further ones wait in the kernel's queue */
    size_t max_body;        /* bytes; a longer body is answered 413 before `handle` */
    size_t max_buffered;    /* bytes of all bodies at once; what is more is answered 503 */
    size_t max_head;        /* bytes of a request's head; a longer one is answered 431 or 414 */
    size_t max_headers;     /* in a head; more are answered 431 */
    size_t max_target;      /* bytes of the path and query; a longer one is answered 414 */
    size_t max_per_address; /* connections of one address */
    double rate;            /* requests a second of one address; more are answered 429 */
    int64_t head_ms;        /* a head may take so long from its first byte on, a body from its */
    int64_t body_ms;        /* head on; then the connection is told 408 and cut */
    int64_t idle_ms;        /* a connection without a request */
    const struct network *trusted; /* proxies; borrowed for the server's life */
    size_t trusted_count;
};

struct server_options {
    const char *name;      /* for the log: "receiver", "admin" */
    const char *listen;    /* host:port; port 0 chooses a free one */
    enum health_loop loop; /* as which its turns are told */
    struct server_limits limits;
    struct tls_files tls; /* borrowed for the server's life; one server of a process has some */
    void (*handle)(void *context, struct server_request *request);
    void (*finish)(void *context, struct server_request *request); /* NULL when nothing sleeps */
    /* Or NULL: called by the loop when `serve_fd` is readable. It may call server_finish. */
    void (*serve)(void *context);
    int serve_fd; /* borrowed for the server's life */
    void *context;
};

/* Binds and starts the loop thread. NULL with `error` when the address cannot be bound. */
struct server *server_new(const struct server_options *options, struct error *error) MUST_CHECK;

/* Reads the files of TLS again (tls_load); true when it has none. Any thread, one at a time. */
bool server_reload(struct server *server, struct error *error) MUST_CHECK;

/* host:port as bound. Lives as long as the server. */
const char *server_address(const struct server *server);

/* Begins the drain. Any thread. */
void server_drain(struct server *server);

/* True when all that came is answered, and nothing more can come. Any thread. */
bool server_is_drained(const struct server *server);

/* Ends the loop and closes all connections. Every sleeping request must have been finished before:
 * producers are closed first. A drain that is under way goes on without a pause: what is not whole
 * by now is told 503, and answers are given a second to be sent. NULL is allowed. */
void server_free(struct server *server);

/* The request, for `handle` and `finish`. Texts live until the request is answered. */
const char *server_method(const struct server_request *request);
const char *server_path(const struct server_request *request); /* percent-decoded, without query */
const char *server_body(const struct server_request *request, size_t *length);

/* A header that is asked for by its name; filled by server_headers. */
struct server_header {
    const char *name;
    const char *value; /* the first one's; NULL when there is none */
    size_t count;      /* how many there are; one with a zero byte in it counts as two */
};

/* Finds all of them at once. */
void server_headers(const struct server_request *request, struct server_header *headers,
                    size_t count);

/* A pointer of the handler's own, kept with the request. Any thread. */
void server_set_state(struct server_request *request, void *state);
void *server_state(const struct server_request *request);

/* Answers; loop thread only, once per request. `body` is copied; `header` is NULL or "name: value",
 * or several of these with a line feed between them. */
void server_answer(struct server_request *request, int status, const char *content_type,
                   const char *body, const char *header);

/* Answers with {"error": {"code", "message"}}. */
void server_answer_error(struct server_request *request, int status, const char *code,
                         const char *message, const char *header);

/* Hands a sleeping request back to the loop. Any thread; never blocks for long. */
void server_finish(struct server_request *request);

/* The request waits for so many calls of server_finish, not for one. In `handle`, before the first
 * of them. */
void server_await(struct server_request *request, int times);

#endif
