/*
 * What the process uses, by the names that Prometheus' client libraries have for it, and what it
 * is. Any thread.
 */
#ifndef BRIDGE_BASE_PROCESS_H
#define BRIDGE_BASE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PROCESS_CPU,      /* microseconds */
    PROCESS_RESIDENT, /* bytes */
    PROCESS_VIRTUAL,  /* bytes */
    PROCESS_THREADS,
    PROCESS_OPEN_FILES,
    PROCESS_MAX_FILES,
    PROCESS_START, /* microseconds since 1970, by the wall clock */
    PROCESS_BUILD, /* 1; its label is the version */
    PROCESS_FIGURE_COUNT
};

struct process_figure {
    const char *name;
    const char *type;
    const char *labels;
    const char *help;
    bool is_us; /* kept in microseconds, shown in seconds */
};

extern const struct process_figure process_table[PROCESS_FIGURE_COUNT];

struct process_figures {
    int64_t values[PROCESS_FIGURE_COUNT];
};

/* Those of this moment, from /proc; 0 where that does not tell. */
struct process_figures process_figures(void);

#endif
