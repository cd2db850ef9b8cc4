#include "bridge/codec/unmapped.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/base/utf8.h"
#include "bridge/codec/json_text.h"

#define KEEP_CAPACITY ((size_t)64 << 10)

struct unmapped unmapped_new(void)
{
    return (struct unmapped){.texts = buffer_new(0)};
}

void unmapped_free(struct unmapped *unmapped)
{
    buffer_free(&unmapped->texts);
    table_free(&unmapped->numbers);
    free(unmapped->entries);
    unmapped->entries = NULL;
    unmapped->capacity = 0;
    unmapped->count = 0;
}

void unmapped_clear(struct unmapped *unmapped, size_t maximum)
{
    if (unmapped->texts.capacity > KEEP_CAPACITY)
        unmapped_free(unmapped);
    if (unmapped->count > 0)
        table_free(&unmapped->numbers);
    unmapped->count = 0;
    buffer_clear(&unmapped->texts);
    unmapped->texts.maximum = maximum;
}

const char *unmapped_name(const struct unmapped *unmapped, size_t number)
{
    return unmapped->texts.data + unmapped->entries[number].name;
}

const char *unmapped_text(const struct unmapped *unmapped, size_t number)
{
    return unmapped->texts.data + unmapped->entries[number].text;
}

static size_t append_name(struct buffer *texts, struct unmapped_place place, const char *name)
{
    size_t start = texts->length;
    if (place.field != NULL)
        buffer_append_format(texts, "%s[%zu].", place.field, place.index);
    buffer_append(texts, name, strlen(name) + 1);
    return start;
}

/* The entry with the name at offset `name`: the one that is there, or a new one. */
static struct unmapped_entry *entry_for(struct unmapped *unmapped, size_t name)
{
    const char *text = unmapped->texts.data + name;
    size_t length = strlen(text);
    uintptr_t number = (uintptr_t)table_get(&unmapped->numbers, text, length);
    if (number > 0)
        return &unmapped->entries[number - 1];
    if (unmapped->count == unmapped->capacity) {
        unmapped->capacity = unmapped->capacity == 0 ? 8 : unmapped->capacity * 2;
        unmapped->entries =
            memory_grow(unmapped->entries, unmapped->capacity, sizeof *unmapped->entries);
    }
    struct unmapped_entry *entry = &unmapped->entries[unmapped->count++];
    (void)table_put(&unmapped->numbers, text, length, (void *)(uintptr_t)unmapped->count);
    entry->name = name;
    return entry;
}

bool unmapped_add(struct unmapped *unmapped, struct unmapped_place place, const char *name,
                  const cJSON *value, struct error *error)
{
    struct buffer *texts = &unmapped->texts;
    if (!utf8_valid(name, strlen(name)))
        return error_set(error, VERDICT_ABORT, "the name of a field is not valid UTF-8");
    size_t name_at = append_name(texts, place, name);
    size_t text_at = texts->length;
    if (!json_text_value(texts, value, error))
        return error_prefix(error, "%.100s", name);
    size_t length = texts->length - text_at;
    buffer_append(texts, "", 1);
    if (texts->overflowed)
        return error_set(error, VERDICT_ABORT, "%.100s: the record is larger than %zu bytes", name,
                         texts->maximum);
    struct unmapped_entry *entry = entry_for(unmapped, name_at);
    entry->text = text_at;
    entry->length = length;
    return true;
}
