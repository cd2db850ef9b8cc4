/*
 * Every outcome of a request, over a real connection where one can be had, as far as the enricher:
 * the row's counter moves and no other, the record waits as long as the row says, and only what is
 * about the record itself ends as a dead letter or a tombstone, however often the rest happens.
 */
#include "tests/unit/enricher_fixture.h"

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/enricher/engine.h"
#include "bridge/enricher/requests.h"
#include "tests/unit/fake_http.h"

#define MAX_BODY   2000
#define TIMEOUT_MS 1000
#define MANY_TIMES 10000
#define GOOD       "{\"results\":{\"id\":\"r\",\"integration_id\":\"i\"}}"
#define REFUSAL    "{\"error\":{\"code\":\"x\"}}"
#define JSON       "content-type: application/json\r\n"
#define HTML       "content-type: text/html; charset=utf-8\r\n"
#define NOT_A_NAME "a-label-of-more-than-sixty-three-characters-is-no-name-in-the-dns-at-all"

/* Where the request goes (the server's port behind it), and what the server does. */
struct way {
    enum api_outcome outcome;
    const char *base;
    const char *status;
    const char *headers;
    const char *body;
    enum fake_then then;
};

#define HERE "http://127.0.0.1"

static const struct way ways[] = {
    {API_RECORD, HERE, "200 OK", JSON, GOOD, FAKE_KEEP},
    {API_GONE, HERE, "404 Not Found", JSON, REFUSAL, FAKE_KEEP},
    {API_GONE, HERE, "200 OK", JSON, "{\"results\":null}", FAKE_KEEP},
    {API_LIMITED, HERE, "429 Too Many Requests", JSON, REFUSAL, FAKE_KEEP},
    {API_UNAUTHORIZED, HERE, "401 Unauthorized", JSON, REFUSAL, FAKE_KEEP},
    {API_UNPAID, HERE, "402 Payment Required", JSON, REFUSAL, FAKE_KEEP},
    {API_FORBIDDEN, HERE, "403 Forbidden", JSON, REFUSAL, FAKE_KEEP},
    {API_NOT_NOW, HERE, "408 Request Timeout", JSON, REFUSAL, FAKE_KEEP},
    {API_REFUSED, HERE, "400 Bad Request", JSON, REFUSAL, FAKE_KEEP},
    {API_PROXY_PAGE, HERE, "403 Forbidden", HTML, "<html>", FAKE_KEEP},
    {API_PROXY_PAGE, HERE, "404 Not Found", HTML, "<html>", FAKE_KEEP},
    {API_TOO_LARGE, HERE, "200 OK", JSON, NULL, FAKE_KEEP},
    {API_UNREADABLE, HERE, "200 OK", JSON, "{\"results\":{\"id\":\"r\",\"n\":01.e}}", FAKE_KEEP},
    {API_NO_RECORD, HERE, "200 OK", JSON, "{\"results\":[]}", FAKE_KEEP},
    {API_WRONG_ID, HERE, "200 OK", JSON, "{\"results\":{\"id\":\"s\"}}", FAKE_KEEP},
    {API_NOT_STARTED, "ftp://127.0.0.1", "", "", "", FAKE_KEEP},
    {API_NO_HOST, "http://" NOT_A_NAME, "", "", "", FAKE_KEEP},
    {API_NO_CONNECTION, "http://127.0.0.1:1/x", "", "", "", FAKE_KEEP},
    {API_TLS, "https://127.0.0.1", "", "", "", FAKE_KEEP},
    {API_TIMEOUT, HERE, "", "", "", FAKE_HANG},
    {API_RESET, HERE, "", "", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", FAKE_RESET},
    {API_RESET, HERE, "", "", "no HTTP at all\r\n\r\n", FAKE_CLOSE},
    {API_REDIRECT_LOOP, HERE, "302 Found", "location: /v1/units/r\r\n", "", FAKE_KEEP},
    {API_REDIRECT, HERE, "302 Found", "", "", FAKE_KEEP},
    {API_SERVER_ERROR, HERE, "500 Internal Server Error", JSON, REFUSAL, FAKE_KEEP},
    {API_SERVER_ERROR, HERE, "511 Network Authentication Required", HTML, "<html>", FAKE_KEEP},
    {API_WRONG_CONTENT, HERE, "200 OK", HTML, "<html>", FAKE_KEEP},
    {API_CUT, HERE, "200 OK", JSON, "{\"results\":{\"id\":", FAKE_KEEP},
    {API_ODD_STATUS, HERE, "206 Partial Content", JSON, GOOD, FAKE_KEEP},
    {API_ODD_STATUS, HERE, "204 No Content", "", "", FAKE_KEEP},
};

static void serve(struct fake_http *server, const char *request, struct fake_reply *reply)
{
    static const char large[MAX_BODY + 1] = "{";
    const struct way *way = server->context;
    (void)request;
    if (way->body == NULL) {
        fake_answer(reply, way->status, way->headers, large, sizeof large);
    } else if (way->status[0] != '\0') {
        fake_answer(reply, way->status, way->headers, way->body, strlen(way->body));
    } else {
        reply->length = strlen(way->body);
        memcpy(reply->bytes, way->body, reply->length);
    }
    reply->then = way->then;
}

struct stage {
    struct fake_http *server;
    struct config config;
    struct topics topics;
    struct selection *selection;
    struct engine engine;
};

static void begin(struct stage *stage, const struct way *way)
{
    struct engine *engine = &stage->engine;
    struct http_options options = {.max_connections = 4,
                                   .connect_timeout_ms = 5000,
                                   .timeout_ms = TIMEOUT_MS,
                                   .max_body = MAX_BODY};
    struct breakers_rules rules = {.threshold = 1000000,
                                   .max_concurrency = 4,
                                   .timeout_ms = TIMEOUT_MS,
                                   .release = engine_release,
                                   .context = engine};
    struct planner_rules planner_rules = {.may = engine_may_ask, .context = engine};
    struct error error;
    *stage = (struct stage){.topics = {.partitions = 1, .model_count = 1}};
    stage->server = fake_start(serve, (void *)(uintptr_t)way);
    stage->selection = open_selection(&stage->config, "bridge.models=units");
    free(stage->config.api.base_url);
    stage->config.api.base_url = memory_format("%s:%d", way->base, stage->server->port);
    stage->config.api.max_concurrency = 4;
    *engine = (struct engine){.config = &stage->config,
                              .topics = &stage->topics,
                              .selection = stage->selection,
                              .random = random_from_seed(1),
                              .offsets = offsets_new(1),
                              .recency = recency_new(),
                              .pending = PENDING_EMPTY,
                              .planner = planner_new(1, &planner_rules),
                              .budget = budget_new(0, clock_ms()),
                              .open = batch_new(),
                              .http = http_client_new(&options, &error)};
    assert_non_null(engine->http);
    engine->breakers = breakers_new(&rules, &engine->random);
    offsets_begin(engine->offsets, 0, 0);
}

static void end(struct stage *stage)
{
    struct engine *engine = &stage->engine;
    (void)engine_cancel_fetches(engine);
    http_client_free(engine->http);
    pending_clear(&engine->pending);
    planner_free(engine->planner);
    breakers_free(engine->breakers);
    recency_free(engine->recency);
    offsets_free(engine->offsets);
    batch_free(engine->open);
    selection_free(stage->selection);
    config_free(&stage->config);
    fake_stop(stage->server);
}

/* A record with one event waits, is asked for, and its answer comes. */
static struct record *ask(struct stage *stage)
{
    struct engine *engine = &stage->engine;
    bool created;
    struct record *record = pending_record(&engine->pending, 0, false, "r", &created);
    record->integration_id = pending_integration(&engine->pending, "i");
    offsets_take(engine->offsets, 0, 0, 1);
    claim_add(&record->now, (struct event_ref){0, 0}, clock_ms());
    record->now.tells_more = true;
    planner_add(engine->planner, record, clock_ms());
    (void)engine_request(engine, clock_ms());
    while (http_client_in_flight(engine->http) > 0)
        http_client_poll(engine->http, NULL, 0, 1000);
    return record;
}

static void assert_waits(const struct record *record, const struct policy *policy, int64_t from_ms,
                         int64_t delay_ms)
{
    if (record->due_ms < from_ms + delay_ms / 2 || record->due_ms > clock_ms() + delay_ms)
        fail_msg("%s: waits for %lld ms", policy->name, (long long)(record->due_ms - from_ms));
}

/* Its last attempt: what becomes of the event. */
static void assert_item(const struct engine *engine, const struct policy *policy)
{
    const struct item *item = &engine->open->items[0];
    assert_int_equal(engine->open->count, 1);
    assert_int_equal(item->claim.count, 1);
    assert_int_equal(item->kind, policy->verdict == POLICY_PUBLISH     ? ITEM_SNAPSHOT
                                 : policy->verdict == POLICY_TOMBSTONE ? ITEM_TOMBSTONE
                                                                       : ITEM_DEAD_LETTER);
    if (policy->verdict == POLICY_DEAD_LETTER) {
        assert_string_equal(item->code, policy->code);
        assert_int_equal(item->attempts, policy->attempts);
        assert_non_null(strstr(item->message, policy->when));
    }
    assert_null(pending_find(&engine->pending, 0, "r"));
}

/* The same outcome again and again. The first one is behind us. */
static void repeat(struct stage *stage, struct record *record, enum api_outcome outcome)
{
    struct engine *engine = &stage->engine;
    const struct policy *policy = policy_for(outcome);
    int attempts = policy->attempts == 0 ? MANY_TIMES : policy->attempts;
    for (int attempt = 2; attempt <= attempts; attempt++) {
        uint64_t start = recency_start(engine->recency);
        int64_t from_ms = clock_ms();
        assert_int_equal(engine->open->count, 0);
        planner_clear(engine->planner);
        record_missed(engine, record, start, recency_end(engine->recency), outcome, policy->when, 0,
                      from_ms);
        recency_close(engine->recency, start);
        if (engine->open->count == 0 && attempt > 20)
            assert_waits(record, policy, from_ms, policy->last_delay_ms);
    }
    if (policy->attempts == 0)
        assert_int_equal(engine->open->count, 0);
    else
        assert_item(engine, policy);
}

static void test_ways(void **state)
{
    bool met[API_OUTCOMES] = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        const struct policy *policy = policy_for(ways[i].outcome);
        int64_t before[METRIC_COUNT];
        struct stage stage;
        begin(&stage, &ways[i]);
        for (int metric = 0; metric < METRIC_COUNT; metric++)
            before[metric] = metrics_get((enum metric)metric);
        int64_t from_ms = clock_ms();
        struct record *record = ask(&stage);
        for (int other = 0; other < API_OUTCOMES; other++) {
            enum metric metric = policy_for((enum api_outcome)other)->metric;
            if (metrics_get(metric) - before[metric] != (other == (int)ways[i].outcome))
                fail_msg("%s: the counter of %s", policy->name,
                         policy_for((enum api_outcome)other)->name);
        }
        if (policy->verdict == POLICY_PUBLISH) {
            assert_item(&stage.engine, policy);
        } else {
            assert_waits(record, policy, from_ms, policy->first_delay_ms);
            repeat(&stage, record, ways[i].outcome);
        }
        met[ways[i].outcome] = true;
        end(&stage);
    }
    for (int i = 0; i < API_OUTCOMES; i++) {
        if (!met[i])
            fail_msg("nothing here leads to %s", policy_for((enum api_outcome)i)->name);
    }
}

