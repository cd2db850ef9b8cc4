/*
 * `verify`: compares what the API's lists show with the snapshots topics, and says what is missing,
 * differs or is gone; with `repair` orders that it be read again. The order goes to the events
 * topics, so that whoever owns the integration publishes: nobody else writes snapshots.
 */
#ifndef BRIDGE_COMMANDS_VERIFY_H
#define BRIDGE_COMMANDS_VERIFY_H

#include "bridge/base/attributes.h"
#include "bridge/commands/arguments.h"
#include "bridge/config/config.h"

/* Exit code 0: no difference; 1: there are some; 64: a model that cannot be verified; 69: Kafka,
 * the registry or the API is away; 78: one of them refuses. */
int command_verify(const struct config *config, const struct arguments *arguments) MUST_CHECK;

#endif
