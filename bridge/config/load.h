/*
 * The loading of a configuration while it runs: every source hands over its settings here, every
 * mistake is reported here. Used by config_load alone, on its thread.
 */
#ifndef BRIDGE_CONFIG_LOAD_H
#define BRIDGE_CONFIG_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"
#include "bridge/base/buffer.h"
#include "bridge/config/config.h"
#include "bridge/config/keys.h"

#define LOAD_MAX_LINE  8000        /* bytes in one line of a value */
#define LOAD_MAX_VALUE (64 * 1024) /* bytes in a whole value */

/* In their order: a later one wins. */
enum source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_SET };

/* What a key of the table was set to, and where. */
struct config_entry {
    enum source source;
    char *text;   /* trimmed; the path when the key is a secret's file */
    char *origin; /* "default", "bridge.conf:12", "environment BRIDGE_LOG_LEVEL" */
    bool refused; /* a setting of it was a mistake, so that it is not called missing as well */
};

/* One setting as a source has it; the texts live for the call. */
struct setting {
    enum source source;
    const char *origin;
    const char *section; /* NULL together with `key` when a problem concerns neither */
    const char *key;
    const char *value;
};

struct property; /* properties.h */

struct load {
    struct config *config;
    struct buffer *problems;
    size_t problem_count;
    struct property *properties; /* owned; see properties.h */
    size_t property_count;
};

/* Sets every key to its default. */
void load_defaults(struct load *load);

/* Checks and takes one setting, or reports what is wrong with it. */
void load_set(struct load *load, const struct setting *setting);

/* Reports a mistake: one line, beginning with where it was made. */
void load_problem(struct load *load, const struct setting *where, const char *format, ...)
    PRINTF_LIKE(3, 4);

struct config_entry *load_entry(const struct load *load, const struct config_key *key);

/* Where the key has its value from, for load_problem. */
struct setting load_where(const struct load *load, const struct config_key *key);

#endif
