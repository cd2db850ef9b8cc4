/* Addresses: networks, whom a proxy speaks for, connections and requests of each. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "bridge/base/memory.h"
#include "bridge/http/peers.h"

static struct address address_of(const char *text)
{
    struct network network;
    if (!network_read(text, &network))
        fail_msg("%s", text);
    return network.address;
}

static void test_networks(void **state)
{
    static const struct {
        const char *text;
        int bits; /* -1: refused */
    } rows[] = {
        {"10.0.0.0/8", 104},
        {"10.1.2.3", 128},
        {"0.0.0.0/0", 96},
        {"192.0.2.4/30", 126},
        {"2001:db8::/32", 32},
        {"::1", 128},
        {"::/0", 0},
        {"::ffff:10.0.0.0/104", 104},
        {"10.1.0.0/8", -1},
        {"192.0.2.5/30", -1},
        {"2001:db8::1/32", -1},
        {"10.0.0.0/33", -1},
        {"10.0.0.0/", -1},
        {"10.0.0.0/-1", -1},
        {"10.0.0.0/8 ", -1},
        {"10.0.0.0/0x8", -1},
        {"10.0.0/8", -1},
        {"", -1},
        {"/8", -1},
        {"localhost", -1},
        {"::/129", -1},
        {"10.0.0.256", -1},
        {"1.2.3.4.5", -1},
        {"::1::", -1},
        {"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", -1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct network network;
        bool ok = network_read(rows[i].text, &network);
        if (ok != (rows[i].bits >= 0) || (ok && network.bits != rows[i].bits))
            fail_msg("%s", rows[i].text);
    }
}

static void test_sockets(void **state)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct address wanted = address_of("192.0.2.7");
    (void)state;
    assert_int_equal(inet_pton(AF_INET, "192.0.2.7", &v4.sin_addr), 1);
    assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.7", &v6.sin6_addr), 1);
    struct address found = address_of_socket((struct sockaddr *)&v4);
    assert_memory_equal(&found, &wanted, sizeof found);
    found = address_of_socket((struct sockaddr *)&v6);
    assert_memory_equal(&found, &wanted, sizeof found);
}

static void test_proxies(void **state)
{
    static const struct {
        const char *peer;
        const char *forwarded;
        const char *client;
    } rows[] = {
        {"10.1.1.1", "192.0.2.1", "192.0.2.1"},
        {"10.1.1.1", NULL, "10.1.1.1"},
        {"10.1.1.1", "", "10.1.1.1"},
        {"203.0.113.9", "192.0.2.1", "203.0.113.9"}, /* nobody trusts that one's word */
        {"10.1.1.1", "198.51.100.1, 192.0.2.1", "192.0.2.1"},
        {"10.1.1.1", "192.0.2.1, 10.2.2.2", "192.0.2.1"},
        {"10.1.1.1", "192.0.2.1,10.2.2.2 , fd00::1", "192.0.2.1"},
        {"fd00::1", "192.0.2.1:4711", "192.0.2.1"},
        {"fd00::1", "2001:db8::7", "2001:db8::7"},
        {"fd00::1", "[2001:db8::7]:4711", "2001:db8::7"},
        {"fd00::1", "[2001:db8::7]", "2001:db8::7"},
        {"10.1.1.1", "192.0.2.1, nonsense", "10.1.1.1"},
        {"10.1.1.1", "nonsense, 192.0.2.1", "192.0.2.1"},
        {"10.1.1.1", "192.0.2.1,", "10.1.1.1"},
        {"10.1.1.1", "192.0.2.1, ,10.2.2.2", "10.1.1.1"},
        {"10.1.1.1", "10.2.2.2, 10.3.3.3", "10.1.1.1"},
        {"10.1.1.1", "[192.0.2.1", "10.1.1.1"},
        {"10.1.1.1", "[]", "10.1.1.1"},
        {"10.1.1.1", "unknown", "10.1.1.1"},
    };
    struct network trusted[2];
    (void)state;
    assert_true(network_read("10.0.0.0/8", &trusted[0]));
    assert_true(network_read("fd00::/8", &trusted[1]));
    struct peers peers = {.trusted = trusted, .trusted_count = 2};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct address peer = address_of(rows[i].peer);
        struct address wanted = address_of(rows[i].client);
        struct address found = peers_client(&peers, &peer, rows[i].forwarded);
        if (memcmp(&found, &wanted, sizeof found) != 0)
            fail_msg("row %zu", i);
    }
}

