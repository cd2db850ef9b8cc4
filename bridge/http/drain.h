/*
 * When the steps of a server's drain are due (server.h says what they are for). No I/O; the
 * server's loop takes the steps, and asks for the next one at every turn.
 */
#ifndef BRIDGE_HTTP_DRAIN_H
#define BRIDGE_HTTP_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"

#define DRAIN_GRACE_MS     5000 /* new connections are taken for at most so long, */
#define DRAIN_QUIET_MS     1000 /* and only while the last that came is not older than this */
#define DRAIN_HANDSHAKE_MS 200  /* how long completing a connection takes */
#define DRAIN_LINGER_MS    500  /* connections that were told 503 are read for so long */

enum drain_phase {
    DRAIN_SERVING,  /* no drain */
    DRAIN_LEAVING,  /* answers close their connections; new ones are taken */
    DRAIN_REFUSING, /* no new ones begin; what the kernel has is taken */
    DRAIN_CLOSED,   /* nothing listens */
    DRAIN_OVER,     /* all is answered */
};

struct drain {
    enum drain_phase phase;
    int64_t since_ms; /* of the phase */
};

/* What the server sees now. */
struct drain_view {
    int64_t now_ms;
    int64_t came_ms;    /* when a connection or a request came last */
    bool hurry;         /* the caller's deadline is over */
    bool queue_empty;   /* no completed connection waits to be accepted */
    size_t unanswered;  /* requests */
    size_t connections; /* that are open */
};

/* Begins it; again: nothing happens. */
void drain_begin(struct drain *drain, int64_t now_ms);

/* True when the next phase has begun: its step is to be taken. */
bool drain_advance(struct drain *drain, const struct drain_view *view) MUST_CHECK;

#endif
