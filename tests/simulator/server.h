#ifndef SIMULATOR_SERVER_H
#define SIMULATOR_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/simulator/control.h"
#include "tests/simulator/options.h"

/*
 * HTTP by libmicrohttpd in the caller's loop. A delayed answer is a sleeping connection, so
 * thousands may wait at once. At most SERVER_CONNECTIONS_MAX connections and SERVER_BODY_MAX bytes
 * of a request's body. One thread.
 */
struct server;

#define SERVER_CONNECTIONS_MAX 16000
#define SERVER_BODY_MAX        ((size_t)64 << 20)

/* Listens. NULL when the address cannot be had; the reason is logged. Options and control must
 * outlive it. */
struct server *server_create(const struct options *options, const struct control *control);
void server_destroy(struct server *server);

/* Where it listens, ADDRESS:PORT. */
const char *server_address(const struct server *server);

/* Readable when server_run() has something to do. */
int server_fd(const struct server *server);

/* Does what is to be done at `now` (monotonic milliseconds), without waiting. */
void server_run(struct server *server, int64_t now);

/* When server_run() is to be called again at the latest; DELAYS_NEVER = when server_fd() is
 * readable. */
int64_t server_next(struct server *server, int64_t now);

#endif
