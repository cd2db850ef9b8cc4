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
 * And how connections end whose time is over. A sender that lets its bytes drip keeps a connection
 * for as long as it likes if only silence is timed; so a head is timed from its first byte on, and
 * a body from its head on. That the first byte is there is seen by what the kernel counts of the
 * connection (TCP_INFO), without reading it. It is asked in sweeps only: a connection that is busy
 * costs nothing. The first sweep that finds a connection at rest also learns when the last byte
 * came; what came within CONNECTION_NEAR_MS of the answer belongs to the request before it. So who
 * sends a head's first bytes that early, and then no more, has the time of an idle connection; with
 * his next byte that of a head begins. The fuller the house, the shorter the time that an idle
 * connection has.
 *
 * One thread: the server's loop.
 */
#ifndef BRIDGE_HTTP_CONNECTIONS_H
#define BRIDGE_HTTP_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/http/peers.h"

/* The kernel's clock for this goes by ticks of up to 10 ms. */
#define CONNECTION_NEAR_MS 20

enum connection_phase {
    CONNECTION_IDLE,    /* no request, or not yet its whole head */
    CONNECTION_READING, /* a request whose body is not whole */
    CONNECTION_ASKED,   /* a whole request: its answer comes, or is being sent */
    CONNECTION_TOLD,    /* 503 or 408 was said, nothing more can be */
};

struct connection {
    struct connection *previous;
    struct connection *next;
    int fd;
    enum connection_phase phase;
    int64_t since_ms;      /* of the phase */
    int64_t head_began_ms; /* CONNECTION_IDLE: when a byte of the next head was seen; 0: none yet */
    bool was_asked;        /* CONNECTION_IDLE: what follows is known */
    uint64_t received;     /* bytes that had come when it began */
    struct address address;
    struct peer *peer; /* NULL: not counted */
};

struct connections {
    struct connection *first;
    size_t count;
    bool encrypted; /* with TLS */
    int64_t
        came_ms; /* when a connection or a request came last, on the monotonic clock; 0: never */
};

/* The descriptor stays the caller's; the result lives until connections_remove. */
struct connection *connections_add(struct connections *connections, int fd,
                                   int64_t now_ms) MUST_CHECK;
void connections_remove(struct connections *connections, struct connection *connection);

/* A head was read; an answer was sent whole. */
void connection_reads(struct connection *connection, int64_t now_ms);
void connection_rests(struct connection *connection, int64_t now_ms);

/* Nothing more comes or goes; whoever owns the descriptor closes it. */
void connection_cut(struct connection *connection);

/* Milliseconds; `most` is the number of connections that there may be. */
struct connection_times {
    int64_t now_ms;
    int64_t head_ms;
    int64_t body_ms;
    int64_t idle_ms;
    size_t most;
};

/* Tells 408 and closes what takes too long; returns how many that were. Idle ones are told 503,
 * those that were told are cut a second later. To be called about twice a second. */
size_t connections_sweep(struct connections *connections, const struct connection_times *times);

/* Tells 503 on all idle connections, on those with half a request too when `all`, and closes their
 * sending side. Those that were told before are left alone. */
void connections_farewell(struct connections *connections, bool all);

#endif
