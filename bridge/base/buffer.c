#include "bridge/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"

#define FIRST_CAPACITY 256

struct buffer buffer_new(size_t maximum)
{
    return (struct buffer){.maximum = maximum};
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = buffer_new(buffer->maximum);
}

void buffer_clear(struct buffer *buffer)
{
    buffer->length = 0;
    buffer->overflowed = false;
    if (buffer->data != NULL)
        buffer->data[0] = '\0';
}

static bool reserve(struct buffer *buffer, size_t more)
{
    if (more > buffer->maximum - buffer->length) {
        buffer->overflowed = true;
        return false;
    }
    size_t needed = buffer->length + more + 1;
    if (needed <= buffer->capacity)
        return true;
    size_t capacity = buffer->capacity == 0 ? FIRST_CAPACITY : buffer->capacity;
    while (capacity < needed)
        capacity *= 2;
    buffer->data = memory_grow(buffer->data, capacity, 1);
    buffer->capacity = capacity;
    return true;
}

bool buffer_append(struct buffer *buffer, const void *bytes, size_t length)
{
    if (!reserve(buffer, length))
        return false;
    if (length > 0)
        memcpy(buffer->data + buffer->length, bytes, length);
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
    return true;
}

bool buffer_append_text(struct buffer *buffer, const char *text)
{
    return buffer_append(buffer, text, strlen(text));
}

bool buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    va_list values;
    va_list again;
    va_start(values, format);
    va_copy(again, values);
    int length = vsnprintf(NULL, 0, format, values);
    va_end(values);
    bool fits = length >= 0 && reserve(buffer, (size_t)length);
    if (fits) {
        (void)vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, again);
        buffer->length += (size_t)length;
    }
    va_end(again);
    return fits;
}

bool buffer_append_quoted(struct buffer *buffer, const char *text)
{
    bool fits = buffer_append(buffer, "\"", 1);
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char byte = (unsigned char)*p;
        if (byte == '"' || byte == '\\')
            fits &= buffer_append_format(buffer, "\\%c", byte);
        else if (byte == '\n')
            fits &= buffer_append_text(buffer, "\\n");
        else if (byte < 0x20 || byte == 0x7f)
            fits &= buffer_append_format(buffer, "\\u%04x", byte);
        else
            fits &= buffer_append(buffer, p, 1);
    }
    return buffer_append(buffer, "\"", 1) && fits;
}

void buffer_cut(struct buffer *buffer, size_t length)
{
    if (length >= buffer->length)
        return;
    buffer->length = length;
    buffer->data[length] = '\0';
}

char *buffer_take(struct buffer *buffer)
{
    char *data = buffer->data == NULL ? memory_new(1, 1) : buffer->data;
    *buffer = buffer_new(buffer->maximum);
    return data;
}

const char *buffer_text(const struct buffer *buffer)
{
    return buffer->data == NULL ? "" : buffer->data;
}
