#include "tests/simulator/random.h"

static uint64_t finish(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t random_mix(uint64_t a, uint64_t b)
{
    return finish(finish(a + UINT64_C(0x9e3779b97f4a7c15)) + b);
}

uint64_t random_hash(const char *bytes, size_t length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    return finish(hash);
}

struct random random_make(uint64_t seed, uint64_t stream)
{
    return (struct random){.state = random_mix(seed, stream)};
}

uint64_t random_next(struct random *random)
{
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    return finish(random->state);
}

uint64_t random_below(struct random *random, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)random_next(random) * bound) >> 64);
}

bool random_percent(struct random *random, double percent)
{
    double drawn = (double)(random_next(random) >> 11) * (100.0 / 9007199254740992.0);
    return drawn < percent;
}
