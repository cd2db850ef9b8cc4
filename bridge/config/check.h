/* What concerns several keys, the machine, or what a subcommand needs. Called by config_load. */
#ifndef BRIDGE_CONFIG_CHECK_H
#define BRIDGE_CONFIG_CHECK_H

#include "bridge/config/load.h"

/* Fills what follows from other keys (output.format, bridge.instance) and reports every mistake.
 * `needs`: enum config_need. */
void check_config(struct load *load, unsigned needs);

#endif
