/*
 * A board on which a loop writes how it stands, for whoever looks: a JSON text made at most every
 * BOARD_EVERY_MS, and only while somebody looks. So nobody waits for a loop, and a loop that nobody
 * looks at does no work for it. Any thread; nothing is held while a text is made.
 */
#ifndef BRIDGE_BASE_BOARD_H
#define BRIDGE_BASE_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"

#define BOARD_EVERY_MS 2000  /* a text is not made anew before */
#define BOARD_LOOKS_MS 15000 /* so long after a look it is made */

/* For the loop: a text is to be made. */
bool board_wanted(int64_t now_ms) MUST_CHECK;

/* The new text, which the board owns from now on. */
void board_put(char *text, int64_t now_ms);

/* A copy of the text that the caller frees, and how old it is; NULL while there is none. The next
 * one is made from now on, so who comes first after a while comes again. */
char *board_look(int64_t now_ms, int64_t *age_ms) MUST_CHECK;

#endif