/* What an outage interrupts begins to count anew; what leads to the same end counts together. */
static void test_attempts_of_several_kinds(void **state)
{
    static const enum api_outcome apart[] = {API_WRONG_ID, API_TIMEOUT, API_GONE, API_REFUSED};
    static const enum api_outcome together[] = {API_WRONG_ID, API_NO_RECORD, API_UNREADABLE,
                                                API_WRONG_ID};
    struct stage stage;
    (void)state;
    begin(&stage, &ways[0]);
    struct engine *engine = &stage.engine;
    bool created;
    struct record *record = pending_record(&engine->pending, 0, false, "r", &created);
    record->integration_id = pending_integration(&engine->pending, "i");
    offsets_take(engine->offsets, 0, 0, 1);
    claim_add(&record->now, (struct event_ref){0, 0}, clock_ms());
    for (int i = 0; i < 1000; i++) {
        planner_clear(engine->planner);
        record_missed(engine, record, 1, 1, apart[i % (int)ARRAY_LENGTH(apart)], "", 0, clock_ms());
        assert_int_equal(engine->open->count, 0);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(together); i++) {
        assert_int_equal(engine->open->count, 0);
        planner_clear(engine->planner);
        record_missed(engine, record, 1, 1, together[i], "", 0, clock_ms());
    }
    assert_int_equal(engine->open->count, 1);
    assert_string_equal(engine->open->items[0].code, "wrong-record");
    end(&stage);
}

