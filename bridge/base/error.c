#include "bridge/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

bool error_set(struct error *error, enum verdict verdict, const char *format, ...)
{
    if (error == NULL)
        return false;
    va_list values;
    va_start(values, format);
    error->verdict = verdict;
    (void)vsnprintf(error->message, sizeof error->message, format, values);
    va_end(values);
    return false;
}

bool error_prefix(struct error *error, const char *format, ...)
{
    if (error == NULL)
        return false;
    struct error old = *error;
    va_list values;
    va_start(values, format);
    int length = vsnprintf(error->message, sizeof error->message, format, values);
    va_end(values);
    size_t used = length < 0 ? 0 : (size_t)length;
    if (used < sizeof error->message) {
        size_t left = sizeof error->message - used;
        (void)snprintf(error->message + used, left, ": %.*s", (int)left, old.message);
    }
    return false;
}

int error_exit_code(const struct error *error)
{
    switch (error->verdict) {
    case VERDICT_RETRY:
        return EX_UNAVAILABLE;
    case VERDICT_ABORT:
        return EX_TEMPFAIL;
    case VERDICT_CONFIGURATION:
        return EX_CONFIG;
    case VERDICT_FATAL:
        break;
    }
    return EX_SOFTWARE;
}
