/* Lists of texts, as bridge.models. Any thread. */
#ifndef BRIDGE_CONFIG_LIST_H
#define BRIDGE_CONFIG_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"
#include "bridge/base/buffer.h"
#include "bridge/config/config.h"

#define LIST_MAX_ITEMS 200

/* Appends the items between commas or line ends to `list`, trimmed, without empty ones. False when
 * there would be more than LIST_MAX_ITEMS; those before are then in the list. */
bool list_split(struct config_list *list, const char *text) MUST_CHECK;

/* Appends `item`, which the list then owns. */
void list_add(struct config_list *list, char *item);

bool list_has(const struct config_list *list, const char *item);

/* Frees the items; the list is then empty. */
void list_free(struct config_list *list);

/* Appends "a, b, c" to a line that has `column` bytes already; where it would pass 100, a line's
 * end and an indent, which the file's reader takes as a continuation. */
void list_write(const struct config_list *list, size_t column, struct buffer *out);

#endif
