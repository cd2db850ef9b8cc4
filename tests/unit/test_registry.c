/* The schema registry's client against a small server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "bridge/base/attributes.h"
#include "bridge/codec/registry.h"
#include "tests/unit/fake_http.h"

/* The calls that the client knows, and what the server answers to each from now on. */
enum call { LOOK_UP, CHECK, REGISTER, LATEST, PING, CALLS };

struct script {
    const char *status;
    const char *body;
};

struct scripts {
    struct script of[CALLS];
    char trail[64]; /* a letter for each call that came */
};

static enum call call_of(const char *request)
{
    const char *end = strstr(request, " HTTP/1.1\r\n");
    char line[256];
    snprintf(line, sizeof line, "%.*s", (int)(end - request), request);
    if (strncmp(line, "GET ", 4) == 0)
        return strstr(line, "/versions/latest") != NULL ? LATEST : PING;
    if (strstr(line, "/compatibility/") != NULL)
        return CHECK;
    return strstr(line, "/versions") != NULL ? REGISTER : LOOK_UP;
}

static void answer(struct fake_http *server, const char *request, struct fake_reply *reply)
{
    struct scripts *scripts = server->context;
    enum call call = call_of(request);
    const struct script *script = &scripts->of[call];
    size_t length = strlen(scripts->trail);
    if (length + 1 < sizeof scripts->trail)
        scripts->trail[length] = "LCRGP"[call];
    fake_answer(reply, script->status, "content-type: application/vnd.schemaregistry.v1+json\r\n",
                script->body, strlen(script->body));
}

#define NO_SUBJECT "{\"error_code\":40401,\"message\":\"Subject not found.\"}"
#define NO_SCHEMA  "{\"error_code\":40403,\"message\":\"Schema not found.\"}"

/* A registry that holds nothing and takes everything. */
static const struct script EMPTY[CALLS] = {
    [LOOK_UP] = {"404 Not Found", NO_SUBJECT},
    [CHECK] = {"404 Not Found", NO_SUBJECT},
    [REGISTER] = {"200 OK", "{\"id\":42}"},
    [LATEST] = {"404 Not Found", NO_SUBJECT},
    [PING] = {"200 OK", "[]"},
};

struct fixture {
    struct scripts scripts;
    struct fake_http *server;
    char url[64];
    struct config config;
    struct registry *registry;
};

