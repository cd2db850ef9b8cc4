"""The proxy that cuts, stalls and slows connections, and Kafka's doors for it."""

import contextlib
import socket
import socketserver
import threading
import time

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from harness.kafka import Kafka
from harness.tcp_proxy import TcpProxy
from harness.wait import wait_until


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        with contextlib.suppress(ConnectionError):
            while data := self.request.recv(65536):
                self.request.sendall(data)


@pytest.fixture
def proxy():
    with TcpProxy() as one:
        yield one


@pytest.fixture
def port(proxy):
    """The proxy's, before a server that sends back what it gets."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield proxy.add(server.server_address[1])
        server.shutdown()


def connect(port, timeout=10):
    return socket.create_connection(("127.0.0.1", port), timeout)


def echo(connection, text=b"hello"):
    connection.sendall(text)
    return receive(connection, len(text))


def receive(connection, length):
    found = b""
    while len(found) < length:
        data = connection.recv(65536)
        if not data:
            raise ConnectionResetError
        found += data
    return found


def test_all_passes(port):
    with connect(port) as one, connect(port) as other:
        text = bytes(range(256)) * 1000
        assert (echo(one, text), echo(other)) == (text, b"hello")
        one.shutdown(socket.SHUT_WR)
        assert one.recv(1) == b""


def test_a_cut_resets_and_refuses(proxy, port):
    with connect(port) as one:
        echo(one)
        proxy.cut()
        with pytest.raises(ConnectionError):
            echo(one)
        with pytest.raises(ConnectionRefusedError):
            connect(port)
        proxy.heal()
        with connect(port) as other:
            assert echo(other) == b"hello"
    assert proxy.connections == 2


def test_a_stall_holds_everything(proxy, port):
    with connect(port) as one:
        echo(one)
        proxy.stall()
        with connect(port) as other:
            for connection in (one, other):
                connection.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    echo(connection)
            proxy.heal()
            for connection in (one, other):
                connection.settimeout(10)
                assert connection.recv(5) == b"hello"


def test_a_delay_does_not_narrow_the_way(proxy, port):
    proxy.delay(100)
    with connect(port) as one:
        started = time.monotonic()
        echo(one)
        assert 0.2 <= time.monotonic() - started < 2
        started = time.monotonic()
        for _ in range(20):
            one.sendall(b"x" * 100)
            time.sleep(0.005)  # pieces of their own
        assert receive(one, 2000) == b"x" * 2000
        assert time.monotonic() - started < 2


def test_it_drips(proxy, port):
    with connect(port) as one:
        echo(one)
        proxy.drip(10_000)
        started = time.monotonic()
        assert echo(one, b"x" * 5000) == b"x" * 5000
        assert 0.4 <= time.monotonic() - started < 5
        started = time.monotonic()
        one.sendall(b"x" * 1_000_000)
        proxy.heal()
        assert receive(one, 1_000_000) == b"x" * 1_000_000
        assert time.monotonic() - started < 5


def test_a_door_of_kafka(proxy, tmp_path):
    """A client that comes through the door sees Kafka only through it."""
    kafka = Kafka(tmp_path / "kafka", doors=1)
    try:
        kafka.start()
        (door,) = kafka.doors
        proxy.add_door(door)
        quick = {"log_level": 0, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100}
        client = AdminClient({"bootstrap.servers": door.bootstrap} | quick)
        assert [broker.port for broker in client.list_topics(timeout=10).brokers.values()] == [door.outer]
        assert [broker.port for broker in kafka.admin().list_topics(timeout=10).brokers.values()] == [kafka.port]
        proxy.cut()
        with pytest.raises(KafkaException):
            client.list_topics(timeout=1)
        assert kafka.admin().list_topics(timeout=10).brokers
        proxy.heal()

        def answers():
            try:
                return client.list_topics(timeout=1).brokers
            except KafkaException:
                return False

        wait_until(answers, 10, "Kafka through the door again")
    finally:
        kafka.remove()
