#ifndef SIMULATOR_TEXT_H
#define SIMULATOR_TEXT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A growing byte string, and the writing of JSON into it. Its maximum is TEXT_MAX; beyond it, and
 * when memory is out, the process ends with a log line and exit code 70: a simulator that answers
 * with half a record would be a false judge. Not zero-terminated, but for text_take(). An all-zero
 * struct is an empty text. Any thread, one at a time.
 */

#define TEXT_MAX ((size_t)1 << 30)

struct text {
    char *data;
    size_t length;
    size_t capacity;
};

void text_append(struct text *text, const void *bytes, size_t length);
void text_add(struct text *text, const char *string);
void text_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends a JSON string: quotes, and the escapes that RFC 8259 demands. The bytes must be UTF-8. */
void text_json(struct text *text, const char *bytes, size_t length);

void text_clear(struct text *text);
void text_free(struct text *text);

/* Makes room for that many more bytes and returns where they go; the caller adds to length what it
 * wrote. */
char *text_reserve(struct text *text, size_t length);

/* The bytes, zero-terminated, to be freed by the caller; the text is empty afterwards. */
char *text_take(struct text *text);

/* malloc, realloc and strdup that end the process when memory is out. */
void *memory_get(size_t size);
void *memory_get_zeroed(size_t count, size_t size);
void *memory_resize(void *old, size_t count, size_t size);
char *memory_copy(const char *bytes, size_t length);

#endif
