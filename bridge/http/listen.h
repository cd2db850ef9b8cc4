/*
 * A listening TCP socket from a text such as 127.0.0.1:8080, [::1]:8080 or localhost:0, and its
 * end. Any thread.
 *
 * Closing a listening socket resets the connections that the kernel has completed for it and nobody
 * has accepted, with whatever their clients have sent already. So first nothing new is let in
 * (listen_refuse), then what is there is accepted, for longer than a handshake takes, until nothing
 * is left (listen_is_empty), and only then is it closed.
 */
#ifndef BRIDGE_HTTP_LISTEN_H
#define BRIDGE_HTTP_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"

#define LISTEN_ADDRESS_SIZE 128

/* Binds and listens (non-blocking, close-on-exec) and writes the address as bound, with the port
 * that was chosen for 0. The descriptor is the caller's. On failure -1 with `error`. */
int listen_open(const char *address, char bound[LISTEN_ADDRESS_SIZE],
                struct error *error) MUST_CHECK;

/* From now on the kernel overlooks who wants to connect, as if the packet were lost: the client
 * tries again a second later, and is refused, or meets the next process, before it has sent a byte.
 * Handshakes under way are completed. Where the system does not allow this (a socket filter, see
 * socket(7), SO_ATTACH_FILTER) nothing changes. */
void listen_refuse(int fd);

/* True when no completed connection waits to be accepted. */
bool listen_is_empty(int fd) MUST_CHECK;

#endif
