#include "bridge/codec/timestamp.h"

#include <stddef.h>

static bool digits(const char **p, int count, int *value)
{
    *value = 0;
    for (int i = 0; i < count; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        *value = *value * 10 + (**p - '0');
    }
    return true;
}

static bool literal(const char **p, const char *any_of)
{
    for (const char *c = any_of; *c != '\0'; c++) {
        if (**p == *c) {
            (*p)++;
            return true;
        }
    }
    return false;
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar: years counted from March, so that the
 * leap day is the last of its year. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool parse_date(const char **p, int64_t *days)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year;
    int month;
    int day;
    if (!digits(p, 4, &year) || !literal(p, "-") || !digits(p, 2, &month) || !literal(p, "-") ||
        !digits(p, 2, &day) || month < 1 || month > 12 || day < 1)
        return false;
    if (day > lengths[month - 1] + (month == 2 && is_leap(year) ? 1 : 0))
        return false;
    *days = days_of(year, month, day);
    return true;
}

static bool parse_fraction(const char **p, int *ms)
{
    int scale = 100;
    *ms = 0;
    if (!literal(p, ".,"))
        return true;
    if (**p < '0' || **p > '9')
        return false;
    for (; **p >= '0' && **p <= '9'; (*p)++, scale /= 10)
        *ms += (**p - '0') * scale;
    return true;
}

/* The zone's distance from UTC in minutes. */
static bool parse_zone(const char **p, int *minutes)
{
    int hours;
    int rest;
    *minutes = 0;
    if (**p == '\0' || literal(p, "Zz"))
        return true;
    int sign = **p == '-' ? -1 : 1;
    if (!literal(p, "+-") || !digits(p, 2, &hours))
        return false;
    (void)literal(p, ":");
    if (!digits(p, 2, &rest) || hours > 23 || rest > 59)
        return false;
    *minutes = sign * (hours * 60 + rest);
    return true;
}

bool timestamp_parse(const char *text, int64_t *ms)
{
    const char *p = text;
    int64_t days;
    int hour;
    int minute;
    int second;
    int fraction;
    int zone;
    if (!parse_date(&p, &days) || !literal(&p, "Tt ") || !digits(&p, 2, &hour) ||
        !literal(&p, ":") || !digits(&p, 2, &minute) || !literal(&p, ":") ||
        !digits(&p, 2, &second) || !parse_fraction(&p, &fraction) || !parse_zone(&p, &zone))
        return false;
    if (*p != '\0' || hour > 23 || minute > 59 || second > 60)
        return false;
    *ms = (((days * 24 + hour) * 60 + minute - zone) * 60 + second) * 1000 + fraction;
    return true;
}
