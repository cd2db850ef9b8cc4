/*
 * `run`, `receive` and `enrich`: starts the parts, says ready, waits for signals, drains.
 *
 * Signals are ordinary events of the main thread: the first SIGTERM or SIGINT drains within a
 * deadline, a second leaves at once.
 */
#ifndef BRIDGE_COMMANDS_SERVICE_H
#define BRIDGE_COMMANDS_SERVICE_H

#include "bridge/base/attributes.h"
#include "bridge/config/config.h"

enum service_parts {
    SERVICE_RECEIVER = 1,
    SERVICE_ENRICHER = 2,
};

/* Returns the process's exit code. */
int command_service(const struct config *config, unsigned parts) MUST_CHECK;

#endif
