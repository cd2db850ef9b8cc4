#include "bridge/base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define V4_BITS 96 /* before an IPv4 address in the form of IPv6 */

static const unsigned char V4[12] = {[10] = 0xff, [11] = 0xff};

bool address_is_v4(const struct address *address)
{
    return memcmp(address->bytes, V4, sizeof V4) == 0;
}

static bool read_address(const char *text, struct address *address)
{
    memcpy(address->bytes, V4, sizeof V4);
    return inet_pton(AF_INET, text, address->bytes + sizeof V4) == 1 ||
           inet_pton(AF_INET6, text, address->bytes) == 1;
}

static bool bit(const struct address *address, int place)
{
    return (address->bytes[place / 8] & 0x80 >> place % 8) != 0;
}

static bool read_bits(const char *text, int most, int *bits)
{
    size_t length = strlen(text);
    if (length == 0 || length > 3 || strspn(text, "0123456789") != length)
        return false;
    *bits = (int)strtol(text, NULL, 10);
    return *bits <= most;
}

bool network_read(const char *text, struct network *network)
{
    char address[INET6_ADDRSTRLEN];
    size_t length = strcspn(text, "/");
    if (length >= sizeof address)
        return false;
    memcpy(address, text, length);
    address[length] = '\0';
    if (!read_address(address, &network->address))
        return false;
    int first = address_is_v4(&network->address) && strchr(address, ':') == NULL ? V4_BITS : 0;
    network->bits = 128 - first;
    if (text[length] == '/' && !read_bits(text + length + 1, 128 - first, &network->bits))
        return false;
    network->bits += first;
    for (int i = network->bits; i < 128; i++)
        if (bit(&network->address, i))
            return false;
    return true;
}

struct address address_of_socket(const struct sockaddr *address)
{
    struct address found = {{0}};
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        memcpy(found.bytes, V4, sizeof V4);
        memcpy(found.bytes + sizeof V4, &v4.sin_addr, sizeof v4.sin_addr);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        memcpy(found.bytes, &v6.sin6_addr, sizeof found.bytes);
    }
    return found;
}

bool network_holds(const struct address *address, const struct network *network)
{
    int whole = network->bits / 8;
    if (memcmp(address->bytes, network->address.bytes, (size_t)whole) != 0)
        return false;
    for (int i = whole * 8; i < network->bits; i++)
        if (bit(address, i) != bit(&network->address, i))
            return false;
    return true;
}

/* An item of the list, with or without a port: "192.0.2.1", "192.0.2.1:80", "2001:db8::1",
 * "[2001:db8::1]:80". */
bool address_read(const char *text, size_t length, struct address *address)
{
    char copy[INET6_ADDRSTRLEN + 1];
    if (length >= 2 && text[0] == '[') {
        const char *end = memchr(text, ']', length);
        if (end == NULL)
            return false;
        text++;
        length = (size_t)(end - text);
    } else {
        const char *colon = memchr(text, ':', length);
        size_t host = colon == NULL ? length : (size_t)(colon - text);
        if (colon != NULL && memchr(colon + 1, ':', length - host - 1) == NULL)
            length = host;
    }
    if (length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return read_address(copy, address);
}
