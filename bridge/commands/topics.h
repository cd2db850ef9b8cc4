/* `topics plan` shows what is missing or differs; `topics apply` makes what is missing. */
#ifndef BRIDGE_COMMANDS_TOPICS_H
#define BRIDGE_COMMANDS_TOPICS_H

#include <stdbool.h>

#include "bridge/base/attributes.h"
#include "bridge/config/config.h"

/* Prints a line for each topic. Exit code 0: all is as planned; 1: something is missing or differs
 * (after `apply`: differs, since what exists is never changed); 69: Kafka is away. */
int command_topics(const struct config *config, bool apply) MUST_CHECK;

#endif
