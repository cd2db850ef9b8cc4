/* The state of a sync: which models it covers, and how it is written down. */
#include "tests/unit/enricher_fixture.h"

#include "bridge/enricher/sync.h"

struct bench {
    struct config config;
    struct selection *selection;
};

static int open_bench(void **state)
{
    static struct bench bench;
    bench.selection = open_selection(&bench.config, "bridge.models=units,leases,residents");
    *state = &bench;
    return 0;
}

static int close_bench(void **state)
{
    struct bench *bench = *state;
    selection_free(bench->selection);
    config_free(&bench->config);
    return 0;
}

static enum sync_state state_of(const struct bench *bench, const struct sync *sync,
                                const char *model)
{
    for (size_t i = 0; i < sync->count; i++) {
        if (strcmp(bench->selection->names[i], model) == 0)
            return sync->parts[i].state;
    }
    fail_msg("no model %s", model);
    return SYNC_OTHER;
}

static void test_models(void **state)
{
    static const struct {
        const char *models;
        size_t count;
        enum sync_state units;
        enum sync_state leases;
    } rows[] = {
        {"units,leases,residents", 3, SYNC_UNTOLD, SYNC_UNTOLD},
        {"units", 1, SYNC_UNTOLD, SYNC_OTHER},
        {"invoices,leases,spaceships", 1, SYNC_OTHER, SYNC_UNTOLD},
        {"", 0, SYNC_OTHER, SYNC_OTHER},
        {",,units,", 1, SYNC_UNTOLD, SYNC_OTHER},
    };
    const struct bench *bench = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct sync *sync = sync_new("i", "s", 2, rows[i].models, bench->selection, 7);
        size_t done = 9;
        assert_int_equal(sync_models(sync, &done), rows[i].count);
        assert_int_equal(done, 0);
        assert_int_equal(state_of(bench, sync, "units"), rows[i].units);
        assert_int_equal(state_of(bench, sync, "leases"), rows[i].leases);
        sync_free(sync);
    }
}

/* What waits for a commit is waited for anew by the next owner. */
static void test_written_down(void **state)
{
    static const enum sync_state after[] = {
        [SYNC_OTHER] = SYNC_OTHER,   [SYNC_UNTOLD] = SYNC_UNTOLD, [SYNC_WAITS] = SYNC_WAITS,
        [SYNC_COMMITS] = SYNC_WAITS, [SYNC_DONE] = SYNC_DONE,
    };
    const struct bench *bench = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(after); i++) {
        struct sync *sync = sync_new("i \"1\"", "s", 2, "units", bench->selection, 7);
        sync->parts[0] = (struct sync_part){.state = (enum sync_state)i, .offset = 1234567890123};
        sync->parts[1].state = SYNC_DONE;
        char *text = sync_write(sync, bench->selection);
        struct sync *read = sync_read(text, strlen(text), "i \"1\"", 2, bench->selection);
        assert_non_null(read);
        assert_string_equal(read->id, "s");
        assert_int_equal(read->number, 2);
        assert_int_equal(read->began_ms, 7);
        assert_int_equal(read->parts[0].state, after[i]);
        assert_int_equal(read->parts[0].offset, i == SYNC_OTHER ? 0 : 1234567890123);
        assert_int_equal(read->parts[1].state, SYNC_DONE);
        assert_int_equal(read->parts[2].state, SYNC_OTHER);
        free(text);
        sync_free(sync);
        sync_free(read);
    }
}

static void test_texts_that_are_none(void **state)
{
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "{\"sync\":\"s\"}",
                                        "{\"models\":{}}",
                                        "{\"sync\":7,\"models\":{}}",
                                        "{\"backfill\":\"o\"}"};
    const struct bench *bench = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        assert_null(sync_read(texts[i], strlen(texts[i]), "i", 0, bench->selection));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_written_down),
        cmocka_unit_test(test_texts_that_are_none),
    };
    return cmocka_run_group_tests(tests, open_bench, close_bench);
}
