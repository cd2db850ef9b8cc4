/*
 * Who is at the other end: the addresses that connections come from, how many each has, how many
 * requests a second each may send, and which of them are proxies whose word is taken for whom they
 * speak for.
 *
 * An address is an IPv4 address, or the first 64 bits of an IPv6 address, since that much is given
 * to one customer. Of a trusted proxy's X-Forwarded-For the last address that is not itself a
 * trusted proxy counts: what stands before it is the client's own word. A header that cannot be
 * read names nobody, and then the proxy's address counts.
 *
 * Memory is bounded: PEERS_MOST addresses are known at once. One whose second is over and that has
 * no connection is forgotten; when none is, strangers share one count, so that an attacker with
 * many addresses hurts strangers and not those who are known.
 *
 * No I/O; one thread.
 */
#ifndef BRIDGE_HTTP_PEERS_H
#define BRIDGE_HTTP_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/address.h"
#include "bridge/base/attributes.h"
#include "bridge/base/table.h"

#define PEERS_MOST 65536

struct peer;

struct peers {
    const struct network *trusted; /* the owner's */
    size_t trusted_count;
    size_t max_connections; /* of one address; 0: as many as there are */
    double rate;            /* requests a second of one address; 0: as many as it likes */
    struct table known;
    struct peer *strangers; /* when no more can be known */
    int64_t swept_ms;
};

bool peers_trust(const struct peers *peers, const struct address *address) MUST_CHECK;

/* Whom a request comes from: `address`, or whom that trusted proxy says with `forwarded`, the value
 * of its one X-Forwarded-For (NULL: none). */
struct address peers_client(const struct peers *peers, const struct address *address,
                            const char *forwarded);

/* A connection has begun: when true it is counted with `*peer`, for peers_leave. False when its
 * address has max_connections already and is no trusted proxy. */
bool peers_enter(struct peers *peers, const struct address *address, int64_t now_ms,
                 struct peer **peer) MUST_CHECK;

/* A connection that was counted has ended. NULL is allowed. */
void peers_leave(struct peer *peer);

/* A request: 0 when it may be served, else after how many whole seconds the address may send the
 * next one, at least 1. As many as a second allows may come at once. */
int peers_wait_s(struct peers *peers, const struct address *address, int64_t now_ms) MUST_CHECK;

void peers_free(struct peers *peers);

#endif