static void open_registry(struct fixture *fixture)
{
    struct error error;
    registry_free(fixture->registry);
    fixture->registry = registry_new(&fixture->config, &error);
    assert_non_null(fixture->registry);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    memcpy(fixture->scripts.of, EMPTY, sizeof EMPTY);
    fixture->server = fake_start(answer, &fixture->scripts);
    snprintf(fixture->url, sizeof fixture->url, "http://127.0.0.1:%d/base//",
             fixture->server->port);
    fixture->config.registry.url = fixture->url;
    open_registry(fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    registry_free(fixture->registry);
    fake_stop(fixture->server);
    free(fixture);
    registry_free(NULL);
    return 0;
}

static const struct schema *residents(void)
{
    const struct schema *schema = schema_find("residents");
    assert_non_null(schema);
    return schema;
}

static void set(struct fixture *fixture, enum call call, const char *status, const char *body)
{
    fixture->scripts.of[call] = (struct script){status, body};
}

/* The calls since the last time. */
static void expect_trail(struct fixture *fixture, const char *letters)
{
    assert_string_equal(fixture->scripts.trail, letters);
    memset(fixture->scripts.trail, 0, sizeof fixture->scripts.trail);
}

static void test_asks_once(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    uint32_t id = 0;
    for (int i = 0; i < 3; i++) {
        assert_true(
            registry_schema_id(fixture->registry, "a.residents-value", residents(), &id, &error));
        assert_int_equal(id, 42);
    }
    expect_trail(fixture, "LCR");
    assert_true(
        fake_saw(fixture->server, "POST /base/subjects/a.residents-value/versions HTTP/1.1\r\n"));
    assert_true(
        fake_saw(fixture->server, "\r\ncontent-type: application/vnd.schemaregistry.v1+json\r\n"));
    assert_false(fake_saw(fixture->server, "authorization"));
    set(fixture, REGISTER, "200 OK", "{\"id\":0}");
    assert_true(registry_schema_id(fixture->registry, "b-value", residents(), &id, &error));
    assert_int_equal(id, 0);
    expect_trail(fixture, "LCR");
    for (int call = 0; call < CALLS; call++) /* both are known by now */
        set(fixture, (enum call)call, "500 Internal Server Error", "");
    assert_true(registry_schema_id(fixture->registry, "b-value", residents(), &id, &error));
    assert_int_equal(id, 0);
    assert_true(
        registry_schema_id(fixture->registry, "a.residents-value", residents(), &id, &error));
    assert_int_equal(id, 42);
    expect_trail(fixture, "");
}

/* What is registered already is neither checked nor registered again. */
static void test_takes_what_is_registered(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    uint32_t id = 0;
    set(fixture, LOOK_UP, "200 OK", "{\"subject\":\"a-value\",\"version\":3,\"id\":7}");
    assert_true(registry_schema_id(fixture->registry, "a-value", residents(), &id, &error));
    assert_int_equal(id, 7);
    assert_true(fake_saw(fixture->server, "POST /base/subjects/a-value HTTP/1.1\r\n"));
    assert_true(registry_schema_id(fixture->registry, "a-value", residents(), &id, &error));
    expect_trail(fixture, "L");
    /* One that cannot look up, or no longer knows it: what comes after decides. */
    set(fixture, LOOK_UP, "405 Method Not Allowed", "");
    assert_true(registry_schema_id(fixture->registry, "b-value", residents(), &id, &error));
    set(fixture, LOOK_UP, "404 Not Found", NO_SCHEMA);
    set(fixture, CHECK, "200 OK", "{\"is_compatible\":true}");
    assert_true(registry_schema_id(fixture->registry, "c-value", residents(), &id, &error));
    expect_trail(fixture, "LCRLCR");
    assert_int_equal(id, 42);
}

static void test_what_is_not_compatible_is_not_registered(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    uint32_t id = 99;
    set(fixture, CHECK, "200 OK",
        "{\"is_compatible\":false,\"messages\":[\"FIELD_X is missing\"]}");
    for (int i = 0; i < 2; i++) {
        assert_false(registry_schema_id(fixture->registry, "a-value", residents(), &id, &error));
        assert_int_equal(error.verdict, VERDICT_CONFIGURATION);
        assert_non_null(strstr(error.message, "subject a-value"));
        assert_non_null(strstr(error.message, "not compatible"));
        assert_non_null(strstr(error.message, "FIELD_X is missing"));
        expect_trail(fixture, "LC");
    }
    assert_int_equal(id, 99);
    set(fixture, CHECK, "200 OK", "{\"is_compatible\":true}"); /* somebody has mended it */
    assert_true(registry_schema_id(fixture->registry, "a-value", residents(), &id, &error));
    assert_int_equal(id, 42);
}

/* Every schema arrives with its file's own bytes, in whatever call. */
static void test_sends_the_schemas_own_bytes(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < 2 * schema_count(); i++) {
        const struct schema *schema = schema_at(i / 2);
        struct error error;
        uint32_t id;
        if (i % 2 == 0)
            set(fixture, LOOK_UP, "200 OK", "{\"version\":1,\"id\":1}");
        else
            set(fixture, LOOK_UP, "404 Not Found", NO_SUBJECT);
        char subject[64];
        snprintf(subject, sizeof subject, "%s-%zu", schema->model, i);
        assert_true(registry_schema_id(fixture->registry, subject, schema, &id, &error));
        const char *body = strstr(fixture->server->last, "\r\n\r\n");
        cJSON *json = cJSON_Parse(body);
        assert_int_equal(cJSON_GetArraySize(json), 1);
        assert_string_equal(cJSON_GetObjectItem(json, "schema")->valuestring, schema->text);
        cJSON_Delete(json);
    }
}