static void test_connections(void **state)
{
    struct network trusted;
    (void)state;
    assert_true(network_read("10.0.0.0/8", &trusted));
    struct peers peers = {.trusted = &trusted, .trusted_count = 1, .max_connections = 2};
    struct address one = address_of("192.0.2.1");
    struct address other = address_of("192.0.2.2");
    struct address proxy = address_of("10.0.0.1");
    struct address six = address_of("2001:db8::1");
    struct address neighbour = address_of("2001:db8::ffff");
    struct peer *first;
    struct peer *peer;
    assert_true(peers_enter(&peers, &one, 0, &first));
    assert_true(peers_enter(&peers, &one, 0, &peer));
    assert_false(peers_enter(&peers, &one, 0, &peer));
    peers_leave(peer);
    assert_true(peers_enter(&peers, &other, 0, &peer));
    for (int i = 0; i < 10; i++)
        assert_true(peers_enter(&peers, &proxy, 0, &peer));
    peers_leave(first);
    assert_true(peers_enter(&peers, &one, 0, &peer));
    assert_false(peers_enter(&peers, &one, 0, &peer));
    /* One customer's. */
    assert_true(peers_enter(&peers, &six, 0, &peer));
    assert_true(peers_enter(&peers, &neighbour, 0, &peer));
    assert_false(peers_enter(&peers, &six, 0, &peer));
    peers_free(&peers);
}

static void test_rate(void **state)
{
    struct peers peers = {.rate = 4};
    struct address one = address_of("192.0.2.1");
    struct address other = address_of("192.0.2.2");
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(peers_wait_s(&peers, &one, 1000), 0);
    assert_int_equal(peers_wait_s(&peers, &one, 1000), 1);
    assert_int_equal(peers_wait_s(&peers, &other, 1000), 0);
    assert_int_equal(peers_wait_s(&peers, &one, 1249), 1);
    assert_int_equal(peers_wait_s(&peers, &one, 1250), 0);
    assert_int_equal(peers_wait_s(&peers, &one, 1250), 1);
    /* A pause saves up no more than a second's. */
    for (int i = 0; i < 4; i++)
        assert_int_equal(peers_wait_s(&peers, &one, 900000), 0);
    assert_int_equal(peers_wait_s(&peers, &one, 900000), 1);
    peers_free(&peers);

    struct peers slow = {.rate = 0.1};
    assert_int_equal(peers_wait_s(&slow, &one, 0), 0);
    assert_int_equal(peers_wait_s(&slow, &one, 0), 10);
    assert_int_equal(peers_wait_s(&slow, &one, 4000), 6);
    assert_int_equal(peers_wait_s(&slow, &one, 10000), 0);
    peers_free(&slow);

    struct peers none = {.rate = 0};
    for (int i = 0; i < 100; i++)
        assert_int_equal(peers_wait_s(&none, &one, 0), 0);
    peers_free(&none);
}

static struct address number(int number)
{
    char text[INET_ADDRSTRLEN];
    (void)snprintf(text, sizeof text, "172.%d.%d.%d", 16 + number / 65536, number / 256 % 256,
                   number % 256);
    return address_of(text);
}

/* With more addresses than are known at once, strangers share a count; who is known has its own,
 * and connections are never lost count of. */
static void test_many(void **state)
{
    struct peers peers = {.rate = 1, .max_connections = 1};
    struct address one = number(0);
    struct peer *connected;
    struct peer *peer;
    (void)state;
    assert_true(peers_enter(&peers, &one, 0, &connected));
    for (int i = 0; i < PEERS_MOST; i++) {
        struct address next = number(i);
        assert_int_equal(peers_wait_s(&peers, &next, 0), 0);
    }
    assert_int_equal(peers.known.count, PEERS_MOST);
    struct address first = number(PEERS_MOST);
    struct address second = number(PEERS_MOST + 1);
    assert_int_equal(peers_wait_s(&peers, &first, 100), 0);
    assert_int_equal(peers_wait_s(&peers, &second, 100), 1);
    assert_int_equal(peers.known.count, PEERS_MOST);
    assert_false(peers_enter(&peers, &one, 100, &peer));

    assert_int_equal(peers_wait_s(&peers, &second, 2000), 0);
    assert_int_equal(peers.known.count, 2); /* it, and the one with a connection */
    assert_false(peers_enter(&peers, &one, 2000, &peer));
    peers_leave(connected);
    assert_true(peers_enter(&peers, &one, 2000, &peer));
    peers_free(&peers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks), cmocka_unit_test(test_sockets),
        cmocka_unit_test(test_proxies),  cmocka_unit_test(test_connections),
        cmocka_unit_test(test_rate),     cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
