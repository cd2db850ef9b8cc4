"""TLS: what the receiver takes and shows, and whom the bridge talks to. Real handshakes, by OpenSSL and nginx."""

import http.client
import json
import signal
import socket
import ssl
import struct
import time
from urllib.parse import urlsplit

import pytest

from harness.bridge import SIGNATURE_HEADER, sign
from harness.certificates import Authority, bad_servers
from harness.nginx import TlsFront
from harness.wait import wait_until

MODELS = ["residents"]
SECRET = "a secret for signatures"
TOLD = ssl.TLSVersion

# That old versions are refused needs a client that speaks them.
pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")


def event(record="r-1"):
    diff = {"new": {"first_name": "Mary"}, "previous": {"first_name": "Sarah"}}
    data = {"event": "DATA_UPDATE", "object": "residents", "record_id": record, "diff": diff, "integration_id": "intg-1"}
    return json.dumps({"trigger": "DATA_UPDATE", "data": data}).encode()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "certificates")


@pytest.fixture
def stranger(tmp_path):
    return Authority(tmp_path / "stranger", "stranger-authority")


def client(authority, *, version=None, shows=None):
    context = ssl.create_default_context(cafile=authority.certificate)
    if version is not None:
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
    if shows is not None:
        context.load_cert_chain(shows.certificate, shows.key)
    return context


class Https:
    """One connection that stays, to the receiver."""

    def __init__(self, receiver, context):
        host, port = receiver.wait_ready()["receiver"].split(":")
        self.connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=10)
        self.connection.connect()
        self.socket = self.connection.sock

    @property
    def serial(self):
        return int(self.socket.getpeercert()["serialNumber"], 16)

    def post(self, body):
        headers = {SIGNATURE_HEADER: sign(body, SECRET), "Content-Type": "application/json"}
        self.connection.request("POST", "/webhooks", body, headers)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status


def post(receiver, context):
    """The status of one webhook over a connection of its own, or None when there was no answer."""
    try:
        return Https(receiver, context).post(event())
    except (OSError, http.client.HTTPException):
        return None


def configured(issued, **more):
    keys = {"tls_certificate": issued.certificate, "tls_key": issued.key, "secret": SECRET} | more
    return {"bridge.models": MODELS} | {f"receiver.{key}": value for key, value in keys.items()}


@pytest.mark.plain
def test_versions(bridge, kafka, prefix, authority):
    issued = authority.issue("receiver")
    receiver = bridge("receive", configured(issued) | {"process.seccomp": True})
    answers = {
        version: post(receiver, client(authority, version=version))
        for version in (TOLD.TLSv1, TOLD.TLSv1_1, TOLD.TLSv1_2, TOLD.TLSv1_3)
    }
    assert answers == {TOLD.TLSv1: None, TOLD.TLSv1_1: None, TOLD.TLSv1_2: 200, TOLD.TLSv1_3: 200}
    with pytest.raises(OSError):  # plain HTTP
        receiver.post(event(), secret=SECRET)
    assert len(kafka.read(f"{prefix}.events.residents")) == 2
    assert receiver.metrics().sum("bridge_tls_certificate_expiry_timestamp_seconds") == issued.expires


