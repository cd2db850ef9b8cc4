/* The receiver's decision: which answer a request gets, and where its bytes go with what headers.
 */
#include "tests/unit/ingest_fixture.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define SECRET "the general secret"
#define OWN    "the secret of i9"

static struct bench *receiver_bench(bool with_secrets, bool allow_unsigned)
{
    const char *sets[5] = {"topics.prefix=p", "bridge.models=units,resident-charges"};
    size_t count = 2;
    if (with_secrets) {
        sets[count++] = "receiver.secret=" SECRET;
        sets[count++] = "receiver.integration_secret=i9 " OWN;
    }
    if (allow_unsigned)
        sets[count++] = "receiver.allow_unsigned=true";
    return bench_new(sets, count);
}

static int open_bench(void **state)
{
    *state = receiver_bench(false, true);
    return 0;
}

static int close_bench(void **state)
{
    bench_free(*state);
    return 0;
}

static struct ingest_request post(const char *path, const char *body)
{
    return (struct ingest_request){
        .method = "POST", .path = path, .body = body, .length = strlen(body)};
}

#define EVENT "{\"event\":\"DATA_UPDATE\",\"object\":\"units\",\"record_id\":\"r 1\","
#define WHOLE EVENT "\"integration_id\":\"i 1\",\"diff\":{\"new\":{},\"previous\":{}}}"

static void test_paths_and_methods(void **state)
{
    static const struct {
        const char *method;
        const char *path;
        const char *encoding;
        enum ingest_verdict verdict;
    } rows[] = {
        {"POST", "/webhooks", NULL, INGEST_KEEP},
        {"POST", "/webhooks/", NULL, INGEST_KEEP},
        {"POST", "/webhooks/an integration", NULL, INGEST_KEEP},
        {"POST", "/webhooks", "identity", INGEST_KEEP},
        {"POST", "/webhooks", "Identity", INGEST_KEEP},
        {"POST", "/", NULL, INGEST_NOT_FOUND},
        {"POST", "", NULL, INGEST_NOT_FOUND},
        {"POST", "/webhook", NULL, INGEST_NOT_FOUND},
        {"POST", "/Webhooks", NULL, INGEST_NOT_FOUND},
        {"POST", "/webhooksx", NULL, INGEST_NOT_FOUND},
        {"POST", "/webhooks/a/b", NULL, INGEST_NOT_FOUND},
        {"POST", "/webhooks//", NULL, INGEST_NOT_FOUND},
        {"POST", "//webhooks", NULL, INGEST_NOT_FOUND},
        {"GET", "/nowhere", NULL, INGEST_NOT_FOUND},
        {"GET", "/webhooks", NULL, INGEST_METHOD},
        {"PUT", "/webhooks/i", NULL, INGEST_METHOD},
        {"post", "/webhooks", NULL, INGEST_METHOD},
        {"GET", "/webhooks", "gzip", INGEST_METHOD},
        {"POST", "/webhooks", "gzip", INGEST_ENCODING},
        {"POST", "/webhooks", "", INGEST_ENCODING},
        {"POST", "/webhooks", "identity, gzip", INGEST_ENCODING},
    };
    struct bench *bench = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct ingest_request request = post(rows[i].path, WHOLE);
        struct ingest_result result;
        request.method = rows[i].method;
        request.content_encoding = rows[i].encoding;
        ingest_decide(&bench->ingest, &request, 0, &result);
        if (result.verdict != rows[i].verdict)
            fail_msg("%s %s: %d", rows[i].method, rows[i].path, (int)result.verdict);
        assert_int_equal(result.message.topic != NULL, result.verdict == INGEST_KEEP);
        ingest_free(&result);
    }
}

static void test_long_path(void **state)
{
    struct bench *bench = *state;
    for (size_t length = WEBHOOK_ID_MAXIMUM; length <= WEBHOOK_ID_MAXIMUM + 1; length++) {
        char *id = memory_new(length + 1, 1);
        memset(id, 'x', length);
        char *path = memory_format("/webhooks/%s", id);
        struct ingest_request request = post(path, WHOLE);
        struct ingest_result result;
        ingest_decide(&bench->ingest, &request, 0, &result);
        assert_int_equal(result.verdict,
                         length <= WEBHOOK_ID_MAXIMUM ? INGEST_KEEP : INGEST_NOT_FOUND);
        ingest_free(&result);
        free(path);
        free(id);
    }
}