static void test_check(void **state)
{
    static const struct {
        const char *body;
        bool compatible;
        const char *reason;
    } ROWS[] = {
        {"{\"is_compatible\":true}", true, ""},
        {"{\"is_compatible\":true,\"messages\":[\"a warning\"]}", true, ""},
        {"{\"is_compatible\":false,\"messages\":[\"one\",\"two\"]}", false, "one; two"},
        {"{\"is_compatible\":false,\"messages\":[\"{errorType:'A', description:'b'}\","
         "\"{oldSchemaVersion: 2}\",\"{oldSchema: '...'}\",5]}",
         false, "{errorType:'A', description:'b'}; {oldSchemaVersion: 2}"},
        {"{\"is_compatible\":false,\"messages\":[]}", false,
         "the registry does not say why; what differs from version 4: the record's namespace: "
         "propexo there, x here"},
        {"{\"is_compatible\":false}", false,
         "the registry does not say why; what differs from version 4: the record's namespace: "
         "propexo there, x here"},
    };
    static const char OURS[] =
        "{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"x\",\"fields\":[]}";
    const struct schema schema = {"r", OURS, sizeof OURS - 1};
    struct fixture *fixture = *state;
    struct buffer reason = buffer_new(4096);
    struct error error;
    set(fixture, LATEST, "200 OK",
        "{\"subject\":\"a-value\",\"version\":4,\"id\":8,\"schema\":\"{\\\"type\\\":\\\"record\\\","
        "\\\"name\\\":\\\"R\\\",\\\"namespace\\\":\\\"propexo\\\",\\\"fields\\\":[]}\"}");
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        bool compatible = !ROWS[i].compatible;
        set(fixture, CHECK, "200 OK", ROWS[i].body);
        buffer_clear(&reason);
        assert_true(
            registry_check(fixture->registry, "a-value", &schema, &compatible, &reason, &error));
        assert_int_equal(compatible, ROWS[i].compatible);
        assert_string_equal(buffer_text(&reason), ROWS[i].reason);
    }
    assert_null(strchr(fixture->scripts.trail, 'R'));
    set(fixture, LATEST, "503 Service Unavailable", ""); /* no reason is no obstacle */
    buffer_clear(&reason);
    bool compatible = true;
    assert_true(
        registry_check(fixture->registry, "a-value", &schema, &compatible, &reason, &error));
    assert_false(compatible);
    assert_string_equal(buffer_text(&reason), "the registry does not say why");
    buffer_free(&reason);
}

static void test_check_asks_for_the_latest(void **state)
{
    struct fixture *fixture = *state;
    struct buffer reason = buffer_new(4096);
    struct error error;
    bool compatible = false;
    for (const char *code = "12"; *code != '\0'; code++) {
        char body[64];
        snprintf(body, sizeof body, "{\"error_code\":4040%c}", *code);
        set(fixture, CHECK, "404 Not Found", body);
        assert_true(registry_check(fixture->registry, "a b-value", residents(), &compatible,
                                   &reason, &error));
        assert_true(compatible);
    }
    assert_true(fake_saw(fixture->server, "POST /base/compatibility/subjects/a%20b-value/versions/"
                                          "latest?verbose=true HTTP/1.1\r\n"));
    assert_int_equal(reason.length, 0);
    buffer_free(&reason);
}

