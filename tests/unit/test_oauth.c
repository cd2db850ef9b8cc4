/* Tokens for OAUTHBEARER: what a provider is asked, and what becomes of its answers; with
 * librdkafka's own handle. */
#include "tests/unit/config_fixture.h"
#include "tests/unit/fake_http.h"

#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/kafka/handle.h"
#include "bridge/kafka/oauth.h"
#include "bridge/kafka/settings.h"

#define LOGIN                                                                  \
    "[kafka]\nbootstrap.servers = 127.0.0.1:1\nsecurity.protocol = SASL_SSL\n" \
    "sasl.mechanism = OAUTHBEARER\nsasl.oauthbearer.method = oidc\n"
#define CLIENT "sasl.oauthbearer.client.id = a b\nsasl.oauthbearer.client.secret = s:+1\n"

struct script {
    const char *status;
    const char *body;
};

static void answer(struct fake_http *server, const char *request, struct fake_reply *reply)
{
    const struct script *script = server->context;
    (void)request;
    fake_answer(reply, script->status, "content-type: application/json\r\n", script->body,
                strlen(script->body));
}

/* Opens a handle and waits for the outcome of the first token. */
static bool got_token(struct fixture *f, const struct script *script, const char *more)
{
    struct error error = {0};
    struct script context = *script;
    struct fake_http *server = fake_start(answer, &context);
    char *ini = memory_format(LOGIN CLIENT
                              "%ssasl.oauthbearer.token.endpoint.url = http://127.0.0.1:%d/token\n",
                              more, server->port);
    const struct config *config = fixture_accept(f, ini, NULL, NULL);
    struct kafka_context kafka = {config, config->kafka.bootstrap_servers};
    int64_t good = metrics_get(METRIC_KAFKA_TOKENS);
    int64_t bad = metrics_get(METRIC_KAFKA_TOKENS_FAILED);
    rd_kafka_conf_t *settings = kafka_settings(&kafka, KAFKA_ADMIN, &error);
    assert_non_null(settings);
    rd_kafka_t *handle = kafka_open(RD_KAFKA_PRODUCER, settings, &error);
    assert_non_null(handle);
    int64_t until_ms = clock_ms() + 5000;
    while (metrics_get(METRIC_KAFKA_TOKENS) == good &&
           metrics_get(METRIC_KAFKA_TOKENS_FAILED) == bad && clock_ms() < until_ms)
        clock_rest(5);
    assert_true(fake_saw(server, "POST /token HTTP/1.1"));
    assert_true(fake_saw(server, "content-type: application/x-www-form-urlencoded"));
    assert_true(fake_saw(server, "authorization: Basic YSUyMGI6cyUzQSUyQjE=")); /* a%20b:s%3A%2B1 */
    assert_true(fake_saw(server, "\r\n\r\ngrant_type=client_credentials"));
    assert_int_equal(fake_saw(server, "&scope=read%20write"), strstr(more, "scope") != NULL);
    (void)kafka_close(handle, 0);
    fake_stop(server);
    free(ini);
    assert_int_equal(metrics_get(METRIC_KAFKA_TOKENS) + metrics_get(METRIC_KAFKA_TOKENS_FAILED),
                     good + bad + 1);
    return metrics_get(METRIC_KAFKA_TOKENS) == good + 1;
}

static void test_answers(void **state)
{
    static const struct {
        struct script script;
        bool good;
    } cases[] = {
        {{"200 OK", "{\"access_token\": \"a.b.c\", \"expires_in\": 300}"}, true},
        {{"200 OK", "{\"access_token\": \"opaque\"}"}, true},
        {{"200 OK", "{\"access_token\": \"opaque\", \"expires_in\": \"soon\"}"}, true},
        {{"200 OK", "{\"access_token\": \"opaque\", \"expires_in\": 1e300}"}, true},
        {{"200 OK", "{\"access_token\": \"opaque\", \"expires_in\": -5}"}, true},
        {{"200 OK", "{\"access_token\": \"\"}"}, false},
        {{"200 OK", "{\"access_token\": 5}"}, false},
        {{"200 OK", "{\"access_token\": \"with \\u0001 in it\"}"}, false},
        {{"200 OK", "{}"}, false},
        {{"200 OK", "[]"}, false},
        {{"200 OK", "none"}, false},
        {{"200 OK", ""}, false},
        {{"401 Unauthorized", "{\"error\": \"invalid_client\"}"}, false},
        {{"500 Internal Server Error", "{\"access_token\": \"a.b.c\"}"}, false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        if (got_token(*state, &cases[i].script, "") != cases[i].good)
            fail_msg("%s", cases[i].script.body);
}

static void test_scope_and_extensions(void **state)
{
    static const struct script good = {"200 OK", "{\"access_token\": \"a\"}"};
    assert_true(got_token(*state, &good, "sasl.oauthbearer.scope = read write\n"));
    assert_true(got_token(*state, &good, "sasl.oauthbearer.extensions = cluster=a,pool=b\n"));
    assert_false(got_token(*state, &good, "sasl.oauthbearer.extensions = auth=a\n"));
}

static void test_what_is_missing(void **state)
{
    static const struct {
        const char *more;
        const char *message;
    } cases[] = {
        {CLIENT, "[kafka] sasl.oauthbearer.method = oidc needs sasl.oauthbearer.token.endpoint.url "
                 "as well"},
        {"sasl.oauthbearer.token.endpoint.url = http://a\nsasl.oauthbearer.client.secret = s\n",
         "[kafka] sasl.oauthbearer.method = oidc needs sasl.oauthbearer.client.id as well"},
        {"sasl.oauthbearer.token.endpoint.url = http://a\nsasl.oauthbearer.client.id = s\n",
         "[kafka] sasl.oauthbearer.method = oidc needs sasl.oauthbearer.client.secret as well"},
        {CLIENT "sasl.oauthbearer.token.endpoint.url = http://a\nsasl.oauthbearer.config = x\n",
         "[kafka] sasl.oauthbearer.config stands beside sasl.oauthbearer.method = oidc; one of the "
         "two must go"},
        {CLIENT "sasl.oauthbearer.token.endpoint.url = http://a\n"
                "consumer.sasl.oauthbearer.client.secret = x\n",
         "bridge.conf:9: [kafka] sasl.oauthbearer.client.secret is for both sides, or for none"},
        {CLIENT "sasl.oauthbearer.token.endpoint.url = -----BEGIN X-----\n A\n",
         "[kafka] sasl.oauthbearer.token.endpoint.url has several lines"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct error error = {0};
        char *ini = memory_format(LOGIN "%s", cases[i].more);
        const struct config *config = fixture_accept(*state, ini, NULL, NULL);
        struct kafka_context kafka = {config, config->kafka.bootstrap_servers};
        assert_null(kafka_settings(&kafka, KAFKA_ADMIN, &error));
        assert_string_equal(error.message, cases[i].message);
        assert_int_equal(error.verdict, VERDICT_CONFIGURATION);
        free(ini);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_answers),
        FIXTURE_TEST(test_scope_and_extensions),
        FIXTURE_TEST(test_what_is_missing),
    };
    return cmocka_run_group_tests_name("oauth", tests, NULL, NULL);
}
