#include "tests/simulator/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t clock_of(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_monotonic(void)
{
    return clock_of(CLOCK_MONOTONIC);
}

int64_t clock_wall(void)
{
    return clock_of(CLOCK_REALTIME);
}

void clock_write(struct text *text, int64_t moment, enum clock_style style)
{
    int64_t seconds = moment / 1000;
    int fraction = (int)(moment % 1000);
    if (fraction < 0) {
        fraction += 1000;
        seconds--;
    }
    struct tm parts;
    time_t whole = (time_t)seconds;
    gmtime_r(&whole, &parts);
    text_format(text, "\"%04d-%02d-%02dT%02d:%02d:%02d", parts.tm_year + 1900, parts.tm_mon + 1,
                parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
    if (fraction != 0 || style == CLOCK_FULL || style == CLOCK_MICRO)
        text_format(text, style == CLOCK_MICRO ? ".%03d000" : ".%03d", fraction);
    text_add(text, style == CLOCK_OFFSET ? "+00:00\"" : "Z\"");
}

static bool read_fraction(const char **at, int64_t *milliseconds)
{
    *milliseconds = 0;
    if (**at != '.')
        return true;
    (*at)++;
    int64_t unit = 100;
    const char *first = *at;
    for (; isdigit((unsigned char)**at); (*at)++) {
        *milliseconds += unit * (**at - '0');
        unit /= 10;
    }
    return *at > first;
}

bool clock_read(const char *bytes, size_t length, int64_t *moment)
{
    char copy[40];
    if (length >= sizeof copy)
        return false;
    memcpy(copy, bytes, length);
    copy[length] = '\0';
    struct tm parts = {0};
    const char *at = strptime(copy, "%Y-%m-%dT%H:%M:%S", &parts);
    int64_t fraction = 0;
    if (at == NULL || !read_fraction(&at, &fraction))
        return false;
    if (strcmp(at, "Z") != 0 && strcmp(at, "+00:00") != 0)
        return false;
    *moment = (int64_t)timegm(&parts) * 1000 + fraction;
    return true;
}
