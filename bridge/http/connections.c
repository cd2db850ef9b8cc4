#include "bridge/http/connections.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "bridge/base/clock.h"
#include "bridge/base/memory.h"

static const char farewell[] = "HTTP/1.1 503 Service Unavailable\r\n"
                               "Connection: close\r\n"
                               "Retry-After: 1\r\n"
                               "Content-Length: 0\r\n"
                               "\r\n";

struct connection *connections_add(struct connections *connections, int fd)
{
    struct connection *connection = memory_new(1, sizeof *connection);
    connection->fd = fd;
    connection->next = connections->first;
    if (connection->next != NULL)
        connection->next->previous = connection;
    connections->first = connection;
    connections->count++;
    connections->came_ms = clock_ms();
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

void connections_farewell(struct connections *connections, bool all)
{
    for (struct connection *one = connections->first; one != NULL; one = one->next) {
        if (connections->encrypted || one->phase > (all ? CONNECTION_READING : CONNECTION_IDLE))
            continue;
        /* Nothing is in the way: what was answered before is with the kernel, which has room. */
        (void)send(one->fd, farewell, sizeof farewell - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)shutdown(one->fd, SHUT_WR);
        one->phase = CONNECTION_TOLD;
    }
}