static void sign(const char *secret, const char *body, char hex[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    assert_non_null(HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)body,
                         strlen(body), digest, &length));
    assert_int_equal(length, 32);
    for (size_t i = 0; i < 32; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

/* What becomes of a body that is signed with this secret (NULL: not at all). */
static enum ingest_verdict decide(struct bench *bench, const char *path, const char *body,
                                  const char *secret)
{
    char hex[65];
    struct ingest_request request = post(path, body);
    struct ingest_result result;
    if (secret != NULL) {
        sign(secret, body, hex);
        request.credentials[CREDENTIAL_PROPEXO] = (struct credential_seen){hex, 1};
    }
    ingest_decide(&bench->ingest, &request, 0, &result);
    enum ingest_verdict verdict = result.verdict;
    assert_int_equal(verdict == INGEST_KEEP, result.message.topic != NULL);
    assert_true(verdict == INGEST_KEEP || result.code != NULL);
    ingest_free(&result);
    return verdict;
}

#define OF_I9 EVENT "\"integration_id\":\"i9\"}"

/* Whom a secret vouches for, by the path and by what the body says. */
static void test_credentials(void **state)
{
    static const struct {
        const char *path;
        const char *body;
        const char *secret;
        bool kept;
    } rows[] = {
        {"/webhooks", WHOLE, SECRET, true},
        {"/webhooks", OF_I9, SECRET, true}, /* the general one is for all */
        {"/webhooks/i 1", WHOLE, SECRET, true},
        {"/webhooks/elsewhere", WHOLE, SECRET, true},
        {"/webhooks", "not json", SECRET, true},
        {"/webhooks/i9", OF_I9, OWN, true},
        {"/webhooks/i9", EVENT "\"diff\":{}}", OWN, true}, /* it is the path's then */
        {"/webhooks/i9", "{\"event\":\"JOB_FAILURE\"}", OWN, true},
        {"/webhooks/i9", "not json", OWN, true},
        {"/webhooks/i9", WHOLE, OWN, false}, /* another's */
        {"/webhooks/i9", "{\"event\":\"SYNC_COMPLETE\",\"integration_id\":\"i 1\"}", OWN, false},
        {"/webhooks/i9", EVENT "\"meta\":{\"integration_id\":\"i 1\"}}", OWN, false},
        {"/webhooks/i9", OF_I9, SECRET, false},
        {"/webhooks", OF_I9, OWN, false},
        {"/webhooks/", OF_I9, OWN, false},
        {"/webhooks/I9", OF_I9, OWN, false},
        {"/webhooks/i9 ", OF_I9, OWN, false},
        {"/webhooks/i 1", WHOLE, OWN, false},
        {"/webhooks", WHOLE, "another secret", false},
        {"/webhooks", WHOLE, NULL, false},
        {"/webhooks/i9", OF_I9, NULL, false},
    };
    (void)state;
    /* With a secret, unsigned requests are refused even where they would be allowed without. */
    for (int allow = 0; allow < 2; allow++) {
        struct bench *bench = receiver_bench(true, allow);
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
            if (decide(bench, rows[i].path, rows[i].body, rows[i].secret) !=
                (rows[i].kept ? INGEST_KEEP : INGEST_BAD_SIGNATURE))
                fail_msg("row %zu", i);
        bench_free(bench);
    }
    for (int allow = 0; allow < 2; allow++) {
        struct bench *bench = receiver_bench(false, allow);
        enum ingest_verdict wanted = allow ? INGEST_KEEP : INGEST_BAD_SIGNATURE;
        assert_int_equal(decide(bench, "/webhooks", WHOLE, NULL), wanted);
        assert_int_equal(decide(bench, "/webhooks", WHOLE, ""), wanted);
        assert_int_equal(decide(bench, "/webhooks/i9", OF_I9, OWN), wanted);
        bench_free(bench);
    }
}

#define UNITS  "p.events.units"
#define DEAD   "p.dead-letters"
#define ACTIVE "p.activity"

/* Where what goes: the status, the topic, the key (NULL: none) and the dead letter's code. */
static void test_routes(void **state)
{
    static const struct {
        const char *path;
        const char *body;
        int status;
        const char *topic;
        const char *key;
        const char *code;
    } rows[] = {
        {"/webhooks", WHOLE, 200, UNITS, "i 1", NULL},
        {"/webhooks/p 1", WHOLE, 200, UNITS, "i 1", NULL},
        {"/webhooks/p 1", EVENT "\"diff\":{}}", 200, UNITS, "p 1", NULL},
        {"/webhooks/p 1", EVENT "\"integration_id\":null}", 200, UNITS, "p 1", NULL},
        {"/webhooks", EVENT "\"meta\":{\"integration_id\":\"m\"}}", 200, UNITS, "m", NULL},
        {"/webhooks/p 1", EVENT "\"meta\":{\"integration_id\":\"m\"}}", 200, UNITS, "m", NULL},
        {"/webhooks", EVENT "\"diff\":{}}", 200, UNITS, "r 1", NULL},
        {"/webhooks",
         "{\"event\":\"DATA_NEW\",\"object\":\"resident-charges\",\"record_id\":\"r\"}", 200,
         "p.events.resident_charges", "r", NULL},
        {"/webhooks", "{\"event\":\"SYNC_COMPLETE\",\"integration_id\":\"i\"}", 200, ACTIVE, "i",
         NULL},
        {"/webhooks/p", "{\"event\":\"JOB_FAILURE\"}", 200, ACTIVE, "p", NULL},
        {"/webhooks", "{\"event\":\"JOB_FAILURE\"}", 200, ACTIVE, NULL, NULL},
        {"/webhooks",
         "{\"event\":\"DATA_NEW\",\"object\":\"leases\",\"record_id\":\"r\",\"integration_id\":"
         "\"i\"}",
         200, DEAD, "i", "model-not-configured"},
        {"/webhooks", "{\"event\":\"DATA_NEW\",\"object\":\"leases\",\"record_id\":\"r\"}", 200,
         DEAD, "r", "model-not-configured"},
        {"/webhooks", "{\"event\":\"DATA_NEW\",\"object\":\"tanks\",\"record_id\":\"r\"}", 200,
         DEAD, "r", "unknown-model"},
        {"/webhooks/p", "{\"event\":\"DATA_NEW\",\"record_id\":\"r\"}", 200, DEAD, "p",
         "no-object"},
        {"/webhooks", "{\"event\":\"DATA_NEW\",\"object\":\"units\"}", 200, DEAD, NULL,
         "no-record-id"},
        {"/webhooks", "{\"event\":\"DATA_NEW\",\"object\":\"units\",\"record_id\":1}", 200, DEAD,
         NULL, "no-record-id"},
        {"/webhooks", EVENT "\"integration_id\":1}", 200, DEAD, NULL, "bad-integration-id"},
        {"/webhooks", EVENT "\"event\":\"DATA_NEW\"}", 200, DEAD, NULL, "duplicate-key"},
        {"/webhooks", "{\"event\":\"PARTY\",\"integration_id\":\"i\"}", 200, DEAD, "i",
         "unknown-kind"},
        {"/webhooks", "{}", 200, DEAD, NULL, "no-kind"},
        {"/webhooks", "[]", 200, DEAD, NULL, "not-an-object"},
        {"/webhooks/p", "{\"event\":", 400, DEAD, "p", "not-json"},
        {"/webhooks", "\xff", 400, DEAD, NULL, "not-json"},
        {"/webhooks", "", 400, DEAD, NULL, "not-json"},
    };
    struct bench *bench = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct ingest_request request = post(rows[i].path, rows[i].body);
        struct ingest_result result;
        ingest_decide(&bench->ingest, &request, 0, &result);
        const struct message *message = &result.message;
        char *key = message->key == NULL ? NULL : memory_text_n(message->key, message->key_length);
        assert_int_equal(result.verdict, INGEST_KEEP);
        assert_int_equal(result.status, rows[i].status);
        assert_int_equal(result.dead_letter, rows[i].code != NULL);
        assert_same_text(result.code, rows[i].code, rows[i].body);
        assert_same_text(message->topic, rows[i].topic, rows[i].body);
        assert_same_text(key, rows[i].key, rows[i].body);
        assert_int_equal(message->partition, -1);
        /* The very bytes, untouched. */
        assert_ptr_equal(message->value, rows[i].body);
        assert_int_equal(message->value_length, strlen(rows[i].body));
        free(key);
        ingest_free(&result);
    }
}

