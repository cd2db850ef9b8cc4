#include "bridge/http/peers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"

#define V6_CUSTOMER 8 /* bytes */
#define SWEEP_MS    1000

struct peer {
    size_t connections;
    double allowance; /* requests that may come now */
    int64_t seen_ms;  /* when that was so */
};

bool peers_trust(const struct peers *peers, const struct address *address)
{
    for (size_t i = 0; i < peers->trusted_count; i++)
        if (network_holds(address, &peers->trusted[i]))
            return true;
    return false;
}

struct address peers_client(const struct peers *peers, const struct address *address,
                            const char *forwarded)
{
    if (forwarded == NULL || !peers_trust(peers, address))
        return *address;
    const char *end = forwarded + strlen(forwarded);
    while (end > forwarded) {
        const char *begin = end;
        while (begin > forwarded && begin[-1] != ',')
            begin--;
        const char *from = begin + strspn(begin, " \t");
        const char *to = end;
        while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
            to--;
        struct address found;
        if (from > to || !address_read(from, (size_t)(to - from), &found))
            return *address;
        if (!peers_trust(peers, &found))
            return found;
        end = begin > forwarded ? begin - 1 : begin;
    }
    return *address;
}

static size_t key_length(const struct address *address)
{
    return address_is_v4(address) ? sizeof address->bytes : V6_CUSTOMER;
}

static double allowance(const struct peers *peers, const struct peer *peer, int64_t now_ms)
{
    double grown = peer->allowance + peers->rate * (double)(now_ms - peer->seen_ms) / 1000;
    double most = fmax(peers->rate, 1);
    return grown > most ? most : grown;
}

static bool is_forgettable(const struct peers *peers, const struct peer *peer, int64_t now_ms)
{
    return peer->connections == 0 && allowance(peers, peer, now_ms) >= fmax(peers->rate, 1);
}

/* Once a second at most: an attacker decides when the table is full. */
static void sweep(struct peers *peers, int64_t now_ms)
{
    struct table kept = {0};
    struct table_slot *slot;
    size_t cursor = 0;
    if (now_ms - peers->swept_ms < SWEEP_MS)
        return;
    peers->swept_ms = now_ms;
    while ((slot = table_next(&peers->known, &cursor)) != NULL) {
        if (is_forgettable(peers, slot->value, now_ms))
            free(slot->value);
        else
            (void)table_put(&kept, slot->key, slot->length, slot->value);
    }
    table_free(&peers->known);
    peers->known = kept;
}

static struct peer *peer_new(const struct peers *peers, int64_t now_ms)
{
    struct peer *peer = memory_new(1, sizeof *peer);
    peer->allowance = fmax(peers->rate, 1);
    peer->seen_ms = now_ms;
    return peer;
}

static struct peer *know(struct peers *peers, const struct address *address, int64_t now_ms)
{
    size_t length = key_length(address);
    struct peer *peer = table_get(&peers->known, address->bytes, length);
    if (peer != NULL)
        return peer;
    if (peers->known.count >= PEERS_MOST)
        sweep(peers, now_ms);
    if (peers->known.count >= PEERS_MOST) {
        if (peers->strangers == NULL)
            peers->strangers = peer_new(peers, now_ms);
        return peers->strangers;
    }
    peer = peer_new(peers, now_ms);
    (void)table_put(&peers->known, address->bytes, length, peer);
    return peer;
}

bool peers_enter(struct peers *peers, const struct address *address, int64_t now_ms,
                 struct peer **peer)
{
    *peer = NULL;
    if (peers->max_connections == 0 || peers_trust(peers, address))
        return true;
    struct peer *known = know(peers, address, now_ms);
    if (known->connections >= peers->max_connections)
        return false;
    known->connections++;
    *peer = known;
    return true;
}

void peers_leave(struct peer *peer)
{
    if (peer != NULL)
        peer->connections--;
}

int peers_wait_s(struct peers *peers, const struct address *address, int64_t now_ms)
{
    if (peers->rate <= 0)
        return 0;
    struct peer *peer = know(peers, address, now_ms);
    peer->allowance = allowance(peers, peer, now_ms);
    peer->seen_ms = now_ms;
    if (peer->allowance >= 1) {
        peer->allowance -= 1;
        return 0;
    }
    return (int)fmin(3600, fmax(1, ceil((1 - peer->allowance) / peers->rate)));
}

void peers_free(struct peers *peers)
{
    struct table_slot *slot;
    size_t cursor = 0;
    while ((slot = table_next(&peers->known, &cursor)) != NULL)
        free(slot->value);
    table_free(&peers->known);
    free(peers->strangers);
    peers->strangers = NULL;
}
