/*
 * The open connections of one server, and how a drain ends them so that no request is broken.
 *
 * A client may write a request on an idle connection at the very moment at which it is closed. Who
 * just closes answers that request with a reset, or with nothing, and a client that must not repeat
 * a POST has lost it. So an idle connection is told 503 with Connection: close before its sending
 * side is closed. A request that crosses this has its answer; a client without a request under way
 * must not take it for one, and closes (RFC 9112, section 9.2). That is what 408 was made for (RFC
 * 9110, section 15.5.9); 503 says the same to whoever takes it for an answer: send it again. The
 * receiving side stays open for a moment, since closing it with bytes unread would be a reset,
 * which may destroy what the client has not read yet.
 *
 * Within TLS only the library can write: such connections are closed without this word.
 *
 * One thread: the server's loop.
 */
#ifndef BRIDGE_HTTP_CONNECTIONS_H
#define BRIDGE_HTTP_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"

enum connection_phase {
    CONNECTION_IDLE,    /* no request, or not yet its whole head */
    CONNECTION_READING, /* a request whose body is not whole */
    CONNECTION_ASKED,   /* a whole request: its answer comes, or is being sent */
    CONNECTION_TOLD,    /* 503 was said, nothing more can be */
};

struct connection {
    struct connection *previous;
    struct connection *next;
    int fd;
    enum connection_phase phase;
};

struct connections {
    struct connection *first;
    size_t count;
    bool encrypted; /* with TLS */
    int64_t
        came_ms; /* when a connection or a request came last, on the monotonic clock; 0: never */
};

/* The descriptor stays the caller's; the result lives until connections_remove. */
struct connection *connections_add(struct connections *connections, int fd) MUST_CHECK;
void connections_remove(struct connections *connections, struct connection *connection);

/* Tells 503 on all idle connections, on those with half a request too when `all`, and closes their
 * sending side. Those that were told before are left alone. */
void connections_farewell(struct connections *connections, bool all);

#endif
