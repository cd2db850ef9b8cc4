#include "bridge/config/suggest.h"

#include <stdint.h>
#include <string.h>

#define LONGEST 64

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

size_t suggest_distance(const char *a, const char *b)
{
    size_t a_length = strlen(a);
    size_t b_length = strlen(b);
    if (a_length > LONGEST || b_length > LONGEST)
        return SIZE_MAX;
    uint8_t d[LONGEST + 1][LONGEST + 1];
    for (size_t i = 0; i <= a_length; i++)
        d[i][0] = (uint8_t)i;
    for (size_t j = 0; j <= b_length; j++)
        d[0][j] = (uint8_t)j;
    for (size_t i = 1; i <= a_length; i++) {
        for (size_t j = 1; j <= b_length; j++) {
            size_t wrong = a[i - 1] == b[j - 1] ? 0 : 1;
            size_t least = smallest(d[i - 1][j] + 1U, d[i][j - 1] + 1U, d[i - 1][j - 1] + wrong);
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && d[i - 2][j - 2] + 1U < least)
                least = d[i - 2][j - 2] + 1U;
            d[i][j] = (uint8_t)least;
        }
    }
    return d[a_length][b_length];
}

bool suggest_better(const char *word, const char *candidate, size_t *best)
{
    size_t distance = suggest_distance(word, candidate);
    size_t allowed = strlen(candidate) / 4 + 1;
    if (distance > allowed || distance >= *best)
        return false;
    *best = distance;
    return true;
}
