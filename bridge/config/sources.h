/*
 * The settings of the environment and of the command line: each is handed to load_set, and what is
 * not even a setting is reported. Called by config_load on its thread.
 */
#ifndef BRIDGE_CONFIG_SOURCES_H
#define BRIDGE_CONFIG_SOURCES_H

#include <stddef.h>

#include "bridge/config/load.h"

/* Variables "NAME=value", ended by NULL; only those that begin with BRIDGE_ count. */
void source_environment(struct load *load, char *const *environment);

/* Texts "section.key=value" of --set. */
void source_sets(struct load *load, const char *const *sets, size_t count);

#endif
