/* `check`: connects to Kafka, the registry and the API, and says what is wrong. */
#ifndef BRIDGE_COMMANDS_CHECK_H
#define BRIDGE_COMMANDS_CHECK_H

#include "bridge/base/attributes.h"
#include "bridge/config/config.h"

/* Prints a line for each part. Exit code 0 when all is well, else that of the gravest finding: 78
 * before 69. */
int command_check(const struct config *config) MUST_CHECK;

#endif
