#include "bridge/enricher/changes.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/buffer.h"
#include "bridge/base/memory.h"
#include "bridge/codec/json_hash.h"
#include "bridge/codec/json_parse.h"

#define LIST_MAXIMUM 8192

void change_names_free(struct change_names *names)
{
    size_t cursor = 0;
    struct table_slot *slot;
    while ((slot = table_next(&names->names, &cursor)) != NULL)
        free(slot->value);
    table_free(&names->names);
}

/* The one copy of a name, or NULL when there are too many names. */
static const char *intern(struct change_names *names, const char *name)
{
    size_t length = strlen(name);
    char *known = table_get(&names->names, name, length);
    if (known != NULL || names->names.count >= CHANGES_NAMES)
        return known;
    known = memory_text_n(name, length);
    (void)table_put(&names->names, known, length, known);
    return known;
}

void changes_put(struct changes *changes, struct change change)
{
    for (size_t i = 0; i < changes->count; i++) {
        if (changes->items[i].field == change.field) { /* names are interned */
            changes->items[i] = change;
            return;
        }
    }
    if (changes->count == CHANGES_MAXIMUM)
        return;
    if (changes->count == changes->capacity) {
        changes->capacity = changes->capacity == 0 ? 1 : (uint16_t)(changes->capacity * 2);
        changes->items = memory_grow(changes->items, changes->capacity, sizeof *changes->items);
    }
    changes->items[changes->count++] = change;
}

void changes_add(struct changes *changes, struct change_names *names, const cJSON *diff)
{
    const cJSON *after = cJSON_GetObjectItemCaseSensitive(diff, "new");
    const cJSON *before = cJSON_GetObjectItemCaseSensitive(diff, "previous");
    if (!cJSON_IsObject(after))
        return;
    for (const cJSON *item = after->child; item != NULL; item = item->next) {
        const char *field = intern(names, item->string);
        if (field == NULL)
            continue;
        const cJSON *old = cJSON_GetObjectItemCaseSensitive(before, item->string);
        uint64_t previous = old == NULL ? 0 : json_hash(old);
        changes_put(changes, (struct change){field, previous == json_hash(item) ? 0 : previous});
    }
}

void changes_announce(struct changes *changes, struct change_names *names, const char *field)
{
    const char *name = intern(names, field);
    if (name != NULL)
        changes_put(changes, (struct change){name, 0});
}

bool changes_unconfirmed(const struct changes *changes, const cJSON *record)
{
    for (size_t i = 0; i < changes->count; i++) {
        const struct change *change = &changes->items[i];
        if (change->previous == 0)
            continue;
        const cJSON *value = json_member(record, change->field);
        if (value != NULL && json_hash(value) == change->previous)
            return true;
    }
    return false;
}

char *changes_list(const struct changes *changes)
{
    struct buffer list = buffer_new(LIST_MAXIMUM);
    if (changes->count == 0)
        return NULL;
    for (size_t i = 0; i < changes->count; i++)
        (void)buffer_append_format(&list, "%s%s", i == 0 ? "" : ",", changes->items[i].field);
    return buffer_take(&list);
}

void changes_free(struct changes *changes)
{
    free(changes->items);
    *changes = (struct changes){0};
}
