/*
 * What the program says of itself: help, manual page, completion for shells; made from the tables
 * of subcommands, options and configuration keys.
 */
#ifndef BRIDGE_COMMANDS_MANUAL_H
#define BRIDGE_COMMANDS_MANUAL_H

#include <stdbool.h>
#include <stdio.h>

#include "bridge/base/attributes.h"
#include "bridge/commands/catalogue.h"

/* All subcommands, a line each. */
void manual_usage(FILE *out);

/* One of them: what it does and understands, and an example. */
void manual_command(const struct command *command, FILE *out);

/* `help [TOPIC]`: a subcommand's name, `man` for the manual page in roff, `bash`, `zsh` or `fish`
 * for the completion; NULL: manual_usage. False for any other. */
bool manual_topic(const char *topic, FILE *out) MUST_CHECK;

#endif
