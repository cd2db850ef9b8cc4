/* Recorded changes held against what was heard. */
#include "tests/unit/enricher_fixture.h"

#include "bridge/codec/json_hash.h"
#include "bridge/codec/json_parse.h"
#include "bridge/enricher/audit.h"

/* Where the window begins, and a moment in it. */
#define WINDOW INT64_C(1769860800000)
#define BEFORE "2026-01-31T11:59:58Z"
#define OLD    "2026-01-31T11:00:00Z"
#define NOW    "2026-01-31T12:00:01Z"
#define LATEST (WINDOW + 86400000)

struct bench {
    struct config config;
    struct selection *selection;
    struct ledger ledger;
};

static int open_bench(void **state)
{
    static struct bench bench;
    bench.selection = open_selection(&bench.config, "bridge.models=units,contracts");
    bench.ledger = (struct ledger){open_cache(), 0, "i", 10000000};
    ledger_open(&bench.ledger, WINDOW, 0);
    *state = &bench;
    return 0;
}

static int close_bench(void **state)
{
    struct bench *bench = *state;
    cache_close(bench->ledger.cache);
    selection_free(bench->selection);
    config_free(&bench->config);
    return 0;
}

static void hear(struct bench *bench, const char *model, const char *id, const char *content)
{
    cJSON *tree = json_parse(content, strlen(content));
    assert_true(ledger_hear(&bench->ledger, model, id, json_hash(tree), false, 0));
    cJSON_Delete(tree);
}

/* A page with one row: `number` is the change's id. */
static void page(struct bench *bench, struct audit *audit, int number, const char *model,
                 const char *id, const char *at, const char *content)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "[{\"id\":\"%d\",\"model\":\"%s\",\"model_record_id\":\"%s\",\"event_type\":"
                   "\"UPDATE\",\"integration_id\":\"i\",\"created_at\":\"%s\",\"data_diff\":%s}]",
                   number, model, id, at, content);
    cJSON *items = json_parse(text, strlen(text));
    assert_non_null(items);
    audit_page(audit, &bench->ledger, items);
    cJSON_Delete(items);
}

/* What is told, as "model/id content," each. */
static void note(void *context, const struct audit_change *change)
{
    struct buffer *told = context;
    char *content = change->content == NULL ? NULL : cJSON_PrintUnformatted(change->content);
    (void)buffer_append_format(told, "%s%d/%s %s", change->first ? "" : "+", change->place,
                               change->record_id, content == NULL ? "-" : content);
    free(content);
    (void)buffer_append_format(told, ",");
}

static void assert_missing(struct bench *bench, struct audit *audit, bool verified,
                           const char *wanted)
{
    struct buffer told = buffer_new(4096);
    (void)!audit_missing(audit, &bench->ledger, verified, note, &told);
    assert_string_equal(buffer_text(&told), wanted);
    buffer_free(&told);
}

static void test_contents_tell(void **state)
{
    struct bench *bench = *state;
    struct audit *audit = audit_new(bench->selection, WINDOW, LATEST);
    hear(bench, "units", "a", "{\"new\":{\"n\":1}}");
    hear(bench, "units", "a", "{\"new\":{\"n\":1}}"); /* delivered twice */
    hear(bench, "units", "b", "{\"new\":{\"n\":1}}");
    page(bench, audit, 1, "units", "a", NOW, "{\"new\":{\"n\":2}}");
    page(bench, audit, 2, "units", "a", NOW, "{\"new\":{\"n\":1}}");
    page(bench, audit, 3, "units", "b", NOW, "{\"new\":{\"n\":1}}");
    page(bench, audit, 3, "units", "b", NOW, "{\"new\":{\"n\":1}}"); /* the row moved */
    assert_int_equal(audit_count(audit), 3);
    assert_missing(bench, audit, true, "0/a {\"new\":{\"n\":2}},");
    audit_free(audit);
}

