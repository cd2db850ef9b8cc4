#include "tests/simulator/ids.h"

#include <inttypes.h>
#include <string.h>

void ids_fresh(struct text *text, struct random *random)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    char id[25] = {'c', 'l'};
    for (size_t i = 2; i < sizeof id; i++)
        id[i] = digits[random_below(random, 36)];
    text_append(text, id, sizeof id);
}

static void write_uuid(struct text *text, struct random *random)
{
    uint64_t high = random_next(random);
    uint64_t low = random_next(random);
    text_format(text, "%08" PRIx64 "-%04" PRIx64 "-4%03" PRIx64 "-a%03" PRIx64 "-%012" PRIx64,
                high >> 32, (high >> 16) & 0xffff, high & 0xfff, low >> 52,
                low & UINT64_C(0xffffffffffff));
}

static void write_hash(struct text *text, struct random *random)
{
    for (int i = 0; i < 4; i++)
        text_format(text, "%016" PRIx64, random_next(random));
}

static void write_composite(struct text *text, struct random *random, uint64_t index)
{
    uint64_t outside = random_below(random, 100000);
    switch (random_below(random, 5)) {
    case 0:
        text_format(text, "%" PRIu64 "|b/c d|%" PRIu64, outside, index);
        break;
    case 1:
        text_format(text, "t%" PRIu64 ":%" PRIu64 "+a", outside, index);
        break;
    case 2:
        text_format(text, "%" PRIu64 "%%2F%" PRIu64 "?x=1&y=2#z", outside, index);
        break;
    case 3:
        text_format(text, "\xc3\xa9tage-%" PRIu64 "-%" PRIu64, outside, index);
        break;
    default:
        text_format(text, "{%" PRIu64 "};%" PRIu64 ",..", outside, index);
        break;
    }
}

void ids_record(struct text *text, uint64_t seed, const char *model, uint64_t index)
{
    uint64_t stream = random_mix(random_hash(model, strlen(model)), index);
    struct random random = random_make(seed, stream);
    uint64_t form = random_below(&random, 100);
    if (form < 80)
        ids_fresh(text, &random);
    else if (form < 90)
        write_uuid(text, &random);
    else if (form < 93)
        write_hash(text, &random);
    else
        write_composite(text, &random, index);
}

void ids_integration(struct text *text, uint64_t seed, uint64_t integration)
{
    struct random random = random_make(seed, random_mix(UINT64_C(0x1d), integration));
    if (integration % 5 == 4)
        write_uuid(text, &random);
    else
        ids_fresh(text, &random);
}

void ids_outside(struct text *text, uint64_t seed, const char *model, uint64_t index)
{
    uint64_t mixed = random_mix(seed, random_hash(model, strlen(model)));
    if (mixed % 2 == 0)
        text_format(text, "%" PRIu64, UINT64_C(1000) + index);
    else
        text_format(text, "t%07" PRIu64, index);
}
