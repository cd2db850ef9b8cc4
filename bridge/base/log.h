/*
 * One line per event on standard error, as logfmt (default) or JSON: time, level, event, then
 * fields. The event's name comes first so that a person and a program can search for it. Lines hold
 * ids and counts, never a secret, a token, a body or a personal field.
 *
 * Each line is written by one write call, so lines of threads do not mix. Any thread; level and
 * format may be changed at run time.
 */
#ifndef BRIDGE_BASE_LOG_H
#define BRIDGE_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum log_format { LOG_LOGFMT, LOG_JSON };

struct log_field {
    const char *key;  /* NULL ends a list */
    const char *text; /* value as text (NULL is written as empty), or ... */
    int64_t number;   /* ... as a number when `is_number` */
    bool is_number;
};

#define LOG_TEXT(k, v)   ((struct log_field){.key = (k), .text = (v)})
#define LOG_NUMBER(k, v) ((struct log_field){.key = (k), .number = (int64_t)(v), .is_number = true})
#define LOG_END          ((struct log_field){.key = NULL})

void log_set_level(enum log_level level);
void log_set_format(enum log_format format);
bool log_enabled(enum log_level level);

/* Name to level ("debug", "info", "warn", "error"); false when unknown. */
bool log_level_parse(const char *name, enum log_level *level) MUST_CHECK;

/* Writes one line; fields with which it would pass 8 KiB are left out. `fields` ends with LOG_END.
 */
void log_write(enum log_level level, const char *event, const struct log_field *fields);

#define log_event(level, event, ...) \
    log_write((level), (event), (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ) LOG_END})
#define log_debug(event, ...) log_event(LOG_DEBUG, event __VA_OPT__(, ) __VA_ARGS__)
#define log_info(event, ...)  log_event(LOG_INFO, event __VA_OPT__(, ) __VA_ARGS__)
#define log_warn(event, ...)  log_event(LOG_WARN, event __VA_OPT__(, ) __VA_ARGS__)
#define log_error(event, ...) log_event(LOG_ERROR, event __VA_OPT__(, ) __VA_ARGS__)

/*
 * For events that an outage would repeat thousands of times: true at most once in `every_ms` for
 * this `gate`, and then `suppressed` tells how often it was false since. A gate is a static zeroed
 * struct of the calling place. Any thread.
 */
struct log_gate {
    _Atomic int64_t next_ms;
    _Atomic int64_t suppressed;
};

bool log_gate_open(struct log_gate *gate, int64_t now_ms, int64_t every_ms, int64_t *suppressed);

#endif