static const struct message_header *find(const struct message *message, const char *name)
{
    const struct message_header *found = NULL;
    for (size_t i = 0; i < message->header_count; i++) {
        if (strcmp(message->headers[i].name, name) == 0) {
            assert_null(found); /* none stands twice */
            found = &message->headers[i];
        }
    }
    return found;
}

/* All headers of the message, but for the random id: "name=value" in a list that NULL ends. */
static void assert_headers(const struct ingest_result *result, const char *const *wanted,
                           const char *traced)
{
    const struct message *message = &result->message;
    const struct message_header *id = find(message, "ce_id");
    const struct message_header *sync = find(message, "sync_id");
    size_t count = sync == NULL ? 1 : 2;
    const struct message_header *traceparent = find(message, "traceparent");
    struct trace trace;
    assert_non_null(traceparent);
    assert_true(trace_parse(traceparent->value, &trace));
    if (traced != NULL) /* no spans are recorded: it is passed on as it is */
        assert_string_equal(traceparent->value, traced);
    assert_string_equal(trace.id, result->trace.id);
    assert_string_equal(trace.span, result->trace.span);
    size_t first = ++count;
    assert_non_null(id);
    assert_true(sync == NULL || strcmp(sync->value, id->value) == 0); /* a sync's id is its own */
    assert_int_equal(id->length, 32);
    assert_int_equal(strspn(id->value, "0123456789abcdef"), 32);
    for (; wanted[count - first] != NULL; count++) {
        const char *text = wanted[count - first];
        const char *equals = strchr(text, '=');
        char *name = memory_text_n(text, (size_t)(equals - text));
        const struct message_header *header = find(message, name);
        if (header == NULL || header->length != strlen(equals + 1) ||
            memcmp(header->value, equals + 1, header->length) != 0)
            fail_msg("header %s is missing or another", text);
        free(name);
    }
    assert_int_equal(message->header_count, count);
}

