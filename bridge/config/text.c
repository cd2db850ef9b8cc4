#include "bridge/config/text.h"

#include <string.h>

#include "bridge/base/memory.h"

#define BLANKS " \t\n\v\f\r"

char *text_trim(const char *text)
{
    return text_trim_n(text, strlen(text));
}

char *text_trim_n(const char *text, size_t length)
{
    while (length > 0 && strchr(BLANKS, text[length - 1]) != NULL)
        length--;
    while (length > 0 && strchr(BLANKS, text[0]) != NULL) {
        text++;
        length--;
    }
    return memory_text_n(text, length);
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

const char *text_quote(const char *text, char quoted[TEXT_QUOTED_SIZE])
{
    size_t room = TEXT_QUOTED_SIZE - sizeof "\"...\"";
    size_t length = strlen(text);
    bool cut = length > room;
    if (cut)
        for (length = room; length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80;)
            length--; /* not in the middle of a UTF-8 sequence */
    char *out = quoted;
    *out++ = '"';
    for (size_t i = 0; i < length; i++)
        *out++ = is_control(text[i]) ? '?' : text[i];
    memcpy(out, cut ? "...\"" : "\"", cut ? 5 : 2);
    return quoted;
}

size_t text_longest_line(const char *text)
{
    size_t longest = 0;
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        longest = length > longest ? length : longest;
        text += length + (text[length] == '\0' ? 0 : 1);
    }
    return longest;
}

bool text_ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    size_t end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

bool text_has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if (is_control(*text))
            return true;
    return false;
}
