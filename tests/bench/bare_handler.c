/*
 * A POST is read and answered 204, and nothing else is done with it: libmicrohttpd in a loop as the
 * bridge's. Prints where it listens and ends at SIGTERM.
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "tests/bench/bare.h"

#define CONNECTIONS     4096
#define LONGEST_WAIT_MS 1000

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static enum MHD_Result on_data(void *context, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *data,
                               size_t *size, void **seen)
{
    static const char mark;
    struct MHD_Response *answer = context;
    (void)url;
    (void)method;
    (void)version;
    (void)data;
    if (*seen == NULL || *size != 0) {
        *seen = (void *)(uintptr_t)&mark;
        *size = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_NO_CONTENT, answer);
}

static int listen_somewhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bare_demand(fd >= 0 && bind(fd, (struct sockaddr *)&address, length) == 0 &&
                    listen(fd, CONNECTIONS) == 0 &&
                    getsockname(fd, (struct sockaddr *)&address, &length) == 0,
                "listen");
    (void)printf("listen=127.0.0.1:%d\n", ntohs(address.sin_port));
    (void)fflush(stdout);
    return fd;
}

int main(void)
{
    struct rlimit files;
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigaction(SIGTERM, &action, NULL);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    struct MHD_Response *answer =
        MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL, 0, NULL, NULL, on_data, answer, MHD_OPTION_LISTEN_SOCKET, listen_somewhere(),
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_END);
    bare_demand(daemon != NULL, "libmicrohttpd");
    struct pollfd fd = {
        .fd = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
        .events = POLLIN,
    };
    while (!stop) {
        MHD_UNSIGNED_LONG_LONG timeout = 0;
        if (MHD_get_timeout(daemon, &timeout) != MHD_YES || timeout > LONGEST_WAIT_MS)
            timeout = LONGEST_WAIT_MS;
        (void)poll(&fd, 1, (int)timeout);
        (void)MHD_run(daemon);
    }
    MHD_stop_daemon(daemon);
    MHD_destroy_response(answer);
    return EXIT_SUCCESS;
}
