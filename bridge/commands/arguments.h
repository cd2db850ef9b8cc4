/* What stands behind a subcommand's name on the command line. */
#ifndef BRIDGE_COMMANDS_ARGUMENTS_H
#define BRIDGE_COMMANDS_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"

#define SETS_MAXIMUM  256
#define NAMES_MAXIMUM 128

struct arguments {
    const char *file;
    const char *sets[SETS_MAXIMUM];
    size_t set_count;
    const char *word; /* a subcommand's own word: plan, apply, ... */

    /* Of subcommands that understand them. */
    const char *integration; /* NULL = not named */
    const char *models[NAMES_MAXIMUM];
    size_t model_count; /* 0 = all */
    const char *ignored[NAMES_MAXIMUM];
    size_t ignored_count;
    const char *limit;  /* NULL = not given */
    const char *since;  /* NULL = not given */
    const char *url;    /* NULL = not given */
    const char *code;   /* NULL = not given */
    const char *record; /* NULL = not given */
    const char *wait;   /* NULL = not given */
    unsigned given;     /* the bits of enum option that stand alone */
};

/* What a subcommand may understand beside --config and --set, as bits. */
enum option {
    OPTION_INTEGRATION = 1 << 0,
    OPTION_MODEL = 1 << 1,
    OPTION_IGNORE = 1 << 2,
    OPTION_LIMIT = 1 << 3,
    OPTION_SINCE = 1 << 4,
    OPTION_ALL = 1 << 5, /* it or --integration must be given */
    OPTION_FOLLOW = 1 << 6,
    OPTION_REPAIR = 1 << 7,
    OPTION_JSON = 1 << 8,
    OPTION_DRY_RUN = 1 << 9,
    OPTION_URL = 1 << 10, /* must be given */
    OPTION_ROTATE = 1 << 11,
    OPTION_CODE = 1 << 12,
    OPTION_RECORD = 1 << 13, /* must be given, with one --model */
    OPTION_LIFT = 1 << 14,
    OPTION_WAIT = 1 << 15,
};

struct option_row {
    enum option bit;
    const char *name;  /* "--model" */
    const char *value; /* what stands behind it; NULL = it stands alone */
    bool many;         /* it may be given several times */
    const char *help;
    size_t offset; /* in struct arguments: of the text, or of the list where there may be many */
    size_t count;  /* of the list's length */
};

extern const struct option_row option_rows[];
extern const size_t option_count;

struct syntax {
    const char *name;
    const char *words; /* of which one must follow, separated by spaces; NULL: none */
    unsigned options;  /* bits of enum option */
};

/* One of those that stand alone was given. */
bool has_option(const struct arguments *arguments, enum option option);

/* A number of digits alone, up to `most`. */
bool argument_number(const char *text, int64_t most, int64_t *number) MUST_CHECK;

/* Reads argv from the third on; borrows its texts. False with a sentence on standard error. */
bool arguments_parse(const struct syntax *syntax, int argc, char **argv,
                     struct arguments *arguments) MUST_CHECK;

#endif
