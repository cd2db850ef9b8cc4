#include "bridge/enricher/seen.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BITS   2048 /* with 300 events one new one in 25 is taken for an old one */
#define DIGITS (BITS / 4)
#define PROBES 4

static void write_digest(uint64_t digest, char text[17])
{
    (void)snprintf(text, 17, "%016" PRIx64, digest);
}

static cJSON *member(const cJSON *state, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(state, name);
}

static size_t probe(uint64_t digest, int number)
{
    return (size_t)((digest >> (number * 11)) % BITS);
}

static int digit_value(char digit)
{
    return digit <= '9' ? digit - '0' : digit - 'a' + 10;
}

static void filter_add(char *filter, uint64_t digest)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < PROBES; i++) {
        size_t bit = probe(digest, i);
        filter[bit / 4] = digits[digit_value(filter[bit / 4]) | (1 << (bit % 4))];
    }
}

static bool filter_has(const char *filter, uint64_t digest)
{
    for (int i = 0; i < PROBES; i++) {
        size_t bit = probe(digest, i);
        if ((digit_value(filter[bit / 4]) & (1 << (bit % 4))) == 0)
            return false;
    }
    return true;
}

/* The filter's text, or NULL: a state that somebody cut is as if it had none. */
static char *filter_of(const cJSON *state)
{
    char *filter = cJSON_GetStringValue(member(state, "seen_filter"));
    return filter != NULL && strspn(filter, "0123456789abcdef") == DIGITS && filter[DIGITS] == '\0'
               ? filter
               : NULL;
}

bool seen_has(const cJSON *state, uint64_t digest)
{
    char text[17];
    const char *filter = filter_of(state);
    if (filter != NULL && filter_has(filter, digest))
        return true;
    write_digest(digest, text);
    const cJSON *item;
    cJSON_ArrayForEach(item, member(state, "seen"))
    {
        if (cJSON_IsString(item) && strcmp(item->valuestring, text) == 0)
            return true;
    }
    return false;
}

static char *make_filter(cJSON *state)
{
    char zeros[DIGITS + 1];
    memset(zeros, '0', DIGITS);
    zeros[DIGITS] = '\0';
    cJSON_DeleteItemFromObjectCaseSensitive(state, "seen_filter");
    return cJSON_AddStringToObject(state, "seen_filter", zeros)->valuestring;
}

void seen_add(cJSON *state, uint64_t digest, int most)
{
    char text[17];
    char *filter = filter_of(state);
    if (filter != NULL) {
        filter_add(filter, digest);
        return;
    }
    cJSON *list = member(state, "seen");
    if (cJSON_GetArraySize(list) < most) {
        write_digest(digest, text);
        (void)cJSON_AddItemToArray(list, cJSON_CreateString(text));
        return;
    }
    filter = make_filter(state);
    filter_add(filter, digest);
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (cJSON_IsString(item))
            filter_add(filter, strtoull(item->valuestring, NULL, 16));
    }
    while (cJSON_GetArraySize(list) > 0)
        cJSON_DeleteItemFromArray(list, 0);
}
