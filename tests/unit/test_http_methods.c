/* The methods of a request, also over one connection and over redirects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bridge/base/attributes.h"
#include "bridge/http/client.h"
#include "tests/unit/fake_http.h"

static void answer(struct fake_http *server, const char *request, struct fake_reply *reply)
{
    (void)server;
    if (strstr(request, " /moved ") != NULL)
        fake_answer(reply, "308 Permanent Redirect", "location: /ok\r\n", "moved", 5);
    else
        fake_answer(reply, "200 OK", "", "{}", 2);
}

static int start_server(void **state)
{
    *state = fake_start(answer, NULL);
    return 0;
}

static int stop_server(void **state)
{
    fake_stop(*state);
    return 0;
}

/* On one client after the other: nothing of a request stays for the next one. */
static void test_methods(void **state)
{
    static const struct {
        enum http_method method;
        const char *path;
        const char *body;
        const char *line;
    } CASES[] = {
        {HTTP_GET, "/ok", NULL, "GET /ok HTTP/1.1\r\n"},
        {HTTP_PUT, "/ok", "{\"put\":1}", "PUT /ok HTTP/1.1\r\n"},
        {HTTP_GET, "/ok", NULL, "GET /ok HTTP/1.1\r\n"},
        {HTTP_DELETE, "/ok", NULL, "DELETE /ok HTTP/1.1\r\n"},
        {HTTP_POST, "/ok", "{\"post\":1}", "POST /ok HTTP/1.1\r\n"},
        {HTTP_PUT, "/moved", "{\"moved\":1}", "PUT /ok HTTP/1.1\r\n"},
        {HTTP_DELETE, "/moved", NULL, "DELETE /ok HTTP/1.1\r\n"},
        {HTTP_POST, "/moved", "{\"posted\":1}", "POST /ok HTTP/1.1\r\n"},
        {HTTP_GET, "/moved", NULL, "GET /ok HTTP/1.1\r\n"},
    };
    struct fake_http *server = *state;
    struct http_options options = {
        .max_connections = 1, .connect_timeout_ms = 10000, .timeout_ms = 20000, .max_body = 1000};
    struct error error;
    struct http_client *client = http_client_new(&options, &error);
    assert_non_null(client);
    for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
        char url[128];
        struct http_answer found;
        (void)snprintf(url, sizeof url, "http://127.0.0.1:%d%s", server->port, CASES[i].path);
        struct http_request request = {.method = CASES[i].method,
                                       .url = url,
                                       .content_type = "application/json",
                                       .body = CASES[i].body};
        assert_true(http_client_send(client, &request, &found, &error));
        assert_int_equal(found.status, 200);
        assert_true(fake_saw(server, CASES[i].line));
        assert_int_equal(fake_saw(server, "content-type: application/json"), CASES[i].body != NULL);
        if (CASES[i].body != NULL)
            assert_true(fake_saw(server, CASES[i].body));
        http_answer_free(&found);
    }
    http_client_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_methods)};
    unsetenv("http_proxy");
    return cmocka_run_group_tests_name("http_methods", tests, start_server, stop_server);
}
