/* The server's drain: the times of its steps, and what clients see of it on real sockets. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "bridge/base/clock.h"
#include "bridge/http/drain.h"
#include "bridge/http/server.h"

#define NOW     1000000
#define WAIT_MS 5000

/* The times */

static bool advance(struct drain *drain, struct drain_view view, int64_t after_ms)
{
    view.now_ms = drain->since_ms + after_ms;
    return drain_advance(drain, &view);
}

static void test_leaving(void **state)
{
    struct drain drain = {DRAIN_SERVING, 0};
    (void)state;
    assert_false(advance(&drain, (struct drain_view){.hurry = true}, NOW));
    drain_begin(&drain, NOW);
    assert_int_equal(drain.phase, DRAIN_LEAVING);
    struct drain begun = drain;
    drain_begin(&drain, NOW + 1);
    assert_memory_equal(&drain, &begun, sizeof drain);

    /* They go on coming. */
    struct drain_view busy = {.came_ms = NOW + DRAIN_GRACE_MS - 10};
    assert_false(advance(&drain, busy, DRAIN_GRACE_MS - 1));
    assert_true(advance(&drain, busy, DRAIN_GRACE_MS));
    assert_int_equal(drain.phase, DRAIN_REFUSING);
    assert_int_equal(drain.since_ms, NOW + DRAIN_GRACE_MS);

    /* The last has come. */
    struct drain_view quiet = {.came_ms = NOW + 100};
    drain = begun;
    assert_false(advance(&drain, quiet, 100 + DRAIN_QUIET_MS - 1));
    assert_true(advance(&drain, quiet, 100 + DRAIN_QUIET_MS));

    /* Nobody came for long. */
    drain = begun;
    assert_true(advance(&drain, (struct drain_view){.came_ms = NOW - DRAIN_QUIET_MS}, 0));

    drain = begun;
    busy.hurry = true;
    assert_true(advance(&drain, busy, 0));
    assert_int_equal(drain.phase, DRAIN_REFUSING);
}

static void test_closing(void **state)
{
    struct drain drain = {DRAIN_REFUSING, NOW};
    struct drain_view view = {.queue_empty = true, .hurry = true};
    (void)state;
    assert_false(advance(&drain, view, DRAIN_HANDSHAKE_MS - 1));
    view.queue_empty = false;
    assert_false(advance(&drain, view, 10 * DRAIN_HANDSHAKE_MS));
    view.queue_empty = true;
    assert_true(advance(&drain, view, DRAIN_HANDSHAKE_MS));
    assert_int_equal(drain.phase, DRAIN_CLOSED);

    struct drain closed = drain;
    view = (struct drain_view){.unanswered = 1, .connections = 2};
    assert_false(advance(&drain, view, 100 * DRAIN_LINGER_MS));
    view = (struct drain_view){.connections = 1};
    assert_false(advance(&drain, view, DRAIN_LINGER_MS - 1));
    assert_true(advance(&drain, view, DRAIN_LINGER_MS));
    assert_int_equal(drain.phase, DRAIN_OVER);
    assert_false(advance(&drain, view, DRAIN_LINGER_MS));
    drain = closed;
    assert_true(advance(&drain, (struct drain_view){0}, 0));
}

/* On sockets */

struct stage {
    struct server *server;
    struct server_request *_Atomic asleep;
    atomic_int handled;
};

/* /sleep waits for release(). */
static void handle(void *context, struct server_request *request)
{
    struct stage *stage = context;
    atomic_fetch_add(&stage->handled, 1);
    if (strcmp(server_path(request), "/sleep") == 0)
        atomic_store(&stage->asleep, request);
    else
        server_answer(request, 200, "text/plain", "well", NULL);
}

static void finish(void *context, struct server_request *request)
{
    (void)context;
    server_answer(request, 200, "text/plain", "slept", NULL);
}

static void start(struct stage *stage)
{
    struct error error;
    struct server_options options = {.name = "test",
                                     .listen = "127.0.0.1:0",
                                     .limits = {.max_connections = 20,
                                                .max_body = 1000,
                                                .max_buffered = 100000,
                                                .max_head = 14000,
                                                .max_headers = 64,
                                                .max_target = 2000,
                                                .head_ms = 10000,
                                                .body_ms = 30000,
                                                .idle_ms = 75000},
                                     .handle = handle,
                                     .finish = finish,
                                     .context = stage};
    *stage = (struct stage){0};
    stage->server = server_new(&options, &error);
    assert_non_null(stage->server);
}

/* -1 with errno when it is refused, or not answered within `wait_ms`. */
static int connect_within(const struct stage *stage, int wait_ms)
{
    const char *address = server_address(stage->server);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {wait_ms / 1000, wait_ms % 1000 * 1000};
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit), 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    int reason = errno;
    (void)close(fd);
    errno = reason;
    return -1;
}

