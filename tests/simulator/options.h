#ifndef SIMULATOR_OPTIONS_H
#define SIMULATOR_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/simulator/models.h"

/* The shapes of a webhook's body, as the API's description and guides show them. */
enum shape {
    SHAPE_A,      /* wrapped: trigger, data, meta */
    SHAPE_B,      /* flat, meta beside it */
    SHAPE_C,      /* old: meta, record_id, diff or payload */
    SHAPE_ORPHAN, /* A0: A without trigger, meta and integration_id */
    SHAPE_MIXED
};

enum missing { MISSING_404, MISSING_NULL };

enum ties { TIES_SHUFFLE, TIES_STABLE };

/* What moves a record's updated_at. */
enum updated_at { UPDATED_AT_ALL, UPDATED_AT_CHANGES, UPDATED_AT_NONE };

/* Whether a webhook's diff tells updated_at too. */
enum diff_updated_at { DIFF_UPDATED_AT_ALL, DIFF_UPDATED_AT_NONE, DIFF_UPDATED_AT_MIXED };

/* Whether a change of a record that others show moves their updated_at. */
enum parents_updated_at { PARENTS_NEVER, PARENTS_ALWAYS, PARENTS_SEED };

/* What befalls a part of the webhooks, and how long it takes. */
struct chance {
    double percent;
    uint64_t ms;
};

/* Everything the command line says. Texts point into argv and live as long as it. Read only after
 * options_parse(). */
struct options {
    const char *listen;
    const char *token;
    const char *webhook_url; /* empty = none yet */
    const char *webhook_secret;
    uint64_t seed;
    uint64_t records; /* of each model */
    uint64_t integrations;
    uint64_t created_ties;
    const struct model *models[MODELS_MAX];
    unsigned model_count;

    double rate; /* changes a second; 0 = as fast as they are delivered */
    uint64_t changes;
    int shape; /* enum shape */
    double mixed_orphans;
    double new_percent;
    double last_seen_percent;
    int distinct;           /* a switch */
    int updated_at;         /* enum updated_at */
    int diff_updated_at;    /* enum diff_updated_at */
    int parents_updated_at; /* enum parents_updated_at */

    uint64_t webhook_concurrency;
    uint64_t retry_ms;
    double drop_webhooks;
    struct chance late;
    struct chance replay;
    int data_diffs; /* a switch */

    uint64_t limit_per_minute; /* 0 = none */
    uint64_t minute_ms;
    int retry_after; /* a switch */
    uint64_t latency_ms;
    const char *fault;
    int missing;          /* enum missing */
    int ties;             /* enum ties */
    int extended_filters; /* a switch */
    int gzip;             /* a switch */
};

/* What to do next: run, or end with exit code 0 (--help was printed) or EXIT_USAGE (the reason is
 * on standard error). */
enum options_verdict { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_WRONG };

enum options_verdict options_parse(int argc, char **argv, struct options *options);

/* "A", "B", "C", "A0" or "mixed"; false when it is none of them. */
bool options_shape(const char *text, enum shape *shape);

#endif
