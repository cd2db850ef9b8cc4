#ifndef SIMULATOR_FAULTS_H
#define SIMULATOR_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/simulator/random.h"

/* What goes wrong with answers of the API, by seeded chance. A request suffers one fault at most,
 * stale-first aside. */

enum fault {
    FAULT_NONE,
    FAULT_401,
    FAULT_403,
    FAULT_404, /* by id only */
    FAULT_429,
    FAULT_500,
    FAULT_502,
    FAULT_503,
    FAULT_RESET,    /* the connection is reset instead of an answer */
    FAULT_TIMEOUT,  /* nothing comes for `ms`, then a reset */
    FAULT_SLOW,     /* the answer takes `ms` more */
    FAULT_TRUNCATE, /* half of the body, then the end of the connection */
    FAULT_WRONG_ID, /* by id only: another record of the model */
    FAULT_STALE,    /* by id only: the first read after a change shows the state before it */
    FAULTS
};

struct faults {
    double percent[FAULTS];
    uint64_t ms[FAULTS];
    struct random random;
};

/*
 * Reads `500:5%,reset:2%,slow:1%:300`, or nothing for no faults, and replaces what was set. On
 * false nothing is changed and *problem says why (constant). The percents of all but stale-first
 * must not exceed 100 together.
 */
bool faults_parse(struct faults *faults, const char *spec, const char **problem);

/* The fault of one request; never FAULT_STALE. */
enum fault faults_draw(struct faults *faults, bool by_id);

/* Whether this first read after a change is a stale one. */
bool faults_draw_stale(struct faults *faults);

/* The status that a fault answers with; 0 when it is none of that kind. */
unsigned faults_status(enum fault fault);

#endif
