#include "bridge/base/utf8.h"

#include <stdint.h>
#include <string.h>

/* How many bytes the sequence at `p` has, 0 when it is none (table 3-7 of the Unicode standard). */
static size_t sequence(const unsigned char *p, size_t left)
{
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t length = 2;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    if (p[0] >= 0xe0) {
        length = p[0] >= 0xf0 ? 4 : 3;
        if (p[0] == 0xe0)
            low = 0xa0;
        else if (p[0] == 0xed)
            high = 0x9f;
        else if (p[0] == 0xf0)
            low = 0x90;
        else if (p[0] == 0xf4)
            high = 0x8f;
    }
    if (left < length || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

bool utf8_valid(const void *bytes, size_t length)
{
    const unsigned char *p = bytes;
    const unsigned char *end = p + length;
    while (p < end) {
        uint64_t eight;
        if (end - p >= 8) { /* most text is ASCII: eight bytes at a time */
            memcpy(&eight, p, sizeof eight);
            if ((eight & 0x8080808080808080u) == 0) {
                p += 8;
                continue;
            }
        }
        size_t step = sequence(p, (size_t)(end - p));
        if (step == 0)
            return false;
        p += step;
    }
    return true;
}
