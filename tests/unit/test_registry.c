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

/* What the server answers next, whatever it is asked. */
struct script {
    const char *status;
    const char *body;
};

static void answer(struct fake_http *server, const char *request, struct fake_reply *reply)
{
    const struct script *script = server->context;
    (void)request;
    fake_answer(reply, script->status, "content-type: application/vnd.schemaregistry.v1+json\r\n",
                script->body, strlen(script->body));
}

struct fixture {
    struct script script;
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
    fixture->script = (struct script){"200 OK", "{\"id\":42}"};
    fixture->server = fake_start(answer, &fixture->script);
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

static void test_registers_once(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    uint32_t id = 0;
    for (int i = 0; i < 3; i++) {
        assert_true(
            registry_schema_id(fixture->registry, "a.residents-value", residents(), &id, &error));
        assert_int_equal(id, 42);
    }
    assert_int_equal(fixture->server->requests, 1);
    assert_true(
        fake_saw(fixture->server, "POST /base/subjects/a.residents-value/versions HTTP/1.1\r\n"));
    assert_true(
        fake_saw(fixture->server, "\r\ncontent-type: application/vnd.schemaregistry.v1+json\r\n"));
    assert_false(fake_saw(fixture->server, "authorization"));
    fixture->script.body = "{\"id\":0}";
    assert_true(registry_schema_id(fixture->registry, "b-value", residents(), &id, &error));
    assert_int_equal(id, 0);
    fixture->script.status = "500 Internal Server Error"; /* both are known by now */
    assert_true(registry_schema_id(fixture->registry, "b-value", residents(), &id, &error));
    assert_int_equal(id, 0);
    assert_true(
        registry_schema_id(fixture->registry, "a.residents-value", residents(), &id, &error));
    assert_int_equal(id, 42);
    assert_int_equal(fixture->server->requests, 2);
}

/* Every schema arrives with its file's own bytes. */
static void test_sends_the_schemas_own_bytes(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < schema_count(); i++) {
        const struct schema *schema = schema_at(i);
        struct error error;
        uint32_t id;
        assert_true(registry_schema_id(fixture->registry, schema->model, schema, &id, &error));
        const char *body = strstr(fixture->server->last, "\r\n\r\n");
        cJSON *json = cJSON_Parse(body);
        assert_int_equal(cJSON_GetArraySize(json), 1);
        assert_string_equal(cJSON_GetObjectItem(json, "schema")->valuestring, schema->text);
        cJSON_Delete(json);
    }
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
        fixture->script = (struct script){ROWS[i].status, ROWS[i].body};
        assert_false(registry_schema_id(fixture->registry, "a-value", residents(), &id, &error));
        assert_int_equal(error.verdict, ROWS[i].verdict);
        assert_non_null(strstr(error.message, "subject a-value"));
        if (strstr(error.message, ROWS[i].word) == NULL)
            fail_msg("%s: %s", ROWS[i].status, error.message);
        assert_int_equal(id, 99);
    }
    fixture->script = (struct script){"200 OK", "{\"id\":2147483647}"};
    assert_true(registry_schema_id(fixture->registry, "a-value", residents(), &id, &error));
    assert_int_equal(id, INT32_MAX);
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
    fixture->script.body = "[\"a-value\"]";
    assert_true(registry_ping(fixture->registry, &error));
    assert_true(fake_saw(fixture->server, "GET /base/subjects HTTP/1.1\r\n"));
    fixture->script.status = "401 Unauthorized";
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_registers_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sends_the_schemas_own_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_subject_is_encoded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_away, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ping, setup, teardown),
        cmocka_unit_test_setup_teardown(test_authorization, setup, teardown),
    };
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
