/*
 * What the receiver decides with: a configuration from these settings, its models and its topics.
 */
#ifndef TESTS_UNIT_INGEST_FIXTURE_H
#define TESTS_UNIT_INGEST_FIXTURE_H

#include "bridge/base/memory.h"
#include "bridge/receiver/ingest.h"
#include "tests/unit/unit.h"

struct bench {
    struct config config;
    struct selection *selection;
    struct topics *topics;
    struct credentials *credentials;
    struct ingest ingest;
};

static struct bench *bench_new(const char **sets, size_t count)
{
    static char *const environment[] = {NULL};
    struct bench *bench = memory_new(1, sizeof *bench);
    struct buffer problems = buffer_new(1 << 16);
    struct error error;
    if (!config_load(&bench->config, "/dev/null", environment, sets, count, CONFIG_NEED_NOTHING,
                     &problems))
        fail_msg("%s", buffer_text(&problems));
    buffer_free(&problems);
    bench->selection = selection_new(&bench->config, &error);
    assert_non_null(bench->selection);
    bench->topics =
        topics_new(&bench->config, bench->selection->names, bench->selection->has_snapshots,
                   bench->selection->count, bench->selection->has_assembled);
    bench->credentials = credentials_new(&bench->config, &bench->config.receiver.secrets, &error);
    if (bench->credentials == NULL)
        fail_msg("%s", error.message);
    bench->ingest = (struct ingest){.config = &bench->config,
                                    .credentials = bench->credentials,
                                    .topics = bench->topics,
                                    .selection = bench->selection,
                                    .random = random_from_seed(7)};
    return bench;
}

static void bench_free(struct bench *bench)
{
    credentials_free(bench->credentials);
    topics_free(bench->topics);
    selection_free(bench->selection);
    config_free(&bench->config);
    free(bench);
}

#endif