#define WALL_MS   INT64_C(1769860800125)
#define WALL_TEXT "2026-01-31T12:00:00.125Z"
#define TRACE     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static void test_headers(void **state)
{
    static const struct {
        const char *path;
        const char *body;
        const char *trace;
        const char *headers[20];
    } rows[] = {
        {"/webhooks",
         WHOLE,
         TRACE,
         {"content-type=application/json", "ce_specversion=1.0", "ce_source=/integrations/i%201",
          "ce_type=com.propexo.DATA_UPDATE", "ce_time=" WALL_TEXT, "ce_subject=units/r 1",
          "model=units", "record_id=r 1", "integration_id=i 1", "trigger=DATA_UPDATE"}},
        {"/webhooks",
         EVENT "\"payload\":{}}",
         NULL,
         {"content-type=application/json", "ce_specversion=1.0", "ce_source=/integrations",
          "ce_type=com.propexo.DATA_UPDATE", "ce_time=" WALL_TEXT, "ce_subject=units/r 1",
          "model=units", "record_id=r 1", "trigger=DATA_UPDATE"}},
        {"/webhooks/p",
         "{\"event\":\"SYNC_COMPLETE\"}",
         NULL,
         {"content-type=application/json", "ce_specversion=1.0", "ce_source=/integrations/p",
          "ce_type=com.propexo.SYNC_COMPLETE", "ce_time=" WALL_TEXT,
          "sync_models=units,resident_charges", "integration_id=p", "trigger=SYNC_COMPLETE"}},
        {"/webhooks",
         "nonsense",
         TRACE,
         {"content-type=application/json", "ce_specversion=1.0", "ce_source=/integrations",
          "ce_type=com.propexo.unknown", "ce_time=" WALL_TEXT, "error_code=not-json",
          "error_message=the body is not JSON in UTF-8", "source=webhook", "attempts=1",
          "first_failed_at=" WALL_TEXT}},
        {"/webhooks",
         "{\"event\":\"DATA_NEW\",\"object\":\"leases\",\"record_id\":\"r\",\"integration_id\":"
         "\"i\"}",
         NULL,
         {"content-type=application/json", "ce_specversion=1.0", "ce_source=/integrations/i",
          "ce_type=com.propexo.DATA_NEW", "ce_time=" WALL_TEXT, "error_code=model-not-configured",
          "error_message=the model is not in bridge.models", "source=webhook", "attempts=1",
          "first_failed_at=" WALL_TEXT, "model=leases", "record_id=r", "integration_id=i",
          "trigger=DATA_NEW"}},
    };
    struct bench *bench = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct ingest_request request = post(rows[i].path, rows[i].body);
        struct ingest_result result;
        request.traceparent = rows[i].trace;
        ingest_decide(&bench->ingest, &request, WALL_MS, &result);
        assert_headers(&result, rows[i].headers, rows[i].trace);
        ingest_free(&result);
    }
}

