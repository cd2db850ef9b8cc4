/*
 * What the fuzz targets share. A target is a function that libFuzzer calls with bytes again and
 * again; it must not crash, leak or break what it CHECKs, whatever they are.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/attributes.h"
#include "bridge/base/memory.h"

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                      \
        }                                                                                 \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes, cut up: each call takes some of what is left. */
struct input {
    const uint8_t *next;
    size_t left;
};

UNUSED static uint8_t take_byte(struct input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->next++;
}

/* Up to the next line's end, as a text that the caller frees; a zero byte ends it, too. */
UNUSED static char *take_line(struct input *input)
{
    const uint8_t *end = memchr(input->next, '\n', input->left);
    size_t length = end == NULL ? input->left : (size_t)(end - input->next);
    char *line = memory_text_n(length == 0 ? "" : (const char *)input->next, length);
    input->next += length;
    input->left -= length;
    (void)take_byte(input);
    return line;
}

/* All that is left, in memory that ends where it does. */
UNUSED static char *take_rest(struct input *input, size_t *length)
{
    char *rest = malloc(input->left == 0 ? 1 : input->left);
    CHECK(rest != NULL);
    if (input->left > 0)
        memcpy(rest, input->next, input->left);
    *length = input->left;
    input->left = 0;
    return rest;
}

#endif
