/*
 * Tells the service manager how the process is doing, by systemd's protocol (sd_notify(3)): one
 * datagram to the socket that NOTIFY_SOCKET names. Without that nothing happens. Any thread.
 */
#ifndef BRIDGE_BASE_NOTIFY_H
#define BRIDGE_BASE_NOTIFY_H

#include <stdbool.h>

/* Such as "READY=1" or "STOPPING=1". False when it was not sent. It never waits: a manager that
 * does not read holds nothing up. What it must hear, that the process is ready, is said again. */
bool notify(const char *state);

#endif
