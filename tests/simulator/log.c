#include "tests/simulator/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

/* A line is one write: readers never see half of it. Longer ones are cut off. */
void log_line(const char *level, const char *event, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    int length = snprintf(line, sizeof line / 2, "level=%s event=%s ", level, event);
    va_list arguments;
    va_start(arguments, format);
    length += vsnprintf(line + length, sizeof line - (size_t)length, format, arguments);
    va_end(arguments);
    size_t end = (size_t)length < sizeof line ? (size_t)length : sizeof line - 1;
    line[end] = '\n';
    if (write(STDERR_FILENO, line, end + 1) < 0)
        return;
}
