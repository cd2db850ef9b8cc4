/*
 * Texts of a cJSON tree as json_parse makes them: terminated, UTF-8, and two sequences that UTF-8
 * does not have, for what cJSON 1.7 cannot keep: C0 80 is the character U+0000, and ED followed by
 * A0 to BF and 80 to BF is half of a surrogate pair, which is no character and cannot stand in an
 * Avro string. Pure; any thread.
 */
#ifndef BRIDGE_CODEC_TREE_TEXT_H
#define BRIDGE_CODEC_TREE_TEXT_H

#include <stddef.h>

#include "bridge/base/buffer.h"

/* From good to bad. */
enum tree_text {
    TREE_TEXT_PLAIN,  /* UTF-8 without U+0000 */
    TREE_TEXT_NULS,   /* UTF-8 with U+0000: tree_text_expand gives the bytes */
    TREE_TEXT_HALVES, /* has halves of surrogate pairs: only JSON's escapes can write it */
    TREE_TEXT_BROKEN, /* bytes that are no text at all */
};

enum tree_text tree_text_kind(const char *text, size_t length);

/* Appends a text of the kind TREE_TEXT_NULS as UTF-8 bytes with zero bytes in them. */
void tree_text_expand(struct buffer *out, const char *text, size_t length);

/* The code of the sequence at `text` and its length in `*length`; -1 when UTF-8 has what stands
 * there. Reads no further than the terminator. */
int tree_text_special(const char *text, size_t *length);

#endif
