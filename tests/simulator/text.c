#include "tests/simulator/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulator/log.h"

#define FORMAT_ROOM 256 /* tried first */

static _Noreturn void out_of_memory(size_t size)
{
    log_line("error", "out_of_memory", "bytes=%zu", size);
    exit(EXIT_INTERNAL);
}

void *memory_get(size_t size)
{
    void *memory = malloc(size > 0 ? size : 1);
    if (memory == NULL)
        out_of_memory(size);
    return memory;
}

void *memory_get_zeroed(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);
    if (memory == NULL)
        out_of_memory(count * size);
    return memory;
}

void *memory_resize(void *old, size_t count, size_t size)
{
    void *memory = reallocarray(old, count > 0 ? count : 1, size);
    if (memory == NULL)
        out_of_memory(count * size);
    return memory;
}

char *memory_copy(const char *bytes, size_t length)
{
    char *copy = memory_get(length + 1);
    if (length > 0)
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

char *text_reserve(struct text *text, size_t length)
{
    if (length > TEXT_MAX - text->length)
        out_of_memory(length);
    size_t needed = text->length + length;
    if (needed > text->capacity) {
        size_t capacity = text->capacity > 0 ? text->capacity : 256;
        while (capacity < needed)
            capacity *= 2;
        text->data = memory_resize(text->data, capacity, 1);
        text->capacity = capacity;
    }
    return text->data + text->length;
}

void text_append(struct text *text, const void *bytes, size_t length)
{
    if (length == 0)
        return;
    memcpy(text_reserve(text, length), bytes, length);
    text->length += length;
}

void text_add(struct text *text, const char *string)
{
    text_append(text, string, strlen(string));
}

void text_format(struct text *text, const char *format, ...)
{
    size_t room = FORMAT_ROOM;
    while (true) {
        char *at = text_reserve(text, room);
        va_list arguments;
        va_start(arguments, format);
        int length = vsnprintf(at, room, format, arguments);
        va_end(arguments);
        if (length >= 0 && (size_t)length < room) {
            text->length += (size_t)length;
            return;
        }
        room = length >= 0 ? (size_t)length + 1 : room * 2;
    }
}

static void escape(struct text *text, unsigned char byte)
{
    static const char short_form[] = {['\b'] = 'b', ['\f'] = 'f',  ['\n'] = 'n', ['\r'] = 'r',
                                      ['\t'] = 't', ['\\'] = '\\', ['"'] = '"'};
    if (byte < sizeof short_form && short_form[byte] != '\0')
        text_format(text, "\\%c", short_form[byte]);
    else
        text_format(text, "\\u%04x", byte);
}

void text_json(struct text *text, const char *bytes, size_t length)
{
    text_append(text, "\"", 1);
    size_t plain = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\')
            continue;
        text_append(text, bytes + plain, i - plain);
        escape(text, byte);
        plain = i + 1;
    }
    text_append(text, bytes + plain, length - plain);
    text_append(text, "\"", 1);
}

void text_clear(struct text *text)
{
    text->length = 0;
}

void text_free(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}

char *text_take(struct text *text)
{
    *text_reserve(text, 1) = '\0';
    char *data = text->data;
    *text = (struct text){0};
    return data;
}
