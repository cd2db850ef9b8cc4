/*
 * Random numbers for jitter and for ids that only need to be unlike each other. Not for secrets.
 * The state is the caller's, so a test can repeat a run. One thread per state.
 */
#ifndef BRIDGE_BASE_RANDOM_H
#define BRIDGE_BASE_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state;
};

struct random random_from_system(void);        /* seeded by the kernel */
struct random random_from_seed(uint64_t seed); /* repeatable */
uint64_t random_next(struct random *random);

#define RANDOM_ID_SIZE 33

/* 32 hex digits. Returns `id`. */
const char *random_id(struct random *random, char id[RANDOM_ID_SIZE]);

/* A number in [low, high]; low <= high. */
int64_t random_between(struct random *random, int64_t low, int64_t high);

#endif
