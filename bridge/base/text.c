#include "bridge/base/text.h"

#include <string.h>

static const char hex[] = "0123456789abcdef";

size_t text_number(int64_t number, char text[TEXT_NUMBER_SIZE])
{
    char digits[TEXT_NUMBER_SIZE];
    char *at = digits + sizeof digits;
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
    do
        *--at = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (number < 0)
        *--at = '-';
    size_t length = (size_t)(digits + sizeof digits - at);
    memcpy(text, at, length);
    text[length] = '\0';
    return length;
}

void text_hex(uint64_t number, char text[TEXT_HEX_LENGTH])
{
    for (int i = TEXT_HEX_LENGTH; i > 0; number >>= 4)
        text[--i] = hex[number & 15];
}

void text_hex_bytes(const unsigned char *bytes, size_t length, char *text)
{
    for (size_t i = 0; i < length; i++) {
        text[2 * i] = hex[bytes[i] >> 4];
        text[2 * i + 1] = hex[bytes[i] & 15];
    }
}

size_t text_copy(char *out, size_t size, const char *text)
{
    size_t length = strlen(text);
    size_t fits = length < size ? length : size - 1;
    memcpy(out, text, fits);
    out[fits] = '\0';
    return length;
}

size_t text_numbered(char *out, size_t size, int64_t number, char between, const char *text)
{
    char head[TEXT_NUMBER_SIZE + 1];
    size_t length = text_number(number, head);
    head[length++] = between;
    head[length] = '\0';
    size_t whole = text_copy(out, size, head);
    return whole < size ? whole + text_copy(out + whole, size - whole, text) : whole + strlen(text);
}
