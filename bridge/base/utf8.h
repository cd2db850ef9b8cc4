/* UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF. Any
 * thread. */
#ifndef BRIDGE_BASE_UTF8_H
#define BRIDGE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

bool utf8_valid(const void *bytes, size_t length);

#endif
