#include "tests/simulator/log.h"

#include <stdarg.h>
#include <stdio.h>

void log_line(const char *level, const char *event, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    flockfile(stderr);
    fprintf(stderr, "level=%s event=%s ", level, event);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    fflush(stderr);
    funlockfile(stderr);
    va_end(arguments);
}
