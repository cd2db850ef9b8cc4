#ifndef SIMULATOR_LOG_H
#define SIMULATOR_LOG_H

/* Lines of logfmt on standard error: `level=... event=...` and what `format` makes of the rest. Any
 * thread. */
void log_line(const char *level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The exit codes, the same as the bridge's. */
enum {
    EXIT_USAGE = 64,
    EXIT_AWAY = 69, /* the address to listen on cannot be had */
    EXIT_INTERNAL = 70
};

#endif
