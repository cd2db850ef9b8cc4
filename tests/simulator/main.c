/* propexo-sim: a Propexo that answers like the documented one. See README.md. */

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tests/simulator/changes.h"
#include "tests/simulator/clock.h"
#include "tests/simulator/control.h"
#include "tests/simulator/delays.h"
#include "tests/simulator/diffs.h"
#include "tests/simulator/http_api.h"
#include "tests/simulator/log.h"
#include "tests/simulator/options.h"
#include "tests/simulator/server.h"
#include "tests/simulator/store.h"
#include "tests/simulator/subscriptions.h"
#include "tests/simulator/webhooks.h"

#define WAIT_MAX_MS 60000

enum { WAKE_SERVER, WAKE_WEBHOOKS, WAKE_SIGNAL, WAKES };

static int wait_ms(int64_t next, int64_t now)
{
    if (next <= now)
        return 0;
    return next - now < WAIT_MAX_MS ? (int)(next - now) : WAIT_MAX_MS;
}

/* Until SIGTERM or SIGINT. */
static void run(struct server *server, const struct control *control, int signal_fd)
{
    struct pollfd wakes[WAKES] = {
        [WAKE_SERVER] = {.fd = server_fd(server), .events = POLLIN},
        [WAKE_WEBHOOKS] = {.fd = webhooks_fd(control->webhooks), .events = POLLIN},
        [WAKE_SIGNAL] = {.fd = signal_fd, .events = POLLIN}};
    while (true) {
        int64_t now = clock_monotonic();
        server_run(server, now);
        int64_t next = changes_run(control->changes, now);
        int64_t server_due = server_next(server, now);
        if (server_due < next)
            next = server_due;
        if (poll(wakes, WAKES, wait_ms(next, clock_monotonic())) < 0 && errno != EINTR)
            return;
        eventfd_t ended;
        if (wakes[WAKE_WEBHOOKS].revents != 0)
            eventfd_read(wakes[WAKE_WEBHOOKS].fd, &ended);
        if (wakes[WAKE_SIGNAL].revents != 0)
            return;
    }
}

/* Signals are read, not handled; no thread may be interrupted by them. */
static int block_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int simulate(const struct options *options, int signal_fd)
{
    int exit_code = EXIT_AWAY;
    struct control control = {.store = store_create(options),
                              .diffs = diffs_create(options->seed),
                              .subscriptions = subscriptions_create(options->seed),
                              .minute_ms = options->minute_ms};
    control.webhooks = webhooks_create(options);
    control.api = http_api_create(control.store, control.diffs, control.subscriptions, options,
                                  clock_monotonic());
    struct server *server = NULL;
    const char *problem;
    if (!http_api_set_faults(control.api, options->fault, &problem)) {
        log_line("error", "bad_fault", "message=\"%s\"", problem);
        exit_code = EXIT_USAGE;
    } else if (control.webhooks != NULL) {
        control.changes = changes_create(control.store, control.webhooks, control.diffs, options);
        server = server_create(options, &control);
    }
    if (server != NULL) {
        log_line("info", "ready", "listen=%s", server_address(server));
        run(server, &control, signal_fd);
        exit_code = EXIT_SUCCESS;
    }
    server_destroy(server);
    changes_destroy(control.changes);
    webhooks_destroy(control.webhooks);
    http_api_destroy(control.api);
    subscriptions_destroy(control.subscriptions);
    diffs_destroy(control.diffs);
    store_destroy(control.store);
    return exit_code;
}

int main(int argc, char **argv)
{
    struct options options;
    enum options_verdict verdict = options_parse(argc, argv, &options);
    if (verdict != OPTIONS_RUN)
        return verdict == OPTIONS_HELP ? EXIT_SUCCESS : EXIT_USAGE;
    int signal_fd = block_signals();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int exit_code = simulate(&options, signal_fd);
    curl_global_cleanup();
    close(signal_fd);
    return exit_code;
}
