#include "bridge/http/listen.h"

#include <errno.h>
#include <linux/filter.h>
#include <netdb.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024

#define FLAGS_PLACE 13 /* of the flags in a TCP header (RFC 9293, section 3.1) */
#define FLAG_SYN    0x02

/* "[::1]:80" -> "::1", "80". */
static bool split(const char *address, char host[LISTEN_ADDRESS_SIZE], const char **port)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL || (size_t)(colon - address) >= LISTEN_ADDRESS_SIZE)
        return false;
    size_t length = (size_t)(colon - address);
    if (length >= 2 && address[0] == '[' && address[length - 1] == ']') {
        address++;
        length -= 2;
    }
    memcpy(host, address, length);
    host[length] = '\0';
    *port = colon + 1;
    return true;
}

static int open_one(const struct addrinfo *info)
{
    int yes = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int reason = errno;
    (void)close(fd);
    errno = reason;
    return -1;
}

static void name_bound(int fd, char bound[LISTEN_ADDRESS_SIZE])
{
    struct sockaddr_storage storage;
    struct sockaddr *address = (struct sockaddr *)&storage;
    socklen_t size = sizeof storage;
    char host[64] = "?";
    char port[16] = "0";
    if (getsockname(fd, address, &size) == 0)
        (void)getnameinfo(address, size, host, sizeof host, port, sizeof port,
                          NI_NUMERICHOST | NI_NUMERICSERV);

    (void)snprintf(bound, LISTEN_ADDRESS_SIZE, strchr(host, ':') == NULL ? "%s:%s" : "[%s]:%s",
                   host, port);
}

int listen_open(const char *address, char bound[LISTEN_ADDRESS_SIZE], struct error *error)
{
    char host[LISTEN_ADDRESS_SIZE];
    const char *port = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    if (!split(address, host, &port)) {
        error_set(error, VERDICT_CONFIGURATION, "%s is not host:port", address);
        return -1;
    }
    int code = getaddrinfo(*host == '\0' ? NULL : host, port, &hints, &found);
    if (code != 0) {
        error_set(error, VERDICT_CONFIGURATION, "cannot listen on %s: %s", address,
                  gai_strerror(code));
        return -1;
    }
    int fd = -1;
    for (const struct addrinfo *info = found; info != NULL && fd < 0; info = info->ai_next)
        fd = open_one(info);
    if (fd < 0)
        error_set(error, VERDICT_CONFIGURATION, "cannot listen on %s: %s", address,
                  strerrordesc_np(errno));
    else
        name_bound(fd, bound);
    freeaddrinfo(found);
    return fd;
}

void listen_refuse(int fd)
{
    /* The filter of a TCP socket sees each packet from its TCP header on. */
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS_PLACE),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, FLAG_SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_fprog program = {ARRAY_LENGTH(code), code};
    (void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

bool listen_is_empty(int fd)
{
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    return poll(&waiting, 1, 0) <= 0;
}
