/*
 * The settings of the INI file, read with libinih, which this file and source_file.c alone know:
 * each is handed to load_set, and what is not even a setting is reported with its line. Called by
 * config_load on its thread.
 */
#ifndef BRIDGE_CONFIG_SOURCE_FILE_H
#define BRIDGE_CONFIG_SOURCE_FILE_H

#include <stdbool.h>

#include "bridge/config/load.h"

#define SOURCE_FILE_MAX (1024 * 1024) /* bytes of a configuration file */

/* Reads the file and takes its settings. A missing one is a mistake only when it is `required`. */
void source_file(struct load *load, const char *path, bool required);

/* The same for a content that was read already; `path` is for messages. */
void source_text(struct load *load, const char *path, const char *content);

#endif
