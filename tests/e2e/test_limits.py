"""Each limit of the receiver, and that an honest sender is served while others use up what they may."""

import json
import socket
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from harness.bridge import SIGNATURE_HEADER, sign
from harness.raw import ask, post, statuses
from harness.simulator import SECRET
from harness.wait import wait_until

pytestmark = pytest.mark.alone

MODELS = ["residents"]
KIB = 1024


def event(padding=0):
    diff = {"new": {"first_name": "Mary"}, "previous": {"first_name": "S" * padding}}
    data = {"event": "DATA_UPDATE", "object": "residents", "record_id": "r-1", "integration_id": "i", "diff": diff}
    return json.dumps({"trigger": "DATA_UPDATE", "data": data}).encode()


def honest(*headers, body=None, last=True, path="/webhooks"):
    body = body or event()
    return post(body, f"{SIGNATURE_HEADER}: {sign(body, SECRET)}", *headers, last=last, path=path)


def port_of(receiver):
    return urlsplit(receiver.receiver_url()).port


@pytest.fixture
def receive(bridge, kafka):
    return lambda config: bridge("receive", {"bridge.models": MODELS} | config)


def test_sizes(receive):
    """Body, head, headers, target: at the limit served, beyond it refused; the next request is served as before."""
    config = {"receiver.max_body": "8 KiB", "receiver.max_head": "4 KiB", "receiver.max_headers": 12}
    receiver = receive(config | {"receiver.max_target": 600})
    port = port_of(receiver)
    frame = len(event())
    assert ask(port, honest(body=event(8 * KIB - frame)))[0] == [200]
    # The connection stays: what is too long was read to its end.
    assert ask(port, honest(body=event(8 * KIB - frame + 1), last=False) + honest())[0] == [413, 200]
    assert ask(port, post(b"", "Content-Length: 99999999999", length=False))[0] == [413]
    assert ask(port, honest(f"x: {'y' * 3000}"))[0] == [200]
    found, ended, _ = ask(port, honest(f"x: {'y' * 5000}"))
    assert found == [431] and ended
    assert ask(port, honest(*[f"x-{n}: y" for n in range(8)]))[0] == [200]
    found, ended, _ = ask(port, honest(*[f"x-{n}: y" for n in range(10)], last=False))
    assert found == [431] and ended
    assert ask(port, honest(path="/webhooks?" + "x" * 590))[0] == [200]
    found, ended, _ = ask(port, honest(path="/webhooks?" + "x" * 591, last=False))
    assert found == [414] and ended
    assert ask(port, honest())[0] == [200]
    metrics = receiver.metrics()
    assert metrics.sum("bridge_http_refused_total", reason="body") == 1
    assert metrics.sum("bridge_http_refused_total", reason="head") == 4


def test_all_bodies_together(receive):
    """Half-sent bodies beyond max_buffered are told to come again; when the others have gone there is room."""
    receiver = receive({"receiver.max_buffered": "1 MiB", "receiver.body_timeout_ms": 3000})
    port = port_of(receiver)
    body = event(400 * KIB)
    with ExitStack() as stack:
        for _ in range(4):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            connection.sendall(honest(body=body)[: 300 * KIB])
        time.sleep(0.5)
        found, _, answer = ask(port, honest(body=body))
        assert found == [503] and b"retry-after: 1" in answer.lower()
    wait_until(lambda: ask(port, honest(body=body))[0] == [200], 10, "room")
    assert receiver.metrics().sum("bridge_http_refused_total", reason="room") >= 1


def drip(port, data, *, every=0.2, seconds=10):
    """One byte after the other; (seconds until the other side has closed, what it said)."""
    begun = time.monotonic()
    said = b""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(every)
        for number in range(len(data)):
            try:
                connection.sendall(data[number : number + 1])
                chunk = connection.recv(1000)
                said += chunk
                if not chunk:
                    break
            except TimeoutError:
                pass
            except OSError:
                break
            if time.monotonic() - begun > seconds:
                break
    return time.monotonic() - begun, said


def test_slow_senders(receive):
    receiver = receive({"receiver.head_timeout_ms": 1000, "receiver.body_timeout_ms": 2000, "receiver.idle_timeout_ms": 4000})
    port = port_of(receiver)
    request = honest()
    head = request.index(b"\r\n\r\n") + 4
    took, said = drip(port, request)
    assert statuses(said) == [408] and 0.9 < took < 3
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request[: head + 10])
        begun = time.monotonic()
        connection.settimeout(10)
        said = connection.recv(1000)
        assert statuses(said) == [408] and 1.9 < time.monotonic() - begun < 4
    assert receiver.metrics().sum("bridge_http_slow_total") == 2
    # The second head of a connection is timed as the first one is, and not from the first one's beginning.
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(10)
        connection.sendall(honest(last=False))
        assert statuses(connection.recv(1000)) == [200]
        time.sleep(2)  # longer than a head may take
        connection.sendall(honest(last=False))
        assert statuses(connection.recv(1000)) == [200]
        begun = time.monotonic()
        assert statuses(connection.recv(1000)) == [503]  # idle: told that it ends, so that a crossing request is known to be lost
        assert 3.5 < time.monotonic() - begun < 7
        assert connection.recv(1000) == b""


