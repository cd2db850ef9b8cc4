#ifndef SIMULATOR_RANDOM_H
#define SIMULATOR_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Seeded randomness (SplitMix64): the same seed and stream give the same numbers on every machine.
 * One thread per struct. */
struct random {
    uint64_t state;
};

/* Independent streams of one seed, so that one part's drawing does not shift another's. */
struct random random_make(uint64_t seed, uint64_t stream);

uint64_t random_next(struct random *random);

/* 0 .. bound-1; bound must not be 0. */
uint64_t random_below(struct random *random, uint64_t bound);

/* True with that probability, 0 to 100. Always draws once. */
bool random_percent(struct random *random, double percent);

/* A number that depends on both and on nothing else. */
uint64_t random_mix(uint64_t a, uint64_t b);

/* The same for a name. */
uint64_t random_hash(const char *bytes, size_t length);

#endif