/* A model that has waited for its right to be asked for: each of its records is told at once. */
static void test_forbidden_model(void **state)
{
    struct stage stage;
    int64_t now_ms = clock_ms();
    (void)state;
    begin(&stage, &ways[0]);
    struct engine *engine = &stage.engine;
    for (int i = 0; !breakers_gave_up(engine->breakers, "i", "units"); i++) {
        struct circuit *circuit = breakers_started(engine->breakers, "i", "units", now_ms);
        breakers_answered(engine->breakers, circuit, "units", API_FORBIDDEN, 0, now_ms);
        now_ms += policy_for(API_FORBIDDEN)->last_delay_ms;
        assert_in_range(i, 0, 20);
    }
    for (int i = 0; i < 3; i++) {
        char id[8];
        bool created;
        (void)snprintf(id, sizeof id, "r%d", i);
        struct record *record = pending_record(&engine->pending, 0, false, id, &created);
        record->integration_id = pending_integration(&engine->pending, i == 2 ? "another" : "i");
        offsets_take(engine->offsets, 0, i, 1);
        claim_add(&record->now, (struct event_ref){0, i}, now_ms);
        record_missed(engine, record, 1, 1, API_FORBIDDEN, "", 403, now_ms);
    }
    assert_int_equal(engine->open->count, 2);
    assert_int_equal(engine->open->items[0].attempts, 1);
    assert_string_equal(engine->open->items[1].code, "forbidden");
    assert_non_null(pending_find(&engine->pending, 0, "r2"));
    end(&stage);
}

static int quiet(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR + 1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ways),
        cmocka_unit_test(test_attempts_of_several_kinds),
        cmocka_unit_test(test_forbidden_model),
    };
    return cmocka_run_group_tests_name("outcomes", tests, quiet, NULL);
}