static int connect_to(const struct stage *stage)
{
    int fd = connect_within(stage, WAIT_MS);
    assert_true(fd >= 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void ask(int fd, const char *path)
{
    char head[128];
    snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", path);
    say(fd, head);
}

/* Reads until `end` is there, or, when it is NULL, to the connection's end, which must not be a
 * reset. The text lives until the next call. */
static const char *hear(int fd, const char *end)
{
    static char text[4096];
    size_t length = 0;
    ssize_t got = 0;
    do {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        text[length] = '\0';
        if (end != NULL && strstr(text, end) != NULL)
            return text;
        assert_int_equal(poll(&readable, 1, WAIT_MS), 1);
        got = recv(fd, text + length, sizeof text - 1 - length, 0);
        assert_true(got >= 0);
        length += (size_t)got;
    } while (got > 0);
    assert_null(end);
    return text;
}

static void assert_answer(const char *text, const char *status, const char *body, bool closes)
{
    const char *said_at = strstr(text, "Connection: close");
    const char *head_end = strstr(text, "\r\n\r\n");
    bool said = said_at != NULL && said_at < head_end;
    if (head_end == NULL || strncmp(text, status, strlen(status)) != 0 ||
        strstr(text, body) == NULL || said != closes)
        fail_msg("not %s with %s: %s", status, body, text);
}

static void await_drained(const struct stage *stage)
{
    int64_t until_ms = clock_ms() + DRAIN_GRACE_MS + WAIT_MS;
    while (!server_is_drained(stage->server) && clock_ms() < until_ms)
        clock_rest(1);
    assert_true(server_is_drained(stage->server));
}

static void await_handled(struct stage *stage, int count)
{
    int64_t until_ms = clock_ms() + WAIT_MS;
    while (atomic_load(&stage->handled) < count && clock_ms() < until_ms)
        clock_rest(1);
    assert_int_equal(atomic_load(&stage->handled), count);
}

static void release(struct stage *stage)
{
    server_finish(atomic_exchange(&stage->asleep, NULL));
}

/* Who comes while it leaves is served; who comes later is refused, and never half served. */
static void test_new_connections(void **state)
{
    struct stage stage;
    (void)state;
    start(&stage);
    int before = connect_to(&stage);
    ask(before, "/");
    assert_answer(hear(before, "well"), "HTTP/1.1 200", "well", false);
    server_drain(stage.server);
    clock_rest(100); /* it has heard that */
    ask(before, "/");
    assert_answer(hear(before, NULL), "HTTP/1.1 200", "well", true);
    int served = 0;
    for (;;) {
        int fd = connect_within(&stage, 50);
        if (fd < 0)
            break;
        ask(fd, "/");
        assert_answer(hear(fd, NULL), "HTTP/1.1 200", "well", true);
        (void)close(fd);
        served++;
    }
    assert_true(served > 0);
    await_drained(&stage);
    assert_int_equal(atomic_load(&stage.handled), served + 2);
    assert_int_equal(connect_within(&stage, WAIT_MS), -1);
    assert_int_equal(errno, ECONNREFUSED);
    (void)close(before);
    server_free(stage.server);
}

/* An idle connection hears 503 and its end; a request that crosses that has its answer. */
static void test_idle_connections(void **state)
{
    struct stage stage;
    (void)state;
    start(&stage);
    int fds[] = {connect_to(&stage), connect_to(&stage), connect_to(&stage)};
    ask(fds[0], "/");
    (void)hear(fds[0], "well");
    say(fds[1], "POST / HTTP/1.1\r\nHo");
    server_drain(stage.server);
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++)
        assert_answer(hear(fds[i], "\r\n\r\n"), "HTTP/1.1 503", "Retry-After", true);
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
        if (i == 2)
            ask(fds[i], "/"); /* it was under way, as it were */
        assert_string_equal(hear(fds[i], NULL), "");
        (void)close(fds[i]);
    }
    await_drained(&stage);
    assert_int_equal(atomic_load(&stage.handled), 1);
    server_free(stage.server);
}

/* What sleeps is answered, however long after the listening socket was closed. */
static void test_sleeping_request(void **state)
{
    struct stage stage;
    (void)state;
    start(&stage);
    int fd = connect_to(&stage);
    ask(fd, "/sleep");
    await_handled(&stage, 1);
    server_drain(stage.server);
    int64_t until_ms = clock_ms() + DRAIN_GRACE_MS + WAIT_MS;
    int other = 0;
    while ((other = connect_within(&stage, 100)) >= 0 || errno != ECONNREFUSED) {
        (void)close(other);
        assert_true(clock_ms() < until_ms);
        clock_rest(1);
    }
    assert_false(server_is_drained(stage.server));
    release(&stage);
    assert_answer(hear(fd, NULL), "HTTP/1.1 200", "slept", true);
    await_drained(&stage);
    (void)close(fd);
    server_free(stage.server);
}

/* At the deadline: what is not whole hears 503, what was just finished is answered. */
static void test_deadline(void **state)
{
    struct stage stage;
    (void)state;
    start(&stage);
    int half = connect_to(&stage);
    int asleep = connect_to(&stage);
    say(half, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n{");
    ask(asleep, "/sleep");
    await_handled(&stage, 1);
    server_drain(stage.server);
    release(&stage);
    server_free(stage.server);
    assert_answer(hear(half, NULL), "HTTP/1.1 503", "Retry-After", true);
    assert_int_equal(strncmp(hear(asleep, NULL), "HTTP/1.1 200", 12), 0);
    (void)close(half);
    (void)close(asleep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaving),          cmocka_unit_test(test_closing),
        cmocka_unit_test(test_new_connections),  cmocka_unit_test(test_idle_connections),
        cmocka_unit_test(test_sleeping_request), cmocka_unit_test(test_deadline),
    };
    return cmocka_run_group_tests_name("drain", tests, NULL, NULL);
}
