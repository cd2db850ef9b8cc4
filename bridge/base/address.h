/* IP addresses and networks of them. Pure; any thread. */
#ifndef BRIDGE_BASE_ADDRESS_H
#define BRIDGE_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "bridge/base/attributes.h"

/* IPv6; an IPv4 address as in RFC 4291, section 2.5.5.2. */
struct address {
    unsigned char bytes[16];
};

struct network {
    struct address address;
    int bits;
};

bool address_is_v4(const struct address *address) MUST_CHECK;

/* An address with or without a port: "192.0.2.1", "192.0.2.1:80", "2001:db8::1",
 * "[2001:db8::1]:80". */
bool address_read(const char *text, size_t length, struct address *address) MUST_CHECK;

/* The address of a socket; all zero when it is neither IPv4 nor IPv6. */
struct address address_of_socket(const struct sockaddr *address);

/* "10.0.0.0/8", "2001:db8::/32", or an address alone. False when it is neither, or has bits behind
 * the network's. */
bool network_read(const char *text, struct network *network) MUST_CHECK;

bool network_holds(const struct address *address, const struct network *network) MUST_CHECK;

#endif
