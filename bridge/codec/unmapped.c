#include "bridge/codec/unmapped.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/codec/json_text.h"

#define KEEP_CAPACITY ((size_t)64 << 10)
#define TOLD_NAME     100 /* bytes */

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

static bool append_name(struct buffer *texts, struct unmapped_place place, const char *name,
                        size_t *at, struct error *error)
{
    *at = texts->length;
    if (place.field != NULL)
        buffer_append_format(texts, "%s[%zu].", place.field, place.index);
    if (!json_text_plain(texts, name, error))
        return error_set(error, VERDICT_ABORT, "the name of a field is not valid UTF-8");
    buffer_append(texts, "", 1);
    return true;
}

/* How much of a name an error tells, in whole characters. */
static int telling(const char *name)
{
    size_t length = strlen(name);
    if (length <= TOLD_NAME)
        return (int)length;
    for (length = TOLD_NAME; length > 0 && (name[length] & 0xc0) == 0x80;)
        length--;
    return (int)length;
}

/* Behind the name at offset `name`. */
static bool append_value(struct buffer *texts, size_t name, const cJSON *value, size_t *at,
                         size_t *length, struct error *error)
{
    *at = texts->length;
    bool ok = json_text_value(texts, value, error);
    *length = texts->length - *at;
    buffer_append(texts, "", 1);
    if (texts->overflowed)
        return error_set(error, VERDICT_ABORT, "the record is larger than %zu bytes",
                         texts->maximum);
    const char *told = texts->data + name;
    return ok || error_prefix(error, "%.*s", telling(told), told);
}

/* The entry with the name at offset `name`; NULL when there is none. */
static struct unmapped_entry *find(const struct unmapped *unmapped, size_t name)
{
    const char *text = unmapped->texts.data + name;
    uintptr_t number = (uintptr_t)table_get(&unmapped->numbers, text, strlen(text));
    return number == 0 ? NULL : &unmapped->entries[number - 1];
}

static struct unmapped_entry *add_entry(struct unmapped *unmapped, size_t name)
{
    const char *text = unmapped->texts.data + name;
    if (unmapped->count == unmapped->capacity) {
        unmapped->capacity = unmapped->capacity == 0 ? 8 : unmapped->capacity * 2;
        unmapped->entries =
            memory_grow(unmapped->entries, unmapped->capacity, sizeof *unmapped->entries);
    }
    struct unmapped_entry *entry = &unmapped->entries[unmapped->count++];
    *entry = (struct unmapped_entry){.name = name};
    (void)table_put(&unmapped->numbers, text, strlen(text), (void *)(uintptr_t)unmapped->count);
    return entry;
}

/* The offset of a new name: the one at `name` with a number behind it. */
static size_t numbered(struct buffer *texts, size_t name, size_t number)
{
    char *copy = memory_text(texts->data + name);
    size_t at = texts->length;
    buffer_append_format(texts, "%s[%zu]", copy, number);
    buffer_append(texts, "", 1);
    free(copy);
    return at;
}

static bool put_earlier(struct unmapped *unmapped, size_t name, size_t text, size_t length,
                        struct error *error);

/* Puts the text at offset `text` under the name at offset `name`; what stood there moves on. */
static bool put(struct unmapped *unmapped, size_t name, size_t text, size_t length,
                struct error *error)
{
    struct unmapped_entry *entry = find(unmapped, name);
    struct unmapped_entry before = {0};
    if (entry != NULL)
        before = *entry;
    else
        entry = add_entry(unmapped, name);
    entry->text = text;
    entry->length = length;
    return before.length == 0 || put_earlier(unmapped, name, before.text, before.length, error);
}

static bool put_earlier(struct unmapped *unmapped, size_t name, size_t text, size_t length,
                        struct error *error)
{
    struct buffer *texts = &unmapped->texts;
    size_t at = numbered(texts, name, 0);
    struct unmapped_entry *first = texts->overflowed ? NULL : find(unmapped, at);
    if (first != NULL)
        at = numbered(texts, name, ++first->moved);
    if (texts->overflowed)
        return error_set(error, VERDICT_ABORT, "the record is larger than %zu bytes",
                         texts->maximum);
    return put(unmapped, at, text, length, error);
}

/* The value as an entry that is not in the list yet. */
static bool make_entry(struct unmapped *unmapped, struct unmapped_place place, const char *name,
                       const cJSON *value, struct unmapped_entry *entry, struct error *error)
{
    return append_name(&unmapped->texts, place, name, &entry->name, error) &&
           append_value(&unmapped->texts, entry->name, value, &entry->text, &entry->length, error);
}

bool unmapped_add(struct unmapped *unmapped, struct unmapped_place place, const char *name,
                  const cJSON *value, struct error *error)
{
    struct unmapped_entry entry;
    return make_entry(unmapped, place, name, value, &entry, error) &&
           put(unmapped, entry.name, entry.text, entry.length, error);
}

bool unmapped_add_earlier(struct unmapped *unmapped, struct unmapped_place place, const char *name,
                          const cJSON *value, struct error *error)
{
    struct unmapped_entry entry;
    return make_entry(unmapped, place, name, value, &entry, error) &&
           put_earlier(unmapped, entry.name, entry.text, entry.length, error);
}

const char *unmapped_label(const struct unmapped *unmapped, size_t number,
                           char label[UNMAPPED_LABEL_SIZE])
{
    size_t length = 0;
    for (const char *name = unmapped_name(unmapped, number); *name != '\0'; name++) {
        size_t digits = *name == '[' ? strspn(name + 1, "0123456789") : 0;
        if (digits > 0 && name[digits + 1] == ']') {
            name += digits + 1;
            continue;
        }
        if (length == UNMAPPED_LABEL_SIZE - 1)
            return NULL;
        label[length++] = *name;
    }
    label[length] = '\0';
    return label;
}