def test_another_certificate(bridge, authority):
    """New handshakes show the new one, connections that stand go on; what cannot be used changes nothing."""
    first, second, third = (authority.issue(name) for name in ("first", "second", "third"))
    past = authority.issue("past", since=-9, days=2)
    places = authority.issue("mounted")
    receiver = bridge("receive", configured(places))

    def put(certificate, key):
        places.key.write_bytes(key.read_bytes())
        places.certificate.write_bytes(certificate.read_bytes())

    def shown():
        return Https(receiver, client(authority)).serial

    old = Https(receiver, client(authority))
    assert old.post(event()) == 200
    put(first.certificate, first.key)
    wait_until(lambda: shown() == first.serial, 5, "the first certificate")
    assert old.post(event()) == 200 and old.serial == places.serial
    put(second.certificate, first.key)
    refused = receiver.wait_event("reload_failed", 5)
    assert "is not the key of the certificate" in refused["reason"] and str(places.key) in refused["reason"]
    assert shown() == first.serial
    put(second.certificate, second.key)
    wait_until(lambda: shown() == second.serial, 5, "the second certificate")
    places.certificate.write_text("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
    wait_until(lambda: len(receiver.events("reload_failed")) == 2, 5, "that no certificate is refused")
    assert shown() == second.serial
    put(third.certificate, third.key)
    receiver.signal(signal.SIGHUP)
    wait_until(lambda: shown() == third.serial, 5, "the third certificate")
    put(past.certificate, past.key)
    receiver.wait_event("certificate_expired", 5)
    assert receiver.metrics().sum("bridge_tls_certificate_expiry_timestamp_seconds") == past.expires
    assert post(receiver, client(authority)) is None  # this client looks
    assert old.post(event()) == 200


def test_client_certificates(bridge, kafka, prefix, authority, stranger):
    config = configured(authority.issue("receiver"), tls_client_ca=authority.certificate)
    receiver = bridge("receive", config)
    good = authority.issue("good", purpose="client")
    bad = {
        "nobody": None,
        "itself": authority.issue("itself", purpose="client", alone=True),
        "expired": authority.issue("expired", purpose="client", since=-9, days=2),
        "for-servers": authority.issue("for-servers"),
        "stranger": stranger.issue("stranger", purpose="client"),
    }
    for version in (TOLD.TLSv1_2, TOLD.TLSv1_3):
        assert post(receiver, client(authority, version=version, shows=good)) == 200
        for what, shows in bad.items():
            assert post(receiver, client(authority, version=version, shows=shows)) is None, what
    assert receiver.metrics().sum("bridge_tls_client_certificates_refused_total") >= 2 * (len(bad) - 1)
    assert len(kafka.read(f"{prefix}.events.residents")) == 2
    reasons = {line["reason"] for line in receiver.events("client_certificate_refused")}
    assert reasons <= {"expired", "signed by nobody known", "not for clients"} and reasons


def test_slow_handshakes(bridge, authority):
    """Who begins a handshake and does not go on with it is cut, and keeps nobody else waiting."""
    receiver = bridge("receive", configured(authority.issue("receiver"), head_timeout_ms=1000, idle_timeout_ms=3000))
    port = int(receiver.wait_ready()["receiver"].split(":")[1])
    hello = b"\x16\x03\x01" + struct.pack(">H", 500) + b"\x01"  # the first bytes of a ClientHello
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
    for number, one in enumerate(sockets):
        one.sendall(hello if number % 2 else b"")
    slowest = 0
    for _ in range(20):
        began = time.monotonic()
        assert post(receiver, client(authority)) == 200
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 1
    until = time.monotonic() + 7
    for one in sockets:
        one.settimeout(max(until - time.monotonic(), 0.1))
        try:
            while one.recv(1000):
                pass
        except ConnectionResetError:
            pass
        one.close()
    wait_until(lambda: receiver.metrics().sum("bridge_http_connections") <= 1, 5, "their end")


def test_what_is_no_certificate(bridge, tmp_path, authority):
    good, other = authority.issue("good"), authority.issue("other")
    locked = authority.issue("locked", password="a password")
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing\n")
    cases = [
        (good.certificate, other.key, None, other.key),
        (good.certificate, nothing, None, nothing),
        (nothing, good.key, None, nothing),
        (locked.certificate, locked.key, None, locked.key),
        (good.certificate, good.key, nothing, nothing),
    ]
    for certificate, key, clients, told in cases:
        config = {"tls_certificate": certificate, "tls_key": key, "tls_client_ca": clients or ""}
        config = {f"receiver.{name}": value for name, value in config.items()}
        receiver = bridge("receive", {"bridge.models": MODELS} | config, start=False, exit_code=78)
        receiver.start()
        assert receiver.wait() == 78
        assert str(told) in receiver.wait_event("start_failed")["reason"]


def check_of(bridge, config, exit_code):
    program = bridge("check", {"bridge.models": ["properties"]} | config, start=False, exit_code=exit_code)
    program.start()
    assert program.wait() == exit_code, program.output()
    return program.output()


@pytest.fixture
def front(tmp_path):
    started = []

    def start(behind, issued):
        started.append(TlsFront(tmp_path / "nginx", behind, issued).start())
        return started[-1]

    yield start
    for one in started:
        one.stop()


def test_api_peer(bridge, simulator, front, authority, stranger):
    """The token goes to nobody whose certificate is not good for the name that was asked for."""
    sim = simulator(records=10, models=["properties"])
    bad = bad_servers(authority, stranger)
    tls = front(urlsplit(sim.url).port, bad | {"good": authority.issue("good")})

    def config(name):
        return {"api.base_url": f"https://localhost:{tls.ports[name]}", "api.ca": authority.certificate, "api.token": sim.token}

    assert "api       ok" in check_of(bridge, config("good"), 0)
    assert len(tls.requests("good")) == 1
    for name in bad:
        said = check_of(bridge, config(name), 78)
        assert "api       FAILED" in said and "certificate" in said, said
        assert tls.requests(name) == []
    assert "FAILED" in check_of(bridge, config("good") | {"api.ca": ""}, 78)  # the system's authorities
    assert len(tls.requests("good")) == 1


def test_registry_peer(bridge, simulator, registry, front, authority, stranger):
    sim = simulator(records=10, models=["properties"])
    bad = bad_servers(authority, stranger)
    tls = front(registry.port, bad | {"good": authority.issue("good")})

    def config(name):
        return {
            "api.base_url": sim.url,
            "api.token": sim.token,
            "registry.url": f"https://localhost:{tls.ports[name]}/apis/ccompat/v7",
            "registry.ca": authority.certificate,
        }

    assert "registry  ok" in check_of(bridge, config("good"), 0)
    for name in bad:
        said = check_of(bridge, config(name), 78)
        assert "registry  FAILED" in said and "certificate" in said, said
        assert tls.requests(name) == []
