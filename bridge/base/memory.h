/*
 * Allocation that does not return NULL. The bridge bounds every buffer, queue and table, so running
 * out of memory means that the machine (or the container's limit) is smaller than the bounds; going
 * on half-way would risk the promises, so the process logs and exits, and Kafka still holds the
 * work. Any thread.
 */
#ifndef BRIDGE_BASE_MEMORY_H
#define BRIDGE_BASE_MEMORY_H

#include <stddef.h>

#include "bridge/base/attributes.h"

/* Zeroed memory for `count` things of `size` bytes; overflow of the product is out of memory too.
 */
void *memory_new(size_t count, size_t size) MUST_CHECK;

/* `size` bytes that are not zeroed: what cJSON allocates with, so that its trees never lack a part.
 */
void *memory_bytes(size_t size);

/* Like realloc for `count` things of `size` bytes; the new part is not zeroed. */
void *memory_grow(void *old, size_t count, size_t size) MUST_CHECK;

char *memory_text(const char *text) MUST_CHECK;                  /* a copy; NULL stays NULL */
char *memory_text_n(const char *text, size_t length) MUST_CHECK; /* a terminated copy */
/* The three, one behind the other. */
char *memory_join(const char *first, const char *second, const char *third) MUST_CHECK;
char *memory_format(const char *format, ...) PRINTF_LIKE(1, 2) MUST_CHECK;

#endif
