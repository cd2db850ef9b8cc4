/*
 * What asks the service that runs here, at its admin port, and changes nothing there.
 *
 * `drain` waits until its receiver has nothing in the spool, for a preStop hook: what the spool of
 * a receiver that is ended holds is sent only when that receiver starts again. `health` asks a
 * probe, for what looks after containers where there is neither a shell nor curl.
 */
#ifndef BRIDGE_COMMANDS_HERE_H
#define BRIDGE_COMMANDS_HERE_H

#include <stdbool.h>

#include "bridge/base/attributes.h"
#include "bridge/config/config.h"

/* `wait` is a number of seconds, or NULL. Returns the process's exit code: 0 the spool is empty, 75
 * it is not in time, 69 nobody answers. */
int command_drain(const struct config *config, const char *wait) MUST_CHECK;

/* Prints what /readyz (`ready`) or /healthz says. Returns the process's exit code: 0 it is well, 1
 * it is not, 69 nobody answers. */
int command_health(const struct config *config, bool ready) MUST_CHECK;

#endif
