/* What stands behind a subcommand's name on the command line. */
#ifndef BRIDGE_COMMANDS_ARGUMENTS_H
#define BRIDGE_COMMANDS_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"

#define SETS_MAXIMUM  256
#define NAMES_MAXIMUM 128

struct arguments {
    const char *file;
    const char *sets[SETS_MAXIMUM];
    size_t set_count;
    const char *word; /* a subcommand's own word: plan, apply, ... */

    /* Of subcommands that take a scope. */
    const char *integration; /* NULL = not named */
    const char *models[NAMES_MAXIMUM];
    size_t model_count; /* 0 = all */
    bool all;           /* integrations */
    bool follow;

    /* Of subcommands that take a URL. */
    const char *url; /* NULL = not given */
    bool json;
    bool rotate;
};

/* Groups of options; a set of bits. */
enum syntax_options {
    SYNTAX_SCOPE = 1, /* --integration ID | --all, --model M..., --follow */
    SYNTAX_URL = 2,   /* --url URL, which must be given, --json, --rotate */
};

/* What a subcommand understands. */
struct syntax {
    const char *name;
    const char *words; /* of which one must follow, separated by spaces; NULL: none */
    unsigned options;  /* enum syntax_options */
};

/* Reads argv from the third on; borrows its texts. False with a sentence on standard error. */
bool arguments_parse(const struct syntax *syntax, int argc, char **argv,
                     struct arguments *arguments) MUST_CHECK;

#endif
