#ifndef SIMULATOR_EDIT_H
#define SIMULATOR_EDIT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/simulator/random.h"
#include "tests/simulator/store.h"
#include "tests/simulator/text.h"

/*
 * A change of one record in the making: the new texts of its slots, and which of them a webhook
 * tells. An edit is begun, filled, asked for its diff, and applied, or thrown away.
 */
struct edit_value {
    unsigned slot;
    struct text text;
    bool told;
};

struct edit {
    struct store *store;
    struct collection *collection;
    uint32_t number;
    struct edit_value values[STATE_SLOTS_MAX];
    unsigned count;
};

void edit_begin(struct edit *edit, struct store *store, struct collection *collection,
                uint32_t number);
void edit_end(struct edit *edit);

/* Draws 1 to 3 fields and new values for them; sometimes lists that no webhook tells change along.
 */
void edit_draw(struct edit *edit, struct random *random);

/*
 * Takes values as JSON. On false *problem says why (constant). Members that the model does not know
 * go into the extra slot and are not part of the diff.
 */
bool edit_take(struct edit *edit, const cJSON *fields, const char **problem);

/* Which stamps move, and which of them a webhook tells. last_seen always moves. */
struct edit_stamps {
    bool updated_at;
    bool tell_updated_at;
    bool tell_last_seen;
};

/* Sets the stamps to a moment after all that the record showed; what was taken by hand stays. */
void edit_touch(struct edit *edit, struct edit_stamps stamps);

/* Appends {"new": {...}, "previous": {...}}. Before edit_apply(). */
void edit_write_diff(struct text *text, const struct edit *edit);

void edit_apply(struct edit *edit);

#endif
