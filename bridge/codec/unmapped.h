/*
 * What a record holds and its schema does not: names (or paths) with their JSON text, in the order
 * met. A name that comes twice is kept once, the later text winning, as with every other member.
 * One encoder's; its memory is used again from record to record.
 */
#ifndef BRIDGE_CODEC_UNMAPPED_H
#define BRIDGE_CODEC_UNMAPPED_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"
#include "bridge/base/buffer.h"
#include "bridge/base/error.h"
#include "bridge/base/table.h"

struct unmapped_entry {
    size_t name; /* offsets into `texts`; both are terminated */
    size_t text;
    size_t length; /* of the text */
};

struct unmapped {
    struct buffer texts;
    struct unmapped_entry *entries;
    size_t count;
    size_t capacity;
    struct table numbers; /* name to entry number + 1 */
};

/* Where a record stands in the outer one: in the list `field` at `index`; `field` NULL = it is the
 * outer record itself. */
struct unmapped_place {
    const char *field;
    size_t index;
};

struct unmapped unmapped_new(void);
void unmapped_free(struct unmapped *unmapped);

/* Forgets all; names and texts together may now take `maximum` bytes. */
void unmapped_clear(struct unmapped *unmapped, size_t maximum);

/* False with VERDICT_ABORT when the name or the value cannot be kept. */
bool unmapped_add(struct unmapped *unmapped, struct unmapped_place place, const char *name,
                  const cJSON *value, struct error *error) MUST_CHECK;

/* Live until the next add or clear. */
const char *unmapped_name(const struct unmapped *unmapped, size_t number);
const char *unmapped_text(const struct unmapped *unmapped, size_t number);

#endif
