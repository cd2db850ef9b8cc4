/*
 * A growing byte buffer that is born with a maximum. What does not fit is refused whole, and the
 * buffer remembers it (`overflowed`), so that a writer may append many times and ask once.
 * One owner, one thread at a time.
 */
#ifndef BRIDGE_BASE_BUFFER_H
#define BRIDGE_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"

struct buffer {
    char *data;    /* owned; NULL while nothing was appended; otherwise terminated by a zero byte */
    size_t length; /* bytes in use, without the zero byte */
    size_t capacity; /* bytes allocated */
    size_t maximum;  /* most bytes `length` may reach */
    bool overflowed; /* an append was refused since the last clear */
};

/* An empty buffer that never holds more than `maximum` bytes. */
struct buffer buffer_new(size_t maximum);

/* Frees the bytes; the buffer is then empty with the same maximum. */
void buffer_free(struct buffer *buffer);

/* Forgets the content and the overflow, keeps the memory. */
void buffer_clear(struct buffer *buffer);

/* Append; false when it would not fit (nothing of it is then appended, and `overflowed` is set). */
bool buffer_append(struct buffer *buffer, const void *bytes, size_t length);
bool buffer_append_text(struct buffer *buffer, const char *text);
bool buffer_append_format(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);

/* Appends a text in quotes, escaped as JSON does; bytes above 127 pass as they are. False when a
 * part of it did not fit. */
bool buffer_append_quoted(struct buffer *buffer, const char *text);

/* Keeps the first `length` bytes, or all when there are fewer; `overflowed` stays. */
void buffer_cut(struct buffer *buffer, size_t length);

/* Hands the bytes to the caller, who frees them; the buffer is then empty. Never NULL. */
char *buffer_take(struct buffer *buffer) MUST_CHECK;

/* The content as a C string; "" while empty. Lives until the next change. */
const char *buffer_text(const struct buffer *buffer);

#endif
