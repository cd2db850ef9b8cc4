/*
 * `erase`: answers a request to erase a record. Orders it at every partition of the model's events,
 * since nobody knows in which one its integration is, and returns when the enrichers have carried
 * it out (enricher/erasing.c says what that is). `--lift` ends it: the record's next change, or
 * `verify --repair`, brings it back.
 */
#ifndef BRIDGE_COMMANDS_ERASE_H
#define BRIDGE_COMMANDS_ERASE_H

#include "bridge/commands/arguments.h"
#include "bridge/config/config.h"

/* The exit code: 0 when it is done; 75 when it is ordered, and no enricher has carried it out on
 * every partition within a minute; 64, 69 or 78 as everywhere. */
int command_erase(const struct config *config, const struct arguments *arguments);

#endif
