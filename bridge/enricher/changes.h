/*
 * What the events of one record announced: which fields changed and what they held before. From it
 * follow the snapshot's `changed_fields`, and the consistency rule: an answer that still shows the
 * previous value of an announced field may have been read before the change arrived there.
 *
 * Only names and hashes are kept, no values: 16 bytes a field, at most CHANGES_MAXIMUM fields a
 * record and CHANGES_NAMES names a process; what is over that is not announced, never wrong. Pure;
 * one thread.
 */
#ifndef BRIDGE_ENRICHER_CHANGES_H
#define BRIDGE_ENRICHER_CHANGES_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/table.h"

#define CHANGES_MAXIMUM 64
#define CHANGES_NAMES   4096

struct change_names { /* zeroed = empty; the names live until change_names_free */
    struct table names;
};

struct change {
    const char *field;
    uint64_t previous; /* hash of the value before; 0 = not told, or the same as the new one */
};

struct changes { /* zeroed = empty */
    struct change *items;
    uint16_t count;
    uint16_t capacity;
};

void change_names_free(struct change_names *names);

/* Adds what an event's diff announces; a later event about a field replaces the earlier. */
void changes_add(struct changes *changes, struct change_names *names, const cJSON *diff);

/* Adds one announcement, or replaces the earlier one of its field. */
void changes_put(struct changes *changes, struct change change);

/* Adds that a field changed, without the value before. */
void changes_announce(struct changes *changes, struct change_names *names, const char *field);

/* True when the record still shows the previous value of an announced field. */
bool changes_unconfirmed(const struct changes *changes, const cJSON *record);

/* "email_1,last_seen", or NULL when nothing was announced. The caller frees. */
char *changes_list(const struct changes *changes) MUST_CHECK;

void changes_free(struct changes *changes);

#endif
