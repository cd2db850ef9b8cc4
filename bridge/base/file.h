/* Small files read whole. Any thread. */
#ifndef BRIDGE_BASE_FILE_H
#define BRIDGE_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"

/* The content as a terminated text that the caller frees. NULL with VERDICT_CONFIGURATION naming
 * the file when it cannot be read, holds a zero byte or is longer than `maximum`. */
char *file_read(const char *path, size_t maximum, struct error *error) MUST_CHECK;

/* A number that changes when the file at this path does: its content was written, or another file
 * is there now. 0 while there is none. */
uint64_t file_stamp(const char *path) MUST_CHECK;

#endif
