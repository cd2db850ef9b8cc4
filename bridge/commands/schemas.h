/*
 * `schemas list` shows what the registry holds for each configured model, `schemas check` whether
 * our schemas could follow on it, `schemas register` registers them.
 */
#ifndef BRIDGE_COMMANDS_SCHEMAS_H
#define BRIDGE_COMMANDS_SCHEMAS_H

#include "bridge/base/attributes.h"
#include "bridge/config/config.h"

enum schemas_action { SCHEMAS_LIST, SCHEMAS_CHECK, SCHEMAS_REGISTER };

/* Prints a line for each model that has snapshots. Exit code 0: done; 1: one of the schemas is not
 * compatible, and none was registered; 69: the registry is away; 78: it refuses us, or registry.url
 * is not set. */
int command_schemas(const struct config *config, enum schemas_action action) MUST_CHECK;

#endif
