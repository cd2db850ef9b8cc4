#include "bridge/base/labelled.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"

/* Two values and the zero byte between them; `*length` without the last zero byte. Caller frees. */
static char *make_key(const char *first, const char *second, size_t *length)
{
    char *key = memory_format("%s%c%s", first, '\0', second);
    *length = strlen(first) + 1 + strlen(second);
    return key;
}

/* The pair's number + 1; 0 when there is none. */
static size_t find(const struct labelled *labelled, const char *first, const char *second)
{
    size_t length = 0;
    char *key = make_key(first, second, &length);
    size_t number = (size_t)(uintptr_t)table_get(&labelled->numbers, key, length);
    free(key);
    return number;
}

static size_t add_pair(struct labelled *labelled, const char *first, const char *second)
{
    size_t length = 0;
    if (labelled->count == labelled->capacity) {
        labelled->capacity = labelled->capacity == 0 ? 16 : labelled->capacity * 2;
        labelled->pairs = memory_grow(labelled->pairs, labelled->capacity, sizeof *labelled->pairs);
    }
    struct labelled_pair *pair = &labelled->pairs[labelled->count++];
    pair->first = make_key(first, second, &length); /* both values, and the table's key */
    pair->second = pair->first + strlen(first) + 1;
    pair->count = 0;
    (void)table_put(&labelled->numbers, pair->first, length, (void *)(uintptr_t)labelled->count);
    return labelled->count;
}

/* The pair that is counted: the one asked for while there is room, else one with "other". */
static size_t place(struct labelled *labelled, const char *first, const char *second, bool *added)
{
    size_t number = find(labelled, first, second);
    if (number > 0)
        return number;
    *added = labelled->count < labelled->limit;
    if (*added)
        return add_pair(labelled, first, second);
    number = find(labelled, first, LABELLED_OTHER);
    if (number == 0 && labelled->count >= 2 * labelled->limit) {
        first = LABELLED_OTHER;
        number = find(labelled, first, LABELLED_OTHER);
    }
    return number > 0 ? number : add_pair(labelled, first, LABELLED_OTHER);
}

bool labelled_add(struct labelled *labelled, const char *first, const char *second, int64_t amount)
{
    bool added = false;
    (void)pthread_mutex_lock(&labelled->lock);
    size_t number = place(labelled, first, second == NULL ? LABELLED_OTHER : second, &added);
    labelled->pairs[number - 1].count += amount;
    (void)pthread_mutex_unlock(&labelled->lock);
    return added;
}

int64_t labelled_get(struct labelled *labelled, const char *first, const char *second)
{
    (void)pthread_mutex_lock(&labelled->lock);
    size_t number = find(labelled, first, second);
    int64_t count = number == 0 ? 0 : labelled->pairs[number - 1].count;
    (void)pthread_mutex_unlock(&labelled->lock);
    return count;
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

void labelled_expose(struct labelled *labelled, const char *name, struct buffer *out)
{
    (void)pthread_mutex_lock(&labelled->lock);
    for (size_t i = 0; i < labelled->count; i++) {
        const struct labelled_pair *pair = &labelled->pairs[i];
        (void)buffer_append_format(out, "%s{", name);
        append_value(out, labelled->labels[0], pair->first);
        (void)buffer_append(out, ",", 1);
        append_value(out, labelled->labels[1], pair->second);
        (void)buffer_append_format(out, "} %lld\n", (long long)pair->count);
    }
    (void)pthread_mutex_unlock(&labelled->lock);
}

void labelled_clear(struct labelled *labelled)
{
    (void)pthread_mutex_lock(&labelled->lock);
    for (size_t i = 0; i < labelled->count; i++)
        free(labelled->pairs[i].first);
    free(labelled->pairs);
    table_free(&labelled->numbers);
    labelled->pairs = NULL;
    labelled->count = 0;
    labelled->capacity = 0;
    (void)pthread_mutex_unlock(&labelled->lock);
}
