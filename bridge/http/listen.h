/* A listening TCP socket from a text such as 127.0.0.1:8080, [::1]:8080 or localhost:0. Any thread.
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

#endif
