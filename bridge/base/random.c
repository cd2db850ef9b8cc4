#include "bridge/base/random.h"

#include <sys/random.h>

#include "bridge/base/clock.h"
#include "bridge/base/text.h"

struct random random_from_seed(uint64_t seed)
{
    return (struct random){seed};
}

struct random random_from_system(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
        seed = (uint64_t)clock_us();
    return random_from_seed(seed);
}

/* splitmix64: one addition and a finaliser; every 64-bit state is a good one. */
uint64_t random_next(struct random *random)
{
    uint64_t z = (random->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

const char *random_id(struct random *random, char id[RANDOM_ID_SIZE])
{
    text_hex(random_next(random), id);
    text_hex(random_next(random), id + TEXT_HEX_LENGTH);
    id[RANDOM_ID_SIZE - 1] = '\0';
    return id;
}

int64_t random_between(struct random *random, int64_t low, int64_t high)
{
    uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    uint64_t number = random_next(random);
    return (int64_t)((uint64_t)low + (span == 0 ? number : number % span));
}
