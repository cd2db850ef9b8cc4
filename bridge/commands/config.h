/* The subcommand `config`: what is in force, and where each value comes from. */
#ifndef BRIDGE_COMMANDS_CONFIG_H
#define BRIDGE_COMMANDS_CONFIG_H

#include "bridge/config/config.h"

/* Prints the configuration to standard output, secrets masked. Returns the exit code: 0, or 70 when
 * it cannot be written. */
int command_config(const struct config *config);

#endif