def test_connections_of_an_address(receive):
    receiver = receive({"receiver.max_connections_per_address": 5})
    port = port_of(receiver)
    with ExitStack() as stack:
        for _ in range(5):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            connection.sendall(honest(last=False))
            assert statuses(connection.recv(1000)) == [200]
        found, ended, _ = ask(port, honest())
        assert found == [] and ended
        assert receiver.metrics().sum("bridge_http_connections_refused_total") == 1
    wait_until(lambda: ask(port, honest())[0] == [200], 5, "room")
    trusting = receive({"receiver.max_connections_per_address": 5, "receiver.trusted_proxies": "127.0.0.0/8"})
    with ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port_of(trusting)), timeout=5))
            connection.sendall(honest(last=False))
            assert statuses(connection.recv(1000)) == [200]


def test_requests_of_an_address(receive):
    """Of whom a trusted proxy speaks for; who is not trusted speaks for itself alone."""
    config = {"receiver.requests_per_second": 2}

    def burst(receiver, *headers):
        return [ask(port_of(receiver), honest(*headers)) for _ in range(4)]

    plain = receive(config)
    found = [status for status, _, _ in burst(plain, "X-Forwarded-For: 192.0.2.1")]
    assert found.count([429]) >= 1 and found[:2] == [[200], [200]]
    # One after the other, each for another one: as many as no slow machine takes seconds for.
    found = [ask(port_of(plain), honest(f"X-Forwarded-For: 192.0.2.{number}"))[0] for number in range(2, 14)]
    assert [429] in found
    trusting = receive(config | {"receiver.trusted_proxies": "127.0.0.1, 10.0.0.0/8"})
    answers = burst(trusting, "X-Forwarded-For: 192.0.2.1, 10.1.1.1")
    limited = [answer for status, _, answer in answers if status == [429]]
    assert limited and all(b"retry-after: 1\r\n" in answer.lower() for answer in limited)
    assert ask(port_of(trusting), honest("X-Forwarded-For: 192.0.2.2"))[0] == [200]
    time.sleep(1.1)
    assert ask(port_of(trusting), honest("X-Forwarded-For: 192.0.2.1"))[0] == [200]
    assert trusting.metrics().sum("bridge_http_refused_total", reason="rate") == len(limited)


def test_a_full_house(receive):
    """Those who are idle go when it is full; an honest one is served within seconds, without a restart."""
    receiver = receive({"receiver.max_connections": 100, "receiver.max_connections_per_address": 0})
    port = port_of(receiver)
    with ExitStack() as stack:
        for _ in range(140):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        begun = time.monotonic()
        found, _, _ = ask(port, honest(), seconds=20)
        assert found == [200] and time.monotonic() - begun < 10
    assert receiver.running


def rss_anon(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * KIB for line in file if line.startswith("RssAnon"))


@pytest.mark.long
def test_five_thousand_idle_and_slow_ones(receive):
    """An honest client's p99 stays under 50 ms beside 5,000 idle connections, 500 slow heads and 500 slow bodies."""
    receiver = receive({"receiver.max_connections_per_address": 0})
    port = port_of(receiver)
    request = honest(last=False)
    head = request.index(b"\r\n\r\n") + 4
    for _ in range(50):
        assert ask(port, honest())[0] == [200]
    with ExitStack() as stack:
        for _ in range(5000):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10)) for _ in range(1000)]
        for number, connection in enumerate(slow):
            connection.sendall(request[: 20 if number % 2 else head + 10])
        took = []
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            until = time.monotonic() + 20
            while time.monotonic() < until:
                for connection in slow[len(took) % 10 :: 10]:
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        pass
                begun = time.monotonic()
                client.sendall(request)
                assert statuses(client.recv(1000)) == [200]
                took.append(time.monotonic() - begun)
                time.sleep(0.01)
        took.sort()
        p99 = took[len(took) * 99 // 100]
        memory = rss_anon(receiver.pid)
        print(f"{len(took)} requests, p50 {took[len(took) // 2] * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms, {memory / KIB / KIB:.1f} MiB")
        assert p99 < 0.05
        assert memory < 6000 * 18 * KIB + 64 * KIB * KIB
