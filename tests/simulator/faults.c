#include "tests/simulator/faults.h"

#include <stdlib.h>
#include <string.h>

struct fault_row {
    const char *name;
    unsigned status;
    uint64_t ms; /* unless the specification says another */
    bool by_id_only;
};

static const struct fault_row rows[FAULTS] = {
    [FAULT_401] = {"401", 401, 0, false},
    [FAULT_403] = {"403", 403, 0, false},
    [FAULT_404] = {"404", 404, 0, true},
    [FAULT_429] = {"429", 429, 0, false},
    [FAULT_500] = {"500", 500, 0, false},
    [FAULT_502] = {"502", 502, 0, false},
    [FAULT_503] = {"503", 503, 0, false},
    [FAULT_RESET] = {"reset", 0, 0, false},
    [FAULT_TIMEOUT] = {"timeout", 0, 90000, false},
    [FAULT_SLOW] = {"slow", 0, 3000, false},
    [FAULT_TRUNCATE] = {"truncate", 0, 0, false},
    [FAULT_WRONG_ID] = {"wrong-id", 0, 0, true},
    [FAULT_STALE] = {"stale-first", 0, 0, true},
};

unsigned faults_status(enum fault fault)
{
    return rows[fault].status;
}

static enum fault find(const char *name, size_t length)
{
    for (enum fault fault = FAULT_NONE + 1; fault < FAULTS; fault++) {
        if (strlen(rows[fault].name) == length && strncmp(rows[fault].name, name, length) == 0)
            return fault;
    }
    return FAULT_NONE;
}

/* One `NAME:PERCENT%[:MS]`; returns what follows it, or NULL. */
static const char *read_one(struct faults *faults, const char *spec, const char **problem)
{
    size_t length = strcspn(spec, ":,");
    enum fault fault = find(spec, length);
    char *end;
    *problem = "a fault is unknown";
    if (fault == FAULT_NONE || spec[length] != ':')
        return NULL;
    *problem = "a fault's chance must be 0% to 100%";
    double percent = strtod(spec + length + 1, &end);
    if (end == spec + length + 1 || *end != '%' || !(percent >= 0 && percent <= 100))
        return NULL;
    end++;
    faults->percent[fault] = percent;
    faults->ms[fault] = rows[fault].ms;
    if (*end == ':') {
        *problem = "a fault's milliseconds must be 0 to 3600000";
        unsigned long ms = strtoul(end + 1, &end, 10);
        if (ms > 3600000)
            return NULL;
        faults->ms[fault] = ms;
    }
    *problem = "faults must be parted by commas";
    if (*end == ',')
        return end + 1;
    return *end == '\0' ? end : NULL;
}

bool faults_parse(struct faults *faults, const char *spec, const char **problem)
{
    struct faults read = {.random = faults->random};
    while (*spec != '\0') {
        spec = read_one(&read, spec, problem);
        if (spec == NULL)
            return false;
    }
    double sum = 0;
    for (enum fault fault = FAULT_NONE + 1; fault < FAULT_STALE; fault++)
        sum += read.percent[fault];
    *problem = "the chances exceed 100% together";
    if (sum > 100.0001)
        return false;
    *faults = read;
    return true;
}

enum fault faults_draw(struct faults *faults, bool by_id)
{
    double drawn = (double)random_below(&faults->random, 1000000000) / 1e7;
    for (enum fault fault = FAULT_NONE + 1; fault < FAULT_STALE; fault++) {
        if (drawn < faults->percent[fault])
            return rows[fault].by_id_only && !by_id ? FAULT_NONE : fault;
        drawn -= faults->percent[fault];
    }
    return FAULT_NONE;
}

bool faults_draw_stale(struct faults *faults)
{
    return random_percent(&faults->random, faults->percent[FAULT_STALE]);
}
