#include "bridge/http/answer.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define LARGEST_NUMBER INT32_MAX
#define DATE_SIZE      64

void answer_clear(struct http_answer *answer)
{
    answer->limit = -1;
    answer->remaining = -1;
    answer->retry_after_s = -1;
    answer->media_type[0] = '\0';
}

/* The value of the header `name` in `line`, trimmed; NULL when the line is another header. */
static const char *value_of(const char *name, const char *line, size_t *length)
{
    size_t name_length = strlen(name);
    if (*length <= name_length || line[name_length] != ':' ||
        strncasecmp(line, name, name_length) != 0)
        return NULL;
    const char *start = line + name_length + 1;
    const char *end = line + *length;
    while (start < end && (*start == ' ' || *start == '\t'))
        start++;
    while (end > start && strchr(" \t\r\n", end[-1]) != NULL)
        end--;
    *length = (size_t)(end - start);
    return start;
}

/* Digits only, held to LARGEST_NUMBER; -1 for anything else. */
static int64_t number_of(const char *text, size_t length)
{
    int64_t number = length == 0 ? -1 : 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        number = number * 10 + (text[i] - '0');
        if (number > LARGEST_NUMBER)
            number = LARGEST_NUMBER;
    }
    return number;
}

static int64_t seconds_until(const char *text, size_t length, int64_t wall_ms)
{
    char date[DATE_SIZE];
    if (length >= sizeof date)
        return -1;
    memcpy(date, text, length);
    date[length] = '\0';
    time_t when = curl_getdate(date, NULL);
    if (when == (time_t)-1)
        return -1;
    int64_t seconds = (int64_t)when - wall_ms / 1000;
    if (seconds < 0)
        return 0;
    return seconds > LARGEST_NUMBER ? LARGEST_NUMBER : seconds;
}

static bool read_number(const char *name, const char *line, size_t length, int64_t *number)
{
    const char *value = value_of(name, line, &length);
    if (value == NULL)
        return false;
    *number = number_of(value, length);
    return true;
}

static void read_media_type(struct http_answer *answer, const char *text, size_t length)
{
    size_t i = 0;
    for (; i < length && i + 1 < sizeof answer->media_type && text[i] != ';' && text[i] != ' '; i++)
        answer->media_type[i] = (char)tolower((unsigned char)text[i]);
    answer->media_type[i] = '\0';
}

void answer_header(struct http_answer *answer, const char *line, size_t length, int64_t wall_ms)
{
    if (length >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        answer_clear(answer);
        return;
    }
    if (read_number("x-ratelimit-limit", line, length, &answer->limit) ||
        read_number("x-ratelimit-remaining", line, length, &answer->remaining))
        return;
    size_t value_length = length;
    const char *value = value_of("content-type", line, &value_length);
    if (value != NULL) {
        read_media_type(answer, value, value_length);
        return;
    }
    value_length = length;
    value = value_of("retry-after", line, &value_length);
    if (value == NULL)
        return;
    answer->retry_after_s = number_of(value, value_length);
    if (answer->retry_after_s < 0)
        answer->retry_after_s = seconds_until(value, value_length, wall_ms);
}
