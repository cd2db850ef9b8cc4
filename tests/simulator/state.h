#ifndef SIMULATOR_STATE_H
#define SIMULATOR_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "tests/simulator/models.h"
#include "tests/simulator/text.h"

/*
 * One state of a record: the JSON text of each field, one behind the other in one block of memory,
 * so that an answer is a row of copies. Never changed once made; free() ends it. Behind the model's
 * fields there is one more slot, for members that the model does not know: `,"name":value` of each,
 * mostly empty.
 */
struct state {
    uint32_t slots; /* the model's fields and the extra slot */
    uint32_t ends[];
};

#define STATE_SLOTS_MAX (MODEL_FIELDS_MAX + 1)

/* What is known of a model once for all its records. */
struct layout {
    const struct model *model;
    unsigned fields;
    int id;
    int created_at;
    int updated_at;
    int last_seen;
    int integration_id;
    int custom_data; /* -1 = the model has none */
    int flip;        /* an unreadable model's choice between two values; -1 = none */
    char *prefixes[MODEL_FIELDS_MAX];
    uint32_t prefix_lengths[MODEL_FIELDS_MAX];
};

/* A new text for one slot. The text belongs to the caller. */
struct replacement {
    unsigned slot;
    const char *text;
    size_t length;
};

void layout_make(struct layout *layout, const struct model *model);
void layout_free(struct layout *layout);

/* `ends[i]` is where slot i ends in `values`. */
struct state *state_make(const struct text *values, const uint32_t *ends, unsigned slots);

/* The same state but for the replaced slots. The old one stays. */
struct state *state_with(const struct state *state, const struct replacement *replacements,
                         unsigned count);

/* The JSON text of a slot, not zero-terminated; it lives as long as the state. */
const char *state_get(const struct state *state, unsigned slot, size_t *length);

/*
 * Appends the record as a JSON object. A sequence other than 0 becomes the first member of
 * custom_data, where the model has that and it is an object.
 */
void state_write(struct text *text, const struct layout *layout, const struct state *state,
                 uint64_t sequence);

#endif
