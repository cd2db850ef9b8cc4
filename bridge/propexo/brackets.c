#include "bridge/propexo/brackets.h"

#include <stdbool.h>

struct brackets brackets_scan(const char *text, size_t length)
{
    struct brackets found = {.values = 1};
    bool in_string = false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == ',') {
            found.values++;
        } else if (c == '{' || c == '[') {
            found.values++;
            if (++found.open > found.deepest)
                found.deepest = found.open;
        } else if ((c == '}' || c == ']') && found.open > 0) {
            found.open--;
            if (found.open == 0 && found.closed == 0)
                found.closed = i + 1;
        }
    }
    return found;
}
