/*
 * `backfill`: orders that the records of an integration be read from the API and published, and
 * shows how far that has come. The order goes to the events topics, so whichever instance owns the
 * integration works on it.
 */
#ifndef BRIDGE_COMMANDS_BACKFILL_H
#define BRIDGE_COMMANDS_BACKFILL_H

#include "bridge/base/attributes.h"
#include "bridge/commands/arguments.h"
#include "bridge/config/config.h"

/* Exit code 0: ordered (and with `follow` done); 1: one failed or rows are missing; 69: Kafka or
 * the API is away. */
int command_backfill(const struct config *config, const struct arguments *arguments) MUST_CHECK;

#endif
