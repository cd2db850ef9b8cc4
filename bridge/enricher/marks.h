/*
 * Which offsets above a partition's watermark are done, as the text that travels in the metadata of
 * the commit of that watermark.
 *
 *     "1:" base64( watermark, open, done, open, done, ... )     all numbers LEB128 varints
 *
 * `open` offsets from the watermark on are not done, `done` ones behind them are, and so on; none
 * of these lengths is 0, and what lies behind the last is open. The watermark stands in the text so
 * that a text says nothing about any other one: tools that copy a group to another cluster
 * translate the offset and copy the metadata as it is. The beginning of a text that was cut off
 * tells less, but nothing that is wrong. Pure; any thread.
 */
#ifndef BRIDGE_ENRICHER_MARKS_H
#define BRIDGE_ENRICHER_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"

/* Characters: what a broker keeps (offset.metadata.max.bytes is 4096 by default), less the zero
 * that travels along. */
#define MARKS_TEXT_MAXIMUM 4095

/* `from` is in it, `to` is not. */
struct marks_run {
    int64_t from;
    int64_t to;
};

/* A text being made. */
struct marks {
    size_t maximum; /* bytes */
    size_t length;
    int64_t end; /* of the last run */
    size_t pair; /* where its two lengths stand */
    int64_t pair_base;
    int64_t pair_from;
    uint8_t bytes[MARKS_TEXT_MAXIMUM];
};

/* The text will have `maximum` characters at most, itself at most MARKS_TEXT_MAXIMUM. */
void marks_begin(struct marks *marks, int64_t watermark, size_t maximum);

/* Adds a run of done offsets; runs come in rising order, the first above the watermark, and may
 * touch. False when it does not fit: then nothing may be added any more. */
bool marks_add(struct marks *marks, int64_t from, int64_t to) MUST_CHECK;

/* The text, which the caller frees; NULL when there is no run in it. */
char *marks_text(const struct marks *marks) MUST_CHECK;

/* The runs of a text, in rising order and apart from each other, which the caller frees. NULL with
 * `*reason` (static) when it is no such text, or one of another watermark. */
struct marks_run *marks_read(const char *text, size_t length, int64_t watermark, size_t *count,
                             const char **reason) MUST_CHECK;

#endif
