#include "tests/bench/bare_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
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

static void fit_files(void)
{
    struct rlimit files;
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

void bare_serve(unsigned flags, MHD_AccessHandlerCallback on_data,
                MHD_RequestCompletedCallback on_completed, void *context,
                const struct bare_also *also)
{
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigaction(SIGTERM, &action, NULL);
    fit_files();
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL | flags, 0, NULL, NULL, on_data, context, MHD_OPTION_LISTEN_SOCKET,
        listen_somewhere(), MHD_OPTION_NOTIFY_COMPLETED, on_completed, context,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_END);
    bare_demand(daemon != NULL, "libmicrohttpd");
    struct pollfd fds[] = {
        {.fd = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, .events = POLLIN},
        {.fd = also == NULL ? -1 : also->fd, .events = POLLIN}};
    while (!stop || (also != NULL && *also->open > 0)) {
        MHD_UNSIGNED_LONG_LONG timeout = 0;
        if (MHD_get_timeout(daemon, &timeout) != MHD_YES || timeout > LONGEST_WAIT_MS)
            timeout = LONGEST_WAIT_MS;
        (void)poll(fds, 2, (int)timeout);
        if (fds[1].revents != 0)
            also->serve(context);
        (void)MHD_run(daemon);
    }
    MHD_stop_daemon(daemon);
}
