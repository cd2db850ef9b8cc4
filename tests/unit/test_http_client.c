/* The HTTP client against a small server that also misbehaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bridge/base/attributes.h"
#include "bridge/base/clock.h"
#include "bridge/http/client.h"
#include "tests/unit/fake_http.h"

#define MAX_BODY 20000

/* {"zipped":true} */
static const unsigned char ZIPPED[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02,
                                       0x03, 0xab, 0x56, 0xaa, 0xca, 0x2c, 0x28, 0x48, 0x4d,
                                       0x51, 0xb2, 0x2a, 0x29, 0x2a, 0x4d, 0xad, 0x05, 0x00,
                                       0x84, 0x28, 0xbc, 0x08, 0x0f, 0x00, 0x00, 0x00};

/* 65,536 times the letter a */
static const unsigned char BOMB[] = {
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xed, 0xc1, 0x81, 0x00, 0x00, 0x00,
    0x00, 0x80, 0x20, 0xd6, 0xfd, 0x25, 0x16, 0xa9, 0x0a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x6a, 0xff, 0x91, 0x20, 0xc3, 0x00, 0x00, 0x01, 0x00};

static void raw(struct fake_reply *reply, const char *text, enum fake_then then)
{
    reply->length = strlen(text);
    memcpy(reply->bytes, text, reply->length);
    reply->then = then;
}

static void redirect(struct fake_reply *reply, const char *to)
{
    char header[128];
    snprintf(header, sizeof header, "location: %s\r\nx-ratelimit-limit: 1\r\n", to);
    fake_answer(reply, "307 Temporary Redirect", header, "moved", 5);
}

static void body_of(struct fake_reply *reply, size_t length)
{
    static char body[MAX_BODY + 1];
    memset(body, 'x', sizeof body);
    fake_answer(reply, "200 OK", "", body, length);
}

