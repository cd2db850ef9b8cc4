/* Small things about texts that several files of this room need. Any thread. */
#ifndef BRIDGE_CONFIG_TEXT_H
#define BRIDGE_CONFIG_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"

#define TEXT_QUOTED_SIZE 80

/* An owned copy without the white space at both ends. */
char *text_trim(const char *text) MUST_CHECK;
char *text_trim_n(const char *text, size_t length) MUST_CHECK;

/* `text` in quotation marks for a message: cut with "..." when long, control characters as `?`. */
const char *text_quote(const char *text, char quoted[TEXT_QUOTED_SIZE]);

/* Bytes of the longest line, without its end. */
size_t text_longest_line(const char *text);

bool text_ends_with(const char *text, const char *end);

/* True when one of the bytes is a control character (0x00 to 0x1f, 0x7f), a line's end included. */
bool text_has_control(const char *text);

#endif