static void test_look(void **state)
{
    static const char SAME[] = "\"schema\":\"{\\\"fields\\\":[],\\\"type\\\":\\\"record\\\","
                               "\\\"name\\\":\\\"R\\\"}\"";
    static const char OTHER[] =
        "\"schema\":\"{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"R\\\","
        "\\\"fields\\\":[{\\\"name\\\":\\\"a\\\",\\\"type\\\":\\\"int\\\"}]}\"";
    static const struct {
        int latest; /* 0: no subject */
        int ours;   /* 0: not found */
        const char *schema;
        const char *difference;
    } ROWS[] = {
        {0, 0, NULL, ""},
        {1, 1, SAME, ""},
        {3, 3, OTHER, ""}, /* the registry knows better what is the same */
        {3, 1, OTHER, "a: only there"},
        {2, 0, OTHER, "a: only there"},
        {2, 0, SAME, "documentation or order only"},
    };
    static const char OURS[] = "{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}";
    const struct schema schema = {"r", OURS, sizeof OURS - 1};
    struct fixture *fixture = *state;
    struct buffer difference = buffer_new(4096);
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        struct registry_subject found = {9, 9, 9};
        struct error error;
        char latest[512];
        char ours[64];
        snprintf(latest, sizeof latest, "{\"version\":%d,\"id\":1%d,%s}", ROWS[i].latest,
                 ROWS[i].latest, ROWS[i].schema);
        snprintf(ours, sizeof ours, "{\"version\":%d,\"id\":1%d}", ROWS[i].ours, ROWS[i].ours);
        if (ROWS[i].latest > 0)
            set(fixture, LATEST, "200 OK", latest);
        if (ROWS[i].ours > 0)
            set(fixture, LOOK_UP, "200 OK", ours);
        else
            set(fixture, LOOK_UP, "404 Not Found", NO_SCHEMA);
        buffer_clear(&difference);
        assert_true(
            registry_look(fixture->registry, "a-value", &schema, &found, &difference, &error));
        assert_int_equal(found.latest, ROWS[i].latest);
        assert_int_equal(found.latest_id, ROWS[i].latest == 0 ? 0 : 10 + ROWS[i].latest);
        assert_int_equal(found.ours, ROWS[i].ours);
        assert_string_equal(buffer_text(&difference), ROWS[i].difference);
    }
    assert_null(strchr(fixture->scripts.trail, 'R'));
    buffer_free(&difference);
}

static void test_subject_is_encoded(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    uint32_t id;
    assert_true(registry_schema_id(fixture->registry, "a/b c?-value", residents(), &id, &error));
    assert_true(fake_saw(fixture->server, "POST /base/subjects/a%2Fb%20c%3F-value/versions HTTP"));
}

static void test_refusals(void **state)
{
    static const struct {
        const char *status;
        const char *body;
        enum verdict verdict;
        const char *word;
    } ROWS[] = {
        {"409 Conflict", "{\"error_code\":409,\"message\":\"READER_FIELD_MISSING\"}",
         VERDICT_CONFIGURATION, "not compatible"},
        {"409 Conflict", "{\"error_code\":409,\"message\":\"READER_FIELD_MISSING\"}",
         VERDICT_CONFIGURATION, "READER_FIELD_MISSING"},
        {"401 Unauthorized", "", VERDICT_CONFIGURATION, "does not know us"},
        {"403 Forbidden", "<html>", VERDICT_CONFIGURATION, "no right"},
        {"404 Not Found", "not here", VERDICT_CONFIGURATION, "registry.url"},
        {"405 Method Not Allowed", "", VERDICT_CONFIGURATION, "registry.url"},
        {"422 Unprocessable Entity", "{\"error_code\":42201,\"message\":\"Invalid schema\"}",
         VERDICT_CONFIGURATION, "Invalid schema"},
        {"418 I'm a teapot", "{\"message\":5}", VERDICT_CONFIGURATION, "418"},
        {"204 No Content", "", VERDICT_CONFIGURATION, "204"},
        {"408 Request Timeout", "", VERDICT_RETRY, "408"},
        {"429 Too Many Requests", "", VERDICT_RETRY, "429"},
        {"500 Internal Server Error", "{\"error_code\":50001,\"message\":\"Error in the backend\"}",
         VERDICT_RETRY, "Error in the backend"},
        {"503 Service Unavailable", "", VERDICT_RETRY, "503"},
        {"200 OK", "<html>hello</html>", VERDICT_CONFIGURATION, "no id"},
        {"200 OK", "", VERDICT_CONFIGURATION, "no id"},
        {"200 OK", "{}", VERDICT_CONFIGURATION, "no id"},
        {"200 OK", "{\"id\":\"7\"}", VERDICT_CONFIGURATION, "no id"},
        {"200 OK", "{\"id\":-1}", VERDICT_CONFIGURATION, "no id"},
        {"200 OK", "{\"id\":1.5}", VERDICT_CONFIGURATION, "no id"},
        {"200 OK", "{\"id\":2147483648}", VERDICT_CONFIGURATION, "no id"},
    };
    struct fixture *fixture = *state;
    uint32_t id = 99;
    struct error error;
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        set(fixture, REGISTER, ROWS[i].status, ROWS[i].body);
        assert_false(registry_schema_id(fixture->registry, "a-value", residents(), &id, &error));
        assert_int_equal(error.verdict, ROWS[i].verdict);
        assert_non_null(strstr(error.message, "subject a-value"));
        if (strstr(error.message, ROWS[i].word) == NULL)
            fail_msg("%s: %s", ROWS[i].status, error.message);
        assert_int_equal(id, 99);
    }
    set(fixture, REGISTER, "200 OK", "{\"id\":2147483647}");
    assert_true(registry_schema_id(fixture->registry, "a-value", residents(), &id, &error));
    assert_int_equal(id, INT32_MAX);
}

