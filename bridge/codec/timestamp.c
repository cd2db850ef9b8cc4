#include "bridge/codec/timestamp.h"

#include "bridge/codec/json_parse.h"

#define MS_PER_SECOND   INT64_C(1000)
#define SECONDS_PER_DAY INT64_C(86400)

/* Takes `digits` decimal digits; false when there are fewer. */
static bool take_number(const char **text, int digits, int *number)
{
    *number = 0;
    for (int i = 0; i < digits; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        *number = *number * 10 + (**text - '0');
    }
    return true;
}

static bool take_one_of(const char **text, char a, char b)
{
    if (**text == '\0' || (**text != a && **text != b))
        return false;
    (*text)++;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return DAYS[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* Days from 1970-01-01 to a day of the Gregorian calendar. Counting years from March puts the leap
 * day last, so that the days before a month are a linear function of it. */
static int64_t days_from_date(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t m = month <= 2 ? month + 9 : month - 3;
    int64_t century = (y >= 0 ? y : y - 99) / 100;
    int64_t quadrennial = y - century * 100;
    int64_t leap_cycle = century >= 0 ? century / 4 : (century - 3) / 4;
    int64_t century_of_cycle = century - leap_cycle * 4;
    return leap_cycle * 146097 + century_of_cycle * 36524 + quadrennial * 1461 / 4 +
           (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool take_date(const char **text, int64_t *days)
{
    int year;
    int month;
    int day;
    if (!take_number(text, 4, &year) || !take_one_of(text, '-', '-') ||
        !take_number(text, 2, &month) || !take_one_of(text, '-', '-') ||
        !take_number(text, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    *days = days_from_date(year, month, day);
    return true;
}

static bool take_time(const char **text, int64_t *seconds)
{
    int hour;
    int minute;
    int second;
    if (!take_number(text, 2, &hour) || !take_one_of(text, ':', ':') ||
        !take_number(text, 2, &minute) || !take_one_of(text, ':', ':') ||
        !take_number(text, 2, &second))
        return false;
    *seconds = hour * 3600 + minute * 60 + second;
    return hour <= 23 && minute <= 59 && second <= 60;
}

static bool take_fraction(const char **text, int64_t *ms)
{
    int64_t weight = 100;
    *ms = 0;
    if (!take_one_of(text, '.', ','))
        return true;
    if (**text < '0' || **text > '9')
        return false;
    for (; **text >= '0' && **text <= '9'; (*text)++, weight /= 10)
        *ms += weight * (**text - '0');
    return true;
}

/* How many seconds the zone is ahead of UTC. */
static bool take_zone(const char **text, int64_t *seconds)
{
    int hours;
    int minutes;
    *seconds = 0;
    if (**text == '\0' || take_one_of(text, 'Z', 'z'))
        return true;
    int64_t sign = **text == '-' ? -1 : 1;
    if (!take_one_of(text, '+', '-') || !take_number(text, 2, &hours))
        return false;
    (void)take_one_of(text, ':', ':');
    if (!take_number(text, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

bool timestamp_parse(const char *text, int64_t *ms)
{
    int64_t days;
    int64_t seconds;
    int64_t fraction;
    int64_t zone;
    if (!take_date(&text, &days) ||
        (!take_one_of(&text, 'T', 't') && !take_one_of(&text, ' ', ' ')))
        return false;
    if (!take_time(&text, &seconds) || !take_fraction(&text, &fraction) ||
        !take_zone(&text, &zone) || *text != '\0')
        return false;
    *ms = (days * SECONDS_PER_DAY + seconds - zone) * MS_PER_SECOND + fraction;
    return true;
}

bool timestamp_member(const cJSON *object, const char *name, int64_t *ms)
{
    const char *text = json_member_text(object, name);
    return text != NULL && timestamp_parse(text, ms);
}