/* `server->context` is the other server, where /other leads. */
static void misbehave(struct fake_http *server, const char *request, struct fake_reply *reply)
{
    char path[64] = "";
    (void)sscanf(request, "%*s %63s", path);
    if (strcmp(path, "/missing") == 0) {
        fake_answer(reply, "404 Not Found", "", "{}", 2);
    } else if (strcmp(path, "/busy") == 0) {
        fake_answer(reply, "429 Too Many Requests",
                    "X-RateLimit-Limit: 150\r\nx-ratelimit-remaining: 0\r\nRetry-After: 17\r\n",
                    "{}", 2);
    } else if (strcmp(path, "/cut") == 0) {
        raw(reply, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort", FAKE_CLOSE);
    } else if (strcmp(path, "/half-head") == 0) {
        raw(reply, "HTTP/1.1 200 OK\r\ncontent-le", FAKE_CLOSE);
    } else if (strcmp(path, "/garbage") == 0) {
        raw(reply, "what is this\r\n\r\n", FAKE_CLOSE);
    } else if (strcmp(path, "/bad-gzip") == 0) {
        fake_answer(reply, "200 OK", "content-encoding: gzip\r\n", "not zipped", 10);
    } else if (strcmp(path, "/reset") == 0) {
        reply->then = FAKE_RESET;
    } else if (strcmp(path, "/closed") == 0) {
        reply->then = FAKE_CLOSE;
    } else if (strcmp(path, "/hang") == 0) {
        reply->then = FAKE_HANG;
    } else if (strcmp(path, "/hang-in-body") == 0) {
        raw(reply, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort", FAKE_HANG);
    } else if (strcmp(path, "/largest") == 0) {
        body_of(reply, MAX_BODY);
    } else if (strcmp(path, "/too-large") == 0) {
        body_of(reply, MAX_BODY + 1);
    } else if (strcmp(path, "/gzip") == 0) {
        fake_answer(reply, "200 OK", "content-encoding: gzip\r\n", ZIPPED, sizeof ZIPPED);
    } else if (strcmp(path, "/bomb") == 0) {
        fake_answer(reply, "200 OK", "content-encoding: gzip\r\n", BOMB, sizeof BOMB);
    } else if (strcmp(path, "/no-slash") == 0) {
        redirect(reply, "/ok");
    } else if (strcmp(path, "/loop") == 0) {
        redirect(reply, "/loop");
    } else if (strcmp(path, "/file") == 0) {
        redirect(reply, "file:///etc/hostname");
    } else if (strcmp(path, "/ftp") == 0) {
        redirect(reply, "ftp://127.0.0.1/x");
    } else if (strcmp(path, "/other") == 0) {
        char url[64];
        snprintf(url, sizeof url, "http://127.0.0.1:%d/ok",
                 ((struct fake_http *)server->context)->port);
        redirect(reply, url);
    } else {
        fake_answer(reply, "200 OK", "x-ratelimit-limit: 150\r\n", "{\"ok\":1}", 8);
    }
}

struct servers {
    struct fake_http *other;
    struct fake_http *main;
};

static int start_servers(void **state)
{
    struct servers *servers = calloc(1, sizeof *servers);
    servers->other = fake_start(misbehave, NULL);
    servers->main = fake_start(misbehave, servers->other);
    *state = servers;
    return 0;
}

static int stop_servers(void **state)
{
    struct servers *servers = *state;
    fake_stop(servers->main);
    fake_stop(servers->other);
    free(servers);
    return 0;
}

static const struct http_options OPTIONS = {.max_connections = 8,
                                            .connect_timeout_ms = 10000,
                                            .timeout_ms = 20000,
                                            .max_body = MAX_BODY,
                                            .bearer = "the-token"};

static struct http_client *new_client(const struct http_options *options)
{
    struct error error;
    struct http_client *client = http_client_new(options, &error);
    assert_non_null(client);
    return client;
}

static const char *url_of(const struct fake_http *server, const char *path)
{
    static char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", server->port, path);
    return url;
}

struct seen {
    int calls;
    struct http_answer answer;
    char body[MAX_BODY + 1];
    char problem[256];
};

static void keep(void *context, const struct http_answer *answer)
{
    struct seen *seen = context;
    seen->calls++;
    seen->answer = *answer;
    assert_true(answer->length <= MAX_BODY);
    memcpy(seen->body, answer->body, answer->length + 1);
    snprintf(seen->problem, sizeof seen->problem, "%s", answer->problem);
}

static void get(struct http_client *client, const char *url, struct seen *seen)
{
    struct error error;
    memset(seen, 0, sizeof *seen);
    assert_true(http_client_get(client, url, keep, seen, &error));
    assert_int_equal(http_client_in_flight(client), 1);
    while (seen->calls == 0)
        http_client_poll(client, NULL, 0, 1000);
    assert_int_equal(seen->calls, 1);
    assert_int_equal(http_client_in_flight(client), 0);
}

static void test_outcomes(void **state)
{
    static const struct {
        const char *path;
        enum http_outcome outcome;
        long status;
        const char *body; /* NULL = not looked at */
    } ROWS[] = {
        {"/ok", HTTP_ANSWERED, 200, "{\"ok\":1}"},
        {"/missing", HTTP_ANSWERED, 404, "{}"},
        {"/busy", HTTP_ANSWERED, 429, "{}"},
        {"/gzip", HTTP_ANSWERED, 200, "{\"zipped\":true}"},
        {"/largest", HTTP_ANSWERED, 200, NULL},
        {"/no-slash", HTTP_ANSWERED, 200, "{\"ok\":1}"},
        {"/other", HTTP_ANSWERED, 200, "{\"ok\":1}"},
        {"/cut", HTTP_BROKEN, 0, NULL},
        {"/half-head", HTTP_BROKEN, 0, NULL},
        {"/garbage", HTTP_BROKEN, 0, NULL},
        {"/bad-gzip", HTTP_BROKEN, 0, NULL},
        {"/reset", HTTP_BROKEN, 0, NULL},
        {"/closed", HTTP_BROKEN, 0, NULL},
        {"/too-large", HTTP_TOO_LARGE, 0, NULL},
        {"/bomb", HTTP_TOO_LARGE, 0, NULL},
        {"/loop", HTTP_REDIRECTS, 0, NULL},
        {"/file", HTTP_REDIRECTS, 0, NULL},
        {"/ftp", HTTP_REDIRECTS, 0, NULL},
    };
    struct servers *servers = *state;
    struct http_client *client = new_client(&OPTIONS);
    struct seen *seen = calloc(1, sizeof *seen);
    for (size_t i = 0; i < 2 * ARRAY_LENGTH(ROWS); i++) { /* twice: handles are reused */
        size_t row = i % ARRAY_LENGTH(ROWS);
        get(client, url_of(servers->main, ROWS[row].path), seen);
        if (seen->answer.outcome != ROWS[row].outcome)
            fail_msg("%s: %s (%s)", ROWS[row].path, http_outcome_name(seen->answer.outcome),
                     seen->problem);
        assert_int_equal(seen->answer.status, ROWS[row].status);
        assert_int_equal(seen->problem[0] == '\0', ROWS[row].outcome == HTTP_ANSWERED);
        bool whole = strcmp(ROWS[row].path, "/too-large") == 0; /* the bomb goes on too long */
        assert_int_equal(seen->answer.sha256 != NULL, whole);
        assert_int_equal(seen->answer.whole_length > MAX_BODY, whole);
        if (ROWS[row].outcome == HTTP_TOO_LARGE)
            assert_int_equal(seen->answer.length, HTTP_HEAD_SIZE);
        assert_null(strstr(seen->problem, "the-token"));
        if (ROWS[row].body != NULL)
            assert_string_equal(seen->body, ROWS[row].body);
        if (strcmp(ROWS[row].path, "/largest") == 0)
            assert_int_equal(seen->answer.length, MAX_BODY);
    }
    free(seen);
    http_client_free(client);
}

static void test_no_connection(void **state)
{
    static const struct {
        const char *url;
        enum http_outcome outcome;
    } ROWS[] = {
        {"http://127.0.0.1:1/", HTTP_NO_CONNECTION},
        {"http://a-label-of-more-than-sixty-three-characters-is-no-name-in-the-dns-at-all/",
         HTTP_NO_HOST},
        {"http://[not an address/", HTTP_NO_HOST},
    };
    (void)state;
    struct http_client *client = new_client(&OPTIONS);
    struct seen *seen = calloc(1, sizeof *seen);
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        get(client, ROWS[i].url, seen);
        assert_int_equal(seen->answer.outcome, ROWS[i].outcome);
        assert_int_equal(seen->answer.status, 0);
        assert_string_not_equal(seen->problem, "");
    }
    free(seen);
    http_client_free(client);
}

static void test_tls_to_a_server_without_it(void **state)
{
    struct servers *servers = *state;
    struct http_client *client = new_client(&OPTIONS);
    struct seen *seen = calloc(1, sizeof *seen);
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%d/garbage", servers->main->port);
    get(client, url, seen);
    assert_int_equal(seen->answer.outcome, HTTP_TLS);
    free(seen);
    http_client_free(client);
}

static void test_timeout(void **state)
{
    static const char *const PATHS[] = {"/hang", "/hang-in-body"};
    struct servers *servers = *state;
    struct http_options options = OPTIONS;
    options.timeout_ms = 150;
    struct http_client *client = new_client(&options);
    struct seen *seen = calloc(1, sizeof *seen);
    for (size_t i = 0; i < ARRAY_LENGTH(PATHS); i++) {
        get(client, url_of(servers->main, PATHS[i]), seen);
        assert_int_equal(seen->answer.outcome, HTTP_TIMEOUT);
    }
    free(seen);
    http_client_free(client);
}

/* A listener whose backlog is full takes no more connections: the request was never sent, so it is
 * no time-out of whoever would have answered it. The same over TLS, where nobody shakes hands. */
static void test_no_connection_in_time(void **state)
{
    static const char *const schemes[] = {"http", "https"};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct http_options options = OPTIONS;
    int waiting[8];
    char url[64];
    (void)state;
    options.timeout_ms = options.connect_timeout_ms = 200;
    for (size_t i = 0; i < ARRAY_LENGTH(schemes); i++) {
        bool tls = i == 1;
        int listener = socket(AF_INET, SOCK_STREAM, 0);
        address.sin_port = 0;
        assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(listener, tls ? 8 : 0), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
        for (size_t k = 0; !tls && k < ARRAY_LENGTH(waiting); k++) {
            waiting[k] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
            (void)!connect(waiting[k], (struct sockaddr *)&address, size);
        }
        struct http_client *client = new_client(&options);
        struct seen *seen = calloc(1, sizeof *seen);
        snprintf(url, sizeof url, "%s://127.0.0.1:%d/", schemes[i], ntohs(address.sin_port));
        get(client, url, seen);
        assert_int_equal(seen->answer.outcome, HTTP_NO_CONNECTION);
        free(seen);
        http_client_free(client);
        for (size_t k = 0; !tls && k < ARRAY_LENGTH(waiting); k++)
            close(waiting[k]);
        close(listener);
    }
}

/* Nothing but its own time counts: a request that waited for a connection still has all of it. */
static void test_waiting_does_not_use_up_the_time(void **state)
{
    struct servers *servers = *state;
    struct http_options options = OPTIONS;
    struct error error;
    options.timeout_ms = 200;
    options.max_connections = 1;
    struct http_client *client = new_client(&options);
    struct seen *hanging = calloc(2, sizeof *hanging);
    struct seen *good = calloc(1, sizeof *good);
    const char *hang = url_of(servers->main, "/hang");
    assert_true(http_client_get(client, hang, keep, &hanging[0], &error));
    assert_true(http_client_get(client, hang, keep, &hanging[1], &error));
    assert_true(http_client_get(client, url_of(servers->main, "/ok"), keep, good, &error));
    while (http_client_in_flight(client) > 0)
        http_client_poll(client, NULL, 0, 1000);
    assert_int_equal(hanging[0].answer.outcome, HTTP_TIMEOUT);
    assert_int_equal(hanging[1].answer.outcome, HTTP_TIMEOUT);
    assert_int_equal(good->answer.status, 200);
    free(hanging);
    free(good);
    http_client_free(client);
}

static void test_request_headers(void **state)
{
    struct servers *servers = *state;
    struct http_client *client = new_client(&OPTIONS);
    struct seen *seen = calloc(1, sizeof *seen);
    get(client, url_of(servers->main, "/ok"), seen);
    assert_true(fake_saw(servers->main, "\r\nauthorization: Bearer the-token\r\n"));
    assert_true(fake_saw(servers->main, "\r\naccept-encoding: gzip\r\n"));
    assert_true(fake_saw(servers->main, "\r\naccept: application/json\r\n"));
    assert_true(fake_saw(servers->main, "\r\nuser-agent: propexo-bridge/"));
    get(client, url_of(servers->main, "/no-slash"), seen);
    assert_true(fake_saw(servers->main, "GET /ok"));
    assert_true(fake_saw(servers->main, "\r\nauthorization: Bearer the-token\r\n"));
    get(client, url_of(servers->main, "/other"), seen);
    assert_true(fake_saw(servers->other, "GET /ok"));
    assert_false(fake_saw(servers->other, "authorization"));
    assert_false(fake_saw(servers->other, "the-token"));
    get(client, url_of(servers->main, "/ok"), seen); /* the same handle sends it again */
    assert_true(fake_saw(servers->main, "\r\nauthorization: Bearer the-token\r\n"));
    free(seen);
    http_client_free(client);
}

static void test_basic_authentication(void **state)
{
    struct servers *servers = *state;
    struct http_options options = OPTIONS;
    options.bearer = "";
    options.user = "Aladdin"; /* the example of RFC 7617, section 2 */
    options.password = "open sesame";
    struct http_client *client = new_client(&options);
    struct seen *seen = calloc(1, sizeof *seen);
    get(client, url_of(servers->main, "/ok"), seen);
    assert_true(fake_saw(servers->main, "authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"));
    get(client, url_of(servers->main, "/other"), seen);
    assert_false(fake_saw(servers->other, "authorization"));
    free(seen);
    http_client_free(client);
}

static void test_rate_headers(void **state)
{
    struct servers *servers = *state;
    struct http_client *client = new_client(&OPTIONS);
    struct seen *seen = calloc(1, sizeof *seen);
    get(client, url_of(servers->main, "/busy"), seen);
    assert_int_equal(seen->answer.limit, 150);
    assert_int_equal(seen->answer.remaining, 0);
    assert_int_equal(seen->answer.retry_after_s, 17);
    get(client, url_of(servers->main, "/closed"), seen); /* no header at all */
    assert_int_equal(seen->answer.limit, -1);
    assert_int_equal(seen->answer.retry_after_s, -1);
    get(client, url_of(servers->main, "/missing"), seen);
    assert_int_equal(seen->answer.limit, -1);
    assert_int_equal(seen->answer.remaining, -1);
    assert_int_equal(seen->answer.retry_after_s, -1);
    get(client, url_of(servers->main, "/no-slash"), seen); /* the redirect says 1 */
    assert_int_equal(seen->answer.limit, 150);
    free(seen);
    http_client_free(client);
}

static void count(void *context, const struct http_answer *answer)
{
    assert_int_equal(answer->status, 200);
    assert_string_equal(answer->body, "{\"ok\":1}");
    *(int *)context += 1;
}

static void test_many_at_once(void **state)
{
    struct servers *servers = *state;
    struct http_client *client = new_client(&OPTIONS);
    struct error error;
    int before = servers->main->connections;
    int calls[200] = {0};
    for (size_t i = 0; i < ARRAY_LENGTH(calls); i++)
        assert_true(
            http_client_get(client, url_of(servers->main, "/ok"), count, &calls[i], &error));
    assert_int_equal(http_client_in_flight(client), 200);
    while (http_client_in_flight(client) > 0)
        http_client_poll(client, NULL, 0, 1000);
    for (size_t i = 0; i < ARRAY_LENGTH(calls); i++)
        assert_int_equal(calls[i], 1);
    assert_true(servers->main->connections - before <= OPTIONS.max_connections);
    http_client_free(client);
}

struct chain {
    struct http_client *client;
    const char *url;
    int left;
};

static void next_in_chain(void *context, const struct http_answer *answer)
{
    struct chain *chain = context;
    struct error error;
    assert_int_equal(answer->status, 200);
    if (--chain->left > 0)
        assert_true(http_client_get(chain->client, chain->url, next_in_chain, chain, &error));
}

static void test_callback_starts_another_on_the_same_connection(void **state)
{
    struct servers *servers = *state;
    struct error error;
    int before = servers->main->connections;
    struct chain chain = {new_client(&OPTIONS), url_of(servers->main, "/ok"), 20};
    assert_true(http_client_get(chain.client, chain.url, next_in_chain, &chain, &error));
    while (http_client_in_flight(chain.client) > 0)
        http_client_poll(chain.client, NULL, 0, 1000);
    assert_int_equal(chain.left, 0);
    assert_int_equal(servers->main->connections - before, 1);
    http_client_free(chain.client);
}

static void test_extra_descriptor_wakes(void **state)
{
    struct servers *servers = *state;
    struct http_client *client = new_client(&OPTIONS);
    struct seen *seen = calloc(1, sizeof *seen);
    struct error error;
    int quiet = eventfd(0, 0);
    int ready = eventfd(1, 0);
    int64_t start = clock_ms();
    http_client_poll(client, (int[]){quiet, ready}, 2, 60000);
    assert_true(http_client_get(client, url_of(servers->main, "/hang"), keep, seen, &error));
    for (int i = 0; i < 3; i++)
        http_client_poll(client, (int[]){quiet, ready}, 2, 60000);
    assert_true(clock_ms() - start < 15000);
    assert_int_equal(seen->calls, 0);
    close(quiet);
    close(ready);
    http_client_free(client); /* the hanging request is not called back */
    assert_int_equal(seen->calls, 0);
    free(seen);
}

static void test_free_with_requests_waiting(void **state)
{
    struct servers *servers = *state;
    struct http_options options = OPTIONS;
    options.max_connections = 1;
    struct http_client *client = new_client(&options);
    struct seen *seen = calloc(1, sizeof *seen);
    struct error error;
    for (int i = 0; i < 5; i++)
        assert_true(http_client_get(client, url_of(servers->main, "/hang"), keep, seen, &error));
    http_client_poll(client, NULL, 0, 10);
    assert_int_equal(http_client_in_flight(client), 5);
    http_client_free(client);
    http_client_free(NULL);
    assert_int_equal(seen->calls, 0);
    free(seen);
}

/* One under way, and waiting ones at each place of the queue; the others go on. */
static void test_cancel(void **state)
{
    struct servers *servers = *state;
    struct http_options options = OPTIONS;
    options.max_connections = 1;
    struct http_client *client = new_client(&options);
    struct seen *seen = calloc(5, sizeof *seen);
    struct error error;
    assert_true(http_client_get(client, url_of(servers->main, "/hang"), keep, &seen[0], &error));
    for (int i = 1; i < 5; i++)
        assert_true(http_client_get(client, url_of(servers->main, "/ok"), keep, &seen[i], &error));
    for (int i = 0; i < 3; i++)
        http_client_poll(client, NULL, 0, 10);
    http_client_cancel(client, &seen[1]); /* the first that waits */
    http_client_cancel(client, &seen[4]); /* the last */
    assert_int_equal(http_client_in_flight(client), 3);
    http_client_cancel(client, &seen[0]); /* under way */
    http_client_cancel(client, &seen[0]); /* it is not there any more */
    assert_int_equal(http_client_in_flight(client), 2);
    while (http_client_in_flight(client) > 0)
        http_client_poll(client, NULL, 0, 1000);
    for (int i = 0; i < 5; i++)
        assert_int_equal(seen[i].calls, i == 2 || i == 3);
    assert_int_equal(seen[2].answer.status, 200);
    get(client, url_of(servers->main, "/ok"), &seen[4]); /* the queue's end is known */
    free(seen);
    http_client_free(client);
}

static void test_call(void **state)
{
    struct servers *servers = *state;
    struct http_client *client = new_client(&OPTIONS);
    struct http_answer answer;
    struct error error;
    char large[4000];
    memset(large, 'b', sizeof large);
    large[sizeof large - 1] = '\0';
    assert_true(
        http_client_call(client, url_of(servers->main, "/gzip"), NULL, NULL, &answer, &error));
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "{\"zipped\":true}");
    assert_string_equal(answer.problem, "");
    http_answer_free(&answer);
    assert_true(http_client_call(client, url_of(servers->main, "/missing"), "text/x", large,
                                 &answer, &error));
    assert_int_equal(answer.status, 404);
    http_answer_free(&answer);
    assert_true(fake_saw(servers->main, "POST /missing HTTP/1.1\r\n"));
    assert_true(fake_saw(servers->main, "\r\ncontent-type: text/x\r\n"));
    assert_true(fake_saw(servers->main, large));
    assert_false(fake_saw(servers->main, "\r\nexpect:"));
    assert_true(http_client_call(client, url_of(servers->main, "/no-slash"), "text/x", "again",
                                 &answer, &error));
    http_answer_free(&answer);
    assert_true(fake_saw(servers->main, "POST /ok HTTP/1.1\r\n"));
    assert_true(
        http_client_call(client, url_of(servers->main, "/ok"), NULL, NULL, &answer, &error));
    http_answer_free(&answer);
    assert_true(fake_saw(servers->main, "GET /ok HTTP/1.1\r\n"));
    assert_false(fake_saw(servers->main, "content-"));
    http_client_free(client);
}

