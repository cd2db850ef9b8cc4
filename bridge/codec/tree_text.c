#include "bridge/codec/tree_text.h"

#include <stdbool.h>

#include "bridge/base/utf8.h"

static bool between(char byte, unsigned char low, unsigned char high)
{
    return (unsigned char)byte >= low && (unsigned char)byte <= high;
}

int tree_text_special(const char *text, size_t *length)
{
    if (between(text[0], 0xc0, 0xc0) && between(text[1], 0x80, 0x80)) {
        *length = 2;
        return 0;
    }
    if (between(text[0], 0xed, 0xed) && between(text[1], 0xa0, 0xbf) &&
        between(text[2], 0x80, 0xbf)) {
        *length = 3;
        return 0xd000 | (text[1] & 0x3f) << 6 | (text[2] & 0x3f);
    }
    return -1;
}

enum tree_text tree_text_kind(const char *text, size_t length)
{
    enum tree_text kind = TREE_TEXT_PLAIN;
    size_t start = 0;
    size_t step = 0;
    if (utf8_valid(text, length))
        return kind;
    for (size_t i = 0; i < length; i += step) {
        int code = tree_text_special(text + i, &step);
        if (code < 0) {
            step = 1;
            continue;
        }
        if (!utf8_valid(text + start, i - start))
            return TREE_TEXT_BROKEN;
        if (code > 0)
            kind = TREE_TEXT_HALVES;
        else if (kind == TREE_TEXT_PLAIN)
            kind = TREE_TEXT_NULS;
        start = i + step;
    }
    return utf8_valid(text + start, length - start) ? kind : TREE_TEXT_BROKEN;
}

void tree_text_expand(struct buffer *out, const char *text, size_t length)
{
    size_t start = 0;
    size_t step = 0;
    for (size_t i = 0; i < length; i += step) {
        if (tree_text_special(text + i, &step) != 0) {
            step = 1;
            continue;
        }
        (void)buffer_append(out, text + start, i - start);
        (void)buffer_append(out, "", 1);
        start = i + step;
    }
    (void)buffer_append(out, text + start, length - start);
}
