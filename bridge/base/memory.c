#include "bridge/base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static void *checked(void *pointer)
{
    if (pointer == NULL) {
        (void)fputs("level=error event=out_of_memory\n", stderr);
        _Exit(EX_OSERR);
    }
    return pointer;
}

void *memory_new(size_t count, size_t size)
{
    return checked(calloc(count == 0 ? 1 : count, size));
}

void *memory_bytes(size_t size)
{
    return checked(malloc(size == 0 ? 1 : size));
}

void *memory_grow(void *old, size_t count, size_t size)
{
    if (count == 0)
        count = 1;
    return checked(reallocarray(old, count, size));
}

char *memory_text(const char *text)
{
    return text == NULL ? NULL : checked(strdup(text));
}

char *memory_text_n(const char *text, size_t length)
{
    char *copy = memory_bytes(length + 1);
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *memory_join(const char *first, const char *second, const char *third)
{
    size_t lengths[] = {strlen(first), strlen(second), strlen(third)};
    char *text = memory_bytes(lengths[0] + lengths[1] + lengths[2] + 1);
    memcpy(text, first, lengths[0]);
    memcpy(text + lengths[0], second, lengths[1]);
    memcpy(text + lengths[0] + lengths[1], third, lengths[2] + 1);
    return text;
}

char *memory_format(const char *format, ...)
{
    char *text = NULL;
    va_list values;
    va_start(values, format);
    int length = vasprintf(&text, format, values);
    va_end(values);
    return checked(length < 0 ? NULL : text);
}
