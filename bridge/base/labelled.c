#include "bridge/base/labelled.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"

struct labelled_pair {
    char *first; /* both values, one after the other: the table's key */
    const char *second;
    _Atomic int64_t value;
};

/* Two values and the zero byte between them; `*length` without the last zero byte. Caller frees. */
static char *make_key(const char *first, const char *second, size_t *length)
{
    size_t before = strlen(first) + 1;
    size_t behind = strlen(second);
    char *key = memory_bytes(before + behind + 1);
    memcpy(key, first, before);
    memcpy(key + before, second, behind + 1);
    *length = before + behind;
    return key;
}

/* NULL when there is none. */
static struct labelled_pair *find(const struct labelled *labelled, const char *first,
                                  const char *second)
{
    size_t length = 0;
    char *key = make_key(first, second, &length);
    struct labelled_pair *pair = table_get(&labelled->known, key, length);
    free(key);
    return pair;
}

static struct labelled_pair *add_pair(struct labelled *labelled, const char *first,
                                      const char *second)
{
    size_t length = 0;
    struct labelled_pair *pair = memory_new(1, sizeof *pair);
    if (labelled->count == labelled->capacity) {
        labelled->capacity = labelled->capacity == 0 ? 16 : labelled->capacity * 2;
        labelled->pairs = memory_grow(labelled->pairs, labelled->capacity, sizeof *labelled->pairs);
    }
    labelled->pairs[labelled->count++] = pair;
    pair->first = make_key(first, second, &length);
    pair->second = pair->first + strlen(first) + 1;
    (void)table_put(&labelled->known, pair->first, length, pair);
    return pair;
}

/* The pair that is counted: the one asked for while there is room, else one with "other". */
static struct labelled_pair *place(struct labelled *labelled, const char *first, const char *second,
                                   bool *added)
{
    bool one = labelled->labels[1] == NULL;
    second = one ? "" : second == NULL ? LABELLED_OTHER : second;
    struct labelled_pair *pair = find(labelled, first, second);
    if (pair != NULL)
        return pair;
    *added = labelled->count < labelled->limit;
    if (*added)
        return add_pair(labelled, first, second);
    if (one)
        first = LABELLED_OTHER;
    else
        second = LABELLED_OTHER;
    pair = find(labelled, first, second);
    if (pair == NULL && !one && labelled->count >= 2 * labelled->limit) {
        first = LABELLED_OTHER;
        pair = find(labelled, first, second);
    }
    return pair != NULL ? pair : add_pair(labelled, first, second);
}

_Atomic int64_t *labelled_slot(struct labelled *labelled, const char *first, const char *second,
                               bool *added)
{
    static _Atomic int64_t nowhere;
    _Atomic int64_t *slot = &nowhere;
    bool is_new = false;
    (void)pthread_mutex_lock(&labelled->lock);
    if (labelled->limit > 0)
        slot = &place(labelled, first, second, &is_new)->value;
    (void)pthread_mutex_unlock(&labelled->lock);
    if (added != NULL)
        *added = is_new;
    return slot;
}

int64_t labelled_get(struct labelled *labelled, const char *first, const char *second)
{
    (void)pthread_mutex_lock(&labelled->lock);
    struct labelled_pair *pair = find(labelled, first, labelled->labels[1] == NULL ? "" : second);
    int64_t value = pair == NULL ? 0 : atomic_load(&pair->value);
    (void)pthread_mutex_unlock(&labelled->lock);
    return value;
}

int64_t labelled_sum(struct labelled *labelled)
{
    int64_t sum = 0;
    (void)pthread_mutex_lock(&labelled->lock);
    for (size_t i = 0; i < labelled->count; i++)
        sum += atomic_load(&labelled->pairs[i]->value);
    (void)pthread_mutex_unlock(&labelled->lock);
    return sum;
}

/* A label's value as the text format has it: backslash, quote and line feed are escaped. */
static void append_value(struct buffer *out, const char *name, const char *value)
{
    (void)buffer_append_format(out, "%s=\"", name);
    for (; *value != '\0'; value++) {
        if (*value == '\n')
            (void)buffer_append_text(out, "\\n");
        else if (*value == '\\' || *value == '"')
            (void)buffer_append_format(out, "\\%c", *value);
        else
            (void)buffer_append(out, value, 1);
    }
    (void)buffer_append(out, "\"", 1);
}

void labelled_expose(struct labelled *labelled, const char *name,
                     void (*show)(struct buffer *out, int64_t value), struct buffer *out)
{
    (void)pthread_mutex_lock(&labelled->lock);
    for (size_t i = 0; i < labelled->count; i++) {
        struct labelled_pair *pair = labelled->pairs[i];
        (void)buffer_append_format(out, "%s{", name);
        append_value(out, labelled->labels[0], pair->first);
        if (labelled->labels[1] != NULL) {
            (void)buffer_append(out, ",", 1);
            append_value(out, labelled->labels[1], pair->second);
        }
        (void)buffer_append_text(out, "} ");
        show(out, atomic_load(&pair->value));
        (void)buffer_append(out, "\n", 1);
    }
    (void)pthread_mutex_unlock(&labelled->lock);
}

void labelled_clear(struct labelled *labelled)
{
    (void)pthread_mutex_lock(&labelled->lock);
    for (size_t i = 0; i < labelled->count; i++) {
        free(labelled->pairs[i]->first);
        free(labelled->pairs[i]);
    }
    free(labelled->pairs);
    table_free(&labelled->known);
    labelled->pairs = NULL;
    labelled->count = 0;
    labelled->capacity = 0;
    (void)pthread_mutex_unlock(&labelled->lock);
}
