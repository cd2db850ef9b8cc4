#ifndef SIMULATOR_TRUTH_H
#define SIMULATOR_TRUTH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/simulator/store.h"

/*
 * The records of a collection as JSON lines, made while they are sent, so that 200,000 need no
 * memory. Each line is true when it is made: the whole is one moment's truth only while nothing
 * changes.
 */
struct truth;

/* `integration` STORE_NONE = all. The collection must outlive it. */
struct truth *truth_open(const struct collection *collection, uint32_t integration,
                         bool changed_only);

/* The next bytes, at most `size`; -1 at the end. The context is the struct truth. */
ssize_t truth_read(void *context, char *room, size_t size);
void truth_close(void *context);

#endif
