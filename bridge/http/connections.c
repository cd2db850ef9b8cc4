#include "bridge/http/connections.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "bridge/base/clock.h"
#include "bridge/base/memory.h"

#define LINGER_MS 1000 /* a connection that was told is read for so long */

static const char farewell[] = "HTTP/1.1 503 Service Unavailable\r\n"
                               "Connection: close\r\n"
                               "Retry-After: 1\r\n"
                               "Content-Length: 0\r\n"
                               "\r\n";
static const char too_slow[] = "HTTP/1.1 408 Request Timeout\r\n"
                               "Connection: close\r\n"
                               "Content-Length: 0\r\n"
                               "\r\n";

struct connection *connections_add(struct connections *connections, int fd, int64_t now_ms)
{
    struct connection *connection = memory_new(1, sizeof *connection);
    connection->fd = fd;
    connection->since_ms = now_ms;
    connection->was_asked = true; /* nothing had come */
    connection->next = connections->first;
    if (connection->next != NULL)
        connection->next->previous = connection;
    connections->first = connection;
    connections->count++;
    connections->came_ms = now_ms;
    return connection;
}

void connections_remove(struct connections *connections, struct connection *connection)
{
    if (connection->previous == NULL)
        connections->first = connection->next;
    else
        connection->previous->next = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    connections->count--;
    free(connection);
}

static void enter_phase(struct connection *connection, enum connection_phase phase, int64_t now_ms)
{
    connection->phase = phase;
    connection->since_ms = now_ms;
    connection->head_began_ms = 0;
}

void connection_reads(struct connection *connection, int64_t now_ms)
{
    enter_phase(connection, CONNECTION_READING, now_ms);
}

void connection_rests(struct connection *connection, int64_t now_ms)
{
    enter_phase(connection, CONNECTION_IDLE, now_ms);
    connection->was_asked = false;
}

void connection_cut(struct connection *connection)
{
    (void)shutdown(connection->fd, SHUT_RDWR);
}

/* Nothing is in the way: what was answered before is with the kernel, which has room. */
static void tell(const struct connections *connections, struct connection *connection,
                 const char *text, size_t length, int64_t now_ms)
{
    if (!connections->encrypted)
        (void)send(connection->fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(connection->fd, SHUT_WR);
    enter_phase(connection, CONNECTION_TOLD, now_ms);
}

void connections_farewell(struct connections *connections, bool all)
{
    for (struct connection *one = connections->first; one != NULL; one = one->next) {
        if (connections->encrypted || one->phase > (all ? CONNECTION_READING : CONNECTION_IDLE))
            continue;
        tell(connections, one, farewell, sizeof farewell - 1, clock_ms());
    }
}

/* All of its time while half of the room is free, then less and less, down to a second. */
static int64_t idle_time(const struct connections *connections,
                         const struct connection_times *times)
{
    size_t half = times->most / 2;
    if (connections->count <= half || half == 0)
        return times->idle_ms;
    double free_share = 1 - (double)(connections->count - half) / (double)half;
    double allowed = (double)times->idle_ms * free_share * free_share;
    return allowed < LINGER_MS ? LINGER_MS : (int64_t)allowed;
}

/* Has a byte of the next head come? The kernel tells how many came, of which the server may have
 * read a part, and when the last did. */
static void look_for_head(struct connection *connection, int64_t now_ms)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    (void)getsockopt(connection->fd, IPPROTO_TCP, TCP_INFO, &info, &length);
    int64_t came_ms = now_ms - info.tcpi_last_data_recv;
    bool came = connection->was_asked ? info.tcpi_bytes_received > connection->received
                                      : came_ms > connection->since_ms + CONNECTION_NEAR_MS;
    if (came)
        connection->head_began_ms = connection->was_asked ? now_ms : came_ms;
    if (!connection->was_asked)
        connection->received = info.tcpi_bytes_received;
    connection->was_asked = true;
}

/* True when its head has begun and takes too long. */
static bool is_slow_head(struct connection *connection, const struct connection_times *times)
{
    if (connection->head_began_ms == 0)
        look_for_head(connection, times->now_ms);
    return connection->head_began_ms > 0 &&
           times->now_ms - connection->head_began_ms >= times->head_ms;
}

size_t connections_sweep(struct connections *connections, const struct connection_times *times)
{
    int64_t idle_ms = idle_time(connections, times);
    size_t slow = 0;
    for (struct connection *one = connections->first; one != NULL; one = one->next) {
        int64_t lasts_ms = times->now_ms - one->since_ms;
        bool is_slow = (one->phase == CONNECTION_READING && lasts_ms >= times->body_ms) ||
                       (one->phase == CONNECTION_IDLE && is_slow_head(one, times));
        if (is_slow)
            tell(connections, one, too_slow, sizeof too_slow - 1, times->now_ms);
        else if (one->phase == CONNECTION_IDLE && one->head_began_ms == 0 && lasts_ms >= idle_ms)
            tell(connections, one, farewell, sizeof farewell - 1, times->now_ms);
        else if (one->phase == CONNECTION_TOLD && lasts_ms >= LINGER_MS)
            connection_cut(one);
        slow += is_slow;
    }
    return slow;
}
