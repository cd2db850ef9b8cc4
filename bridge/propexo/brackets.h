/* How the brackets of a JSON text stand, found without parsing it: for telling a text that cannot
 * be parsed although it is whole from one that was cut, or that would take much memory. Pure; any
 * thread. */
#ifndef BRIDGE_PROPEXO_BRACKETS_H
#define BRIDGE_PROPEXO_BRACKETS_H

#include <stddef.h>

struct brackets {
    size_t deepest; /* levels */
    size_t open;    /* not closed at the end */
    size_t values;  /* it has no more than these: lists, objects, and what is in them */
    size_t closed;  /* where the first one's end stands, one past it; 0 = nowhere */
};

struct brackets brackets_scan(const char *text, size_t length);

#endif