static void test_call_fails(void **state)
{
    static const struct {
        const char *path; /* on the server, or a whole URL */
        enum verdict verdict;
        const char *word;
    } ROWS[] = {
        {"/reset", VERDICT_RETRY, "broken"},
        {"/too-large", VERDICT_ABORT, "too_large"},
        {"/loop", VERDICT_CONFIGURATION, "redirects"},
        {"http://127.0.0.1:1/", VERDICT_RETRY, "no_connection"},
        {"ftp://127.0.0.1/", VERDICT_CONFIGURATION, "http://"},
        {"127.0.0.1", VERDICT_CONFIGURATION, "http://"},
    };
    struct servers *servers = *state;
    struct http_client *client = new_client(&OPTIONS);
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        struct http_answer answer;
        struct error error;
        const char *url =
            ROWS[i].path[0] == '/' ? url_of(servers->main, ROWS[i].path) : ROWS[i].path;
        assert_false(http_client_call(client, url, NULL, NULL, &answer, &error));
        assert_int_equal(error.verdict, ROWS[i].verdict);
        assert_non_null(strstr(error.message, ROWS[i].word));
    }
    http_client_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_no_connection),
        cmocka_unit_test(test_tls_to_a_server_without_it),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_no_connection_in_time),
        cmocka_unit_test(test_waiting_does_not_use_up_the_time),
        cmocka_unit_test(test_request_headers),
        cmocka_unit_test(test_basic_authentication),
        cmocka_unit_test(test_rate_headers),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_callback_starts_another_on_the_same_connection),
        cmocka_unit_test(test_extra_descriptor_wakes),
        cmocka_unit_test(test_free_with_requests_waiting),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_call),
        cmocka_unit_test(test_call_fails),
    };
    unsetenv("http_proxy");
    unsetenv("https_proxy");
    unsetenv("all_proxy");
    return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
