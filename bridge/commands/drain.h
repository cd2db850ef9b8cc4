/*
 * `drain`: waits until the receiver that runs here has nothing in its spool, by asking its admin
 * port. For a preStop hook: what the spool of a receiver that is ended holds is sent only when that
 * receiver starts again.
 */
#ifndef BRIDGE_COMMANDS_DRAIN_H
#define BRIDGE_COMMANDS_DRAIN_H

#include "bridge/base/attributes.h"
#include "bridge/config/config.h"

/* `wait` is a number of seconds, or NULL. Returns the process's exit code: 0 the spool is empty, 75
 * it is not in time, 69 nobody answers. */
int command_drain(const struct config *config, const char *wait) MUST_CHECK;

#endif
