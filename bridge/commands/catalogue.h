/*
 * The subcommands: what each is called, what it understands, what it does. The command line, the
 * help, the manual page and the completion of shells all follow from this table and that of the
 * options (arguments.h). Constant.
 */
#ifndef BRIDGE_COMMANDS_CATALOGUE_H
#define BRIDGE_COMMANDS_CATALOGUE_H

#include <stddef.h>

#include "bridge/commands/arguments.h"
#include "bridge/config/config.h"

struct command {
    struct syntax syntax;
    const char *help;    /* what it does, in one line */
    const char *about;   /* the same in some sentences */
    const char *example; /* what stands behind `propexo-bridge` */
    unsigned needs;      /* of the configuration: bits of CONFIG_NEED_... */
    int (*call)(const struct config *config, const struct arguments *arguments);
};

extern const struct command commands[];
extern const size_t command_count;

/* The row, or NULL. */
const struct command *command_find(const char *name);

#endif