static void test_counts_tell_where_contents_cannot(void **state)
{
    struct bench *bench = *state;
    struct audit *audit = audit_new(bench->selection, WINDOW, LATEST);
    hear(bench, "units", "a", "{\"new\":{\"n\":1}}");
    hear(bench, "units", "b", "{\"new\":{\"n\":1}}");
    page(bench, audit, 1, "units", "a", NOW, "{\"other\":1}");
    page(bench, audit, 3, "units", "b", NOW, "{\"other\":2}");
    page(bench, audit, 2, "units", "b", NOW, "{\"other\":1}");
    assert_missing(bench, audit, true, "0/b {\"other\":2},");
    assert_false(audit_overflowed(audit));
    audit_free(audit);
}

static void test_assembled_records_need_every_change(void **state)
{
    struct bench *bench = *state;
    struct audit *audit = audit_new(bench->selection, WINDOW, LATEST);
    hear(bench, "contracts", "c", "{\"new\":{\"n\":1}}");
    page(bench, audit, 3, "contracts", "c", NOW, "{\"new\":{\"n\":3}}");
    page(bench, audit, 2, "contracts", "c", NOW, "{\"new\":{\"n\":2}}");
    page(bench, audit, 1, "contracts", "c", NOW, "{\"new\":{\"n\":1}}");
    page(bench, audit, 4, "spaceships", "s", NOW, "{}");
    assert_int_equal(audit_count(audit), 4);
    assert_missing(bench, audit, false, "1/c {\"new\":{\"n\":2}},+1/c {\"new\":{\"n\":3}},");
    audit_free(audit);
}

static void test_the_border(void **state)
{
    struct bench *bench = *state;
    struct audit *audit = audit_new(bench->selection, WINDOW, LATEST);
    hear(bench, "units", "a", "{\"new\":{\"n\":1}}");
    ledger_owe(&bench->ledger, "units", "g", 7);
    page(bench, audit, 1, "units", "a", NOW, "{\"new\":{\"n\":1}}");
    page(bench, audit, 2, "units", "a", BEFORE, "{\"new\":{\"n\":1}}"); /* of the window before */
    page(bench, audit, 3, "units", "late", BEFORE, "{\"new\":{\"n\":1}}");
    assert_false(audit_is_through(audit));
    assert_int_equal(audit_count(audit), 2);
    assert_false(audit_is_short(audit, 3));
    assert_true(audit_is_short(audit, 4));
    page(bench, audit, 4, "units", "old", OLD, "{\"new\":{\"n\":9}}");
    assert_true(audit_is_through(audit));
    assert_int_equal(audit_count(audit), 2);
    audit_again(audit);
    assert_false(audit_is_through(audit));
    assert_missing(bench, audit, false, "0/late {\"new\":{\"n\":1}},");
    audit_free(audit);
}

static void test_odd_rows(void **state)
{
    static const char *const texts[] = {
        "[{}]",
        "[7,null,\"x\"]",
        "[{\"model\":\"units\",\"model_record_id\":7}]",
        "[{\"model\":\"units\",\"model_record_id\":\"o\",\"integration_id\":\"another\"}]",
    };
    struct bench *bench = *state;
    struct audit *audit = audit_new(bench->selection, WINDOW, LATEST);
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        cJSON *items = json_parse(texts[i], strlen(texts[i]));
        audit_page(audit, &bench->ledger, items);
        cJSON_Delete(items);
    }
    page(bench, audit, 1, "units", "future", "9999-01-01T00:00:00Z", "null");
    assert_missing(bench, audit, true, "0/future -,");
    audit_free(audit);
    audit_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_contents_tell, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(test_counts_tell_where_contents_cannot, open_bench,
                                        close_bench),
        cmocka_unit_test_setup_teardown(test_assembled_records_need_every_change, open_bench,
                                        close_bench),
        cmocka_unit_test_setup_teardown(test_the_border, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(test_odd_rows, open_bench, close_bench),
    };
    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
