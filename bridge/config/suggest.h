/* How far a mistyped word is from a known one. Any thread. */
#ifndef BRIDGE_CONFIG_SUGGEST_H
#define BRIDGE_CONFIG_SUGGEST_H

#include <stdbool.h>
#include <stddef.h>

/* The optimal string alignment distance: the number of letters to insert, remove, replace or swap
 * with their neighbour. SIZE_MAX when one of the words is longer than 64 bytes. */
size_t suggest_distance(const char *a, const char *b);

/* True when `candidate` is near enough to `word` to be proposed (a quarter of its letters and one
 * more may be wrong) and nearer than `*best`, which is then its distance. Start with `*best` =
 * SIZE_MAX. */
bool suggest_better(const char *word, const char *candidate, size_t *best);

#endif
