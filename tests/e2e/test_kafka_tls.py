"""Kafka with TLS and SASL, by the properties of its client as users write them: a real broker, and certificates good and bad."""

import json

import pytest

from harness.certificates import Authority, bad_servers
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


@pytest.fixture(scope="module")
def secured(tmp_path_factory, authority, issuer):
    stranger = Authority(tmp_path_factory.mktemp("stranger"), "stranger-authority")
    issued = bad_servers(authority, stranger) | {"good": authority.issue("good")}
    issued = {name.replace("-", ""): one for name, one in issued.items()}  # listeners' names
    server = SecuredKafka(tmp_path_factory.mktemp("secured"), issued, authority, [USER], issuer)
    try:
        server.start()
        for user in (USER, "CN=bridge"):
            server.allow(user, "topic", "*", "all")
            server.allow(user, "group", "*", "all")
            server.allow(user, "transactional_id", "*", "all")
            server.allow(user, "broker", "kafka-cluster", "all")
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
    """A webhook becomes a snapshot; `check` is content."""
    sim = simulator(records=20, models=MODELS)
    config = config | {"bridge.models": MODELS}
    check = bridge("check", config, simulator=sim, start=False)
    check.start()
    assert check.wait() == 0, check.output()
    program = bridge("run", config, simulator=sim)
    program.wait_event("assigned", 30)
    record = sim.records("properties")[0]
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


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_sasl(bridge, simulator, secured, prefix, authority, tmp_path, mechanism):
    secret = tmp_path / "password"
    secret.write_text(password(USER) + "\n")
    config = reached(secured, "sasl", authority) | sasl(mechanism) | {"kafka.sasl.password_file": secret}
    program = whole_flow(bridge, simulator, secured, prefix, config)
    assert password(USER) not in program.log()


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


def refused(bridge, config, what):
    """`check` says what it is within its time, and a receiver neither starts nor waits for ever."""
    program = bridge("check", {"bridge.models": MODELS, "api.base_url": "http://127.0.0.1:1"} | config, start=False, exit_code=78)
    program.start()
    code = program.wait(60)
    line = next(line for line in program.output().splitlines() if line.startswith("kafka"))
    assert "FAILED" in line and what in line.lower(), line
    return code


@pytest.mark.parametrize("listener", ["expired", "notyet", "itself", "anothername", "stranger"])
def test_bad_certificate(bridge, secured, authority, listener):
    refused(bridge, reached(secured, listener, authority), "certificate")


def test_wrong_password(bridge, secured, authority, issuer):
    sasl_listener = reached(secured, "sasl", authority)
    for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        refused(bridge, sasl_listener | sasl(mechanism) | {"kafka.sasl.password": "wrong"}, "authentication")
    refused(bridge, sasl_listener | oauth(issuer, "wrong"), "token")
    refused(bridge, reached(secured, "mutual", authority), "")
    plain = {"kafka.bootstrap.servers": f"localhost:{secured.ports['good']}"}
    refused(bridge, plain, "")
