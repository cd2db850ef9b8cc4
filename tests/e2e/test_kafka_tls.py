"""Kafka with TLS and SASL, by the properties of its client as users write them: a real broker, and certificates good and bad."""

import json

import pytest

from harness.certificates import Authority, bad_servers
from harness.kafka import LIBRARIES_3_9
from harness.secured_kafka import CLIENT_SECRET, Issuer, SecuredKafka, password
from harness.wait import wait_until

MODELS = ["properties"]
USER = "bridge"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    server = Issuer(tmp_path_factory.mktemp("issuer"))
    yield server
    server.close()


def allow_all(server):
    for user in (USER, "CN=bridge"):
        for kind, name in (("topic", "*"), ("group", "*"), ("transactional_id", "*"), ("broker", "kafka-cluster")):
            server.allow(user, kind, name, "all")


@pytest.fixture(scope="module")
def secured(tmp_path_factory, authority, issuer):
    stranger = Authority(tmp_path_factory.mktemp("stranger"), "stranger-authority")
    issued = bad_servers(authority, stranger) | {"good": authority.issue("good")}
    issued = {name.replace("-", ""): one for name, one in issued.items()}  # listeners' names
    server = SecuredKafka(tmp_path_factory.mktemp("secured"), issued, [USER], authority, issuer)
    try:
        allow_all(server.start())
        yield server
    finally:
        server.remove()


@pytest.fixture
def older(tmp_path, authority):
    """Kafka 3.9: librdkafka 2.0.2 repeats a nonce in SCRAM (its issue 4895), and Kafka 4 does not let that pass."""
    server = SecuredKafka(tmp_path / "older", {"good": authority.issue("older")}, [USER], libraries=LIBRARIES_3_9)
    try:
        allow_all(server.start())
        yield server
    finally:
        server.remove()


def reached(secured, listener, authority):
    protocol = "SASL_SSL" if listener == "sasl" else "SSL"
    return {
        "kafka.bootstrap.servers": f"localhost:{secured.ports[listener]}",
        "kafka.security.protocol": protocol,
        "kafka.ssl.ca.location": authority.certificate,
    }


def whole_flow(bridge, simulator, secured, prefix, config):
    """A webhook becomes a snapshot; `check` is content. With all that the client can tell, for those who look into its log."""
    sim = simulator(records=20, models=MODELS)
    config = config | {"bridge.models": MODELS, "kafka.debug": "all", "log.level": "debug"}
    check = bridge("check", config, simulator=sim, start=False)
    check.start()
    assert check.wait() == 0, check.output()
    program = bridge("run", config, simulator=sim)
    program.wait_event("assigned", 30)
    record = next(iter(sim.truth("properties").values()))
    data = {"event": "DATA_UPDATE", "object": "properties", "record_id": record["id"], "integration_id": record["integration_id"]}
    body = {"trigger": "DATA_UPDATE", "data": data | {"diff": {"new": {"name": "a"}, "previous": {"name": "b"}}}}
    assert program.post(body, secret=sim.secret).status == 200
    topic = f"{prefix}.snapshots.properties"
    wait_until(lambda: secured.read(topic), 30, "a snapshot")
    assert json.loads(secured.read(topic)[0].value)["id"] == record["id"]
    secured.delete_topics(*secured.topics(prefix))
    return program


def sasl(mechanism):
    return {"kafka.sasl.mechanism": mechanism, "kafka.sasl.username": USER}


def whole_sasl(bridge, simulator, server, prefix, authority, tmp_path, mechanism):
    secret = tmp_path / "password"
    secret.write_text(password(USER) + "\n")
    config = reached(server, "sasl", authority) | sasl(mechanism) | {"kafka.sasl.password_file": secret}
    program = whole_flow(bridge, simulator, server, prefix, config)
    assert password(USER) not in program.log()


def test_plain(bridge, simulator, secured, prefix, authority, tmp_path):
    whole_sasl(bridge, simulator, secured, prefix, authority, tmp_path, "PLAIN")


def test_scram(bridge, simulator, older, prefix, authority, tmp_path):
    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
        whole_sasl(bridge, simulator, older, prefix, authority, tmp_path, mechanism)


def oauth(issuer, secret):
    return {
        "kafka.sasl.mechanism": "OAUTHBEARER",
        "kafka.sasl.oauthbearer.method": "oidc",
        "kafka.sasl.oauthbearer.client.id": USER,
        "kafka.sasl.oauthbearer.client.secret": secret,
        "kafka.sasl.oauthbearer.token.endpoint.url": issuer.url,
        "kafka.sasl.oauthbearer.scope": "kafka",
    }


def test_oauthbearer(bridge, simulator, secured, prefix, authority, issuer):
    config = reached(secured, "sasl", authority) | oauth(issuer, CLIENT_SECRET)
    program = whole_flow(bridge, simulator, secured, prefix, config)
    assert {"grant_type": ["client_credentials"], "scope": ["kafka"]} in issuer.asked
    assert CLIENT_SECRET not in program.log()


def test_client_certificate(bridge, simulator, secured, prefix, authority):
    shown = authority.issue("bridge", purpose="client")
    config = {"kafka.ssl.certificate.location": shown.certificate, "kafka.ssl.key.location": shown.key}
    whole_flow(bridge, simulator, secured, prefix, reached(secured, "mutual", authority) | config)


def refused(bridge, cases):
    """`check` says why, within its time. All at once: each takes as long as it waits for a broker."""
    config = {"bridge.models": MODELS, "api.base_url": "http://127.0.0.1:1"}
    programs = [(bridge("check", config | case, start=False, exit_code=69), what) for case, what in cases]
    for program, _ in programs:
        program.start()
    for program, what in programs:
        assert program.wait(60) == 69
        line = next(line for line in program.output().splitlines() if line.startswith("kafka"))
        assert "FAILED" in line and what in line.lower(), line


def test_bad_certificates(bridge, secured, authority):
    listeners = ("expired", "notyet", "itself", "anothername", "stranger")
    refused(bridge, [(reached(secured, listener, authority), "certificate") for listener in listeners])


def test_bad_credentials(bridge, secured, authority, issuer):
    listener = reached(secured, "sasl", authority)
    refused(
        bridge,
        [
            (listener | sasl("PLAIN") | {"kafka.sasl.password": "wrong"}, "authentication failed"),
            # The password is good: this librdkafka cannot do it.
            (listener | sasl("SCRAM-SHA-256") | {"kafka.sasl.password": password(USER)}, "older than 2.6.1"),
            (listener | oauth(issuer, "wrong"), "no token from"),
            (reached(secured, "mutual", authority), "certificate"),
            ({"kafka.bootstrap.servers": f"localhost:{secured.ports['good']}"}, "transport"),
        ],
    )
