#include "bridge/base/clock.h"

#include <string.h>
#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

void clock_rest(int64_t ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
}

/* The second's date and time; NULL when it is beyond what can be said. Many moments in a row are of
 * one second. */
static const char *date_of(time_t second)
{
    static _Thread_local struct {
        time_t second;
        char date[sizeof "1970-01-01T00:00:00"];
    } last;
    struct tm parts;
    if (last.date[0] != '\0' && last.second == second)
        return last.date;
    last.second = second;
    last.date[0] = '\0';
    return gmtime_r(&second, &parts) == NULL ||
                   strftime(last.date, sizeof last.date, "%FT%T", &parts) == 0
               ? NULL
               : last.date;
}

const char *clock_format(int64_t wall_ms, char text[CLOCK_TEXT_SIZE])
{
    int64_t second = wall_ms / 1000 - (wall_ms % 1000 < 0);
    int ms = (int)(wall_ms - second * 1000);
    char fraction[] = {
        '.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10), 'Z', '\0'};
    const char *date = date_of((time_t)second);
    if (date == NULL)
        (void)stpcpy(text, "1970-01-01T00:00:00.000Z");
    else
        (void)stpcpy(stpcpy(text, date), fraction);
    return text;
}