/* A sync goes behind the events of the models that it covers, and of those that are selected. */
static void test_a_sync_is_spread(void **state)
{
    static const struct {
        const char *body;
        const char *topics[3]; /* of its messages behind events; in order of the selection */
    } rows[] = {
        {"{\"event\":\"SYNC_COMPLETE\",\"integration_id\":\"i\"}",
         {"p.events.units", "p.events.resident_charges"}},
        {"{\"event\":\"FIRST_SYNC_COMPLETE\",\"integration_id\":\"i\",\"models_synced\":[]}",
         {"p.events.units", "p.events.resident_charges"}},
        {"{\"event\":\"SYNC_COMPLETE\",\"integration_id\":\"i\",\"models_synced\":[\"leases\","
         "\"resident-charges\",7]}",
         {NULL, "p.events.resident_charges"}},
        {"{\"event\":\"SYNC_COMPLETE\"}", {NULL, NULL}}, /* whose? */
        {"{\"event\":\"JOB_SUCCESS\",\"integration_id\":\"i\"}", {NULL, NULL}},
    };
    struct bench *bench = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct ingest_request request = post("/webhooks", rows[i].body);
        struct ingest_result result;
        ingest_decide(&bench->ingest, &request, WALL_MS, &result);
        assert_string_equal(result.message.topic, "p.activity");
        for (size_t place = 0; place < bench->selection->count; place++) {
            const struct message *message = ingest_spread(&bench->ingest, &result, place);
            if (rows[i].topics[place] == NULL) {
                assert_null(message);
                continue;
            }
            assert_string_equal(message->topic, rows[i].topics[place]);
            assert_int_equal(message->key_length, 1);
            assert_string_equal(find(message, "model")->value, bench->selection->names[place]);
            assert_non_null(find(message, "sync_id"));
        }
        ingest_free(&result);
    }
}

/* Two requests of equal bytes are two events. */
static void test_nothing_is_deduplicated(void **state)
{
    struct bench *bench = *state;
    struct ingest_request request = post("/webhooks", WHOLE);
    struct ingest_result one;
    struct ingest_result two;
    ingest_decide(&bench->ingest, &request, 0, &one);
    ingest_decide(&bench->ingest, &request, 0, &two);
    assert_int_equal(two.verdict, INGEST_KEEP);
    assert_string_equal(two.message.topic, UNITS);
    assert_string_not_equal(one.id, two.id);
    ingest_free(&one);
    ingest_free(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_paths_and_methods, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(test_long_path, open_bench, close_bench),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test_setup_teardown(test_routes, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(test_headers, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(test_a_sync_is_spread, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(test_nothing_is_deduplicated, open_bench, close_bench),
    };
    return cmocka_run_group_tests_name("ingest", tests, NULL, NULL);
}
