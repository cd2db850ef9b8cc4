/*
 * What a record holds and its schema does not: names (or paths) with their JSON text, in the order
 * met. Of a name that comes twice the last text stands under it, those before it under name[0],
 * name[1] and so on. One encoder's; its memory is used again from record to record.
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
    size_t moved;  /* name[0]: texts that were moved to name[1] and so on */
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

/* The same for a value that a later one of the same name has replaced in its field. */
bool unmapped_add_earlier(struct unmapped *unmapped, struct unmapped_place place, const char *name,
                          const cJSON *value, struct error *error) MUST_CHECK;

/* Live until the next add or clear. */
const char *unmapped_name(const struct unmapped *unmapped, size_t number);
const char *unmapped_text(const struct unmapped *unmapped, size_t number);

/* The name without indices, as pets.colour for pets[0].colour: many records share it. Returns
 * `label`, or NULL when it does not fit. */
#define UNMAPPED_LABEL_SIZE 101
const char *unmapped_label(const struct unmapped *unmapped, size_t number,
                           char label[UNMAPPED_LABEL_SIZE]);

#endif