/* An answer that a call cannot use fails it, whichever call it is. */
static void test_refusals_of_other_calls(void **state)
{
    static const struct {
        enum call call;
        const char *status;
        const char *body;
        enum verdict verdict;
        const char *word;
    } ROWS[] = {
        {LOOK_UP, "401 Unauthorized", "", VERDICT_CONFIGURATION, "does not know us"},
        {LOOK_UP, "503 Service Unavailable", "", VERDICT_RETRY, "503"},
        {LOOK_UP, "200 OK", "{\"id\":7}", VERDICT_CONFIGURATION, "no version"},
        {LOOK_UP, "200 OK", "{\"id\":7,\"version\":0}", VERDICT_CONFIGURATION, "no version"},
        {LOOK_UP, "200 OK", "{\"version\":1}", VERDICT_CONFIGURATION, "no id"},
        {CHECK, "401 Unauthorized", "", VERDICT_CONFIGURATION, "does not know us"},
        {CHECK, "404 Not Found", "not here", VERDICT_CONFIGURATION, "registry.url"},
        {CHECK, "404 Not Found", "{\"error_code\":404}", VERDICT_CONFIGURATION, "registry.url"},
        {CHECK, "422 Unprocessable Entity", "{\"message\":\"Invalid schema\"}",
         VERDICT_CONFIGURATION, "Invalid schema"},
        {CHECK, "429 Too Many Requests", "", VERDICT_RETRY, "429"},
        {CHECK, "500 Internal Server Error", "", VERDICT_RETRY, "500"},
        {CHECK, "200 OK", "<html>", VERDICT_CONFIGURATION, "registry.url"},
        {CHECK, "200 OK", "{}", VERDICT_CONFIGURATION, "registry.url"},
        {CHECK, "200 OK", "{\"is_compatible\":\"true\"}", VERDICT_CONFIGURATION, "registry.url"},
        {LATEST, "401 Unauthorized", "", VERDICT_CONFIGURATION, "does not know us"},
        {LATEST, "404 Not Found", "", VERDICT_CONFIGURATION, "registry.url"},
        {LATEST, "502 Bad Gateway", "", VERDICT_RETRY, "502"},
        {LATEST, "200 OK", "{\"version\":1,\"id\":1}", VERDICT_CONFIGURATION, "no schema"},
        {LATEST, "200 OK", "{\"schema\":\"{}\",\"id\":1}", VERDICT_CONFIGURATION, "no version"},
    };
    struct fixture *fixture = *state;
    struct buffer words = buffer_new(4096);
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        struct registry_subject found;
        struct error error;
        uint32_t id;
        memcpy(fixture->scripts.of, EMPTY, sizeof EMPTY);
        set(fixture, ROWS[i].call, ROWS[i].status, ROWS[i].body);
        assert_false(
            ROWS[i].call == LATEST
                ? registry_look(fixture->registry, "a-value", residents(), &found, &words, &error)
                : registry_schema_id(fixture->registry, "a-value", residents(), &id, &error));
        assert_int_equal(error.verdict, ROWS[i].verdict);
        assert_non_null(strstr(error.message, "subject a-value"));
        if (strstr(error.message, ROWS[i].word) == NULL)
            fail_msg("%zu: %s", i, error.message);
        assert_null(strchr(fixture->scripts.trail, 'R'));
    }
    buffer_free(&words);
}

