/*
 * How two Avro record schemas differ, in words and for a person: for registries that only say that
 * something does. Looks at the record's name and at the names, types and defaults of its fields;
 * their documentation and order are passed over. Pure; any thread.
 */
#ifndef BRIDGE_CODEC_DIFFERENCE_H
#define BRIDGE_CODEC_DIFFERENCE_H

#include <stdbool.h>

#include "bridge/base/attributes.h"
#include "bridge/base/buffer.h"

/*
 * Appends "field: what about it; field: ..." as far as `out` has room, "there" being `registered`
 * and "here" `ours`; both are JSON texts. The gravest come first. True when nothing differs: then
 * nothing is appended.
 */
bool schema_difference(const char *registered, const char *ours, struct buffer *out) MUST_CHECK;

#endif