static void test_away(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    uint32_t id;
    assert_true(registry_schema_id(fixture->registry, "a-value", residents(), &id, &error));
    char nobody[] = "http://127.0.0.1:1";
    fixture->config.registry.url = nobody;
    open_registry(fixture);
    assert_false(registry_schema_id(fixture->registry, "a-value", residents(), &id, &error));
    assert_int_equal(error.verdict, VERDICT_RETRY);
    assert_non_null(strstr(error.message, "schema registry"));
    assert_false(registry_ping(fixture->registry, &error));
    assert_int_equal(error.verdict, VERDICT_RETRY);
    char wrong[] = "registry.example:8081";
    fixture->config.registry.url = wrong;
    open_registry(fixture);
    assert_false(registry_ping(fixture->registry, &error));
    assert_int_equal(error.verdict, VERDICT_CONFIGURATION);
}

static void test_ping(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    assert_true(registry_ping(fixture->registry, &error));
    assert_true(fake_saw(fixture->server, "GET /base/subjects HTTP/1.1\r\n"));
    set(fixture, PING, "401 Unauthorized", "");
    assert_false(registry_ping(fixture->registry, &error));
    assert_int_equal(error.verdict, VERDICT_CONFIGURATION);
}

static void test_authorization(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    char user[] = "Aladdin"; /* the example of RFC 7617, section 2 */
    char password[] = "open sesame";
    char token[] = "the-token";
    char nothing[] = "";
    fixture->config.registry.user = user;
    fixture->config.registry.password = password;
    fixture->config.registry.token = nothing;
    fixture->config.registry.ca = nothing;
    open_registry(fixture);
    assert_true(registry_ping(fixture->registry, &error));
    assert_true(fake_saw(fixture->server, "authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"));
    fixture->config.registry.user = nothing;
    fixture->config.registry.password = nothing;
    fixture->config.registry.token = token;
    open_registry(fixture);
    assert_true(registry_ping(fixture->registry, &error));
    assert_true(fake_saw(fixture->server, "authorization: Bearer the-token\r\n"));
}

static void test_a_schema_by_its_id(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    char *text = NULL;
    set(fixture, PING, "200 OK", "{\"schema\":\"\\\"string\\\"\"}");
    assert_true(registry_schema_text(fixture->registry, 4294967295, &text, &error));
    assert_string_equal(text, "\"string\"");
    assert_true(fake_saw(fixture->server, "GET /base/schemas/ids/4294967295 HTTP/1.1\r\n"));
    free(text);
    set(fixture, PING, "404 Not Found", NO_SCHEMA);
    assert_true(registry_schema_text(fixture->registry, 1, &text, &error));
    assert_null(text);
    set(fixture, PING, "200 OK", "{}");
    assert_false(registry_schema_text(fixture->registry, 1, &text, &error));
    assert_int_equal(error.verdict, VERDICT_CONFIGURATION);
    set(fixture, PING, "503 Service Unavailable", "");
    assert_false(registry_schema_text(fixture->registry, 1, &text, &error));
    assert_int_equal(error.verdict, VERDICT_RETRY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_asks_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_takes_what_is_registered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_compatible_is_not_registered, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_check, setup, teardown),
        cmocka_unit_test_setup_teardown(test_check_asks_for_the_latest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_look, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sends_the_schemas_own_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_subject_is_encoded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals_of_other_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_away, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_schema_by_its_id, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ping, setup, teardown),
        cmocka_unit_test_setup_teardown(test_authorization, setup, teardown),
    };
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
