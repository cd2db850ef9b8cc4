"""What the receiver answers to each kind of request, and where the event went."""

import json
import uuid

import pytest

from harness.http_client import request
from harness.simulator import SECRET

INTEGRATION = "intg-1"


def wrapped(**data):
    """Shape A with everything a DATA_UPDATE has; None removes a member."""
    whole = {
        "event": "DATA_UPDATE",
        "integration_id": INTEGRATION,
        "object": "residents",
        "record_id": "r-1",
        "diff": {"new": {"first_name": "Mary"}, "previous": {"first_name": "Sarah"}},
    }
    whole = {key: value for key, value in (whole | data).items() if value is not None}
    return {"trigger": whole.get("event"), "data": whole, "meta": {"object": "residents"}}


def flat():
    body = wrapped()
    return body["data"] | {"trigger": "DATA_UPDATE", "meta": body["meta"]}


def nested(levels):
    return b'{"data":' + b'{"a":' * levels + b"1" + b"}" * levels + b"}"


OLD = {
    "meta": {"object": "residents", "integration_id": INTEGRATION},
    "record_id": "r-1",
    "diff": {"new": {"first_name": "Mary"}, "previous": {"first_name": "Sarah"}},
}
GETTING_STARTED = {"data": {k: v for k, v in wrapped()["data"].items() if k != "integration_id"}}
SYNC = {
    "trigger": "SYNC_COMPLETE",
    "data": {"event": "SYNC_COMPLETE", "integration_id": INTEGRATION, "vendor": "SAMPLE1", "is_sync_finished": True},
}

EVENTS = "events.residents"
DEAD = "dead-letters"

# name, body, status, topic, key, error_code
TABLE = [
    ("wrapped", wrapped(), 200, EVENTS, INTEGRATION, None),
    ("flat", flat(), 200, EVENTS, INTEGRATION, None),
    ("old", OLD, 200, EVENTS, INTEGRATION, None),
    ("getting started: no integration", GETTING_STARTED, 200, EVENTS, "r-1", None),
    ("hyphens", wrapped(object="residents-to-leases"), 200, DEAD, INTEGRATION, "model-not-configured"),
    ("new record", wrapped(event="DATA_NEW", diff=None, payload={"id": "r-1"}), 200, EVENTS, INTEGRATION, None),
    ("sync complete", SYNC, 200, "activity", INTEGRATION, None),
    ("job without integration", {"trigger": "JOB_FAILURE", "data": {}}, 200, "activity", None, None),
    ("not JSON", b"first_name=Mary", 400, DEAD, None, "not-json"),
    ("empty", b"", 400, DEAD, None, "not-json"),
    ("truncated JSON", json.dumps(wrapped()).encode()[:-2], 400, DEAD, None, "not-json"),
    ("two JSON values", b"{} {}", 400, DEAD, None, "not-json"),
    ("invalid UTF-8", b'{"data": "\xff"}', 400, DEAD, None, "not-json"),
    ("an array", [wrapped()], 200, DEAD, None, "not-an-object"),
    ("a text", b'"hello"', 200, DEAD, None, "not-an-object"),
    ("1,000 levels", nested(1000), 200, DEAD, None, "too-deep"),
    ("100,001 values", b'{"x":[' + b"0," * 100_000 + b"0]}", 200, DEAD, None, "too-many-values"),
    ("900 levels", nested(900), 200, DEAD, None, "no-kind"),
    ("duplicate key", b'{"record_id":"a","record_id":"b","meta":{"object":"residents"},"diff":{}}', 200, DEAD, None, "duplicate-key"),
    ("no object", wrapped(object=None) | {"meta": {}}, 200, DEAD, INTEGRATION, "no-object"),
    ("object is a number", wrapped(object=7), 200, DEAD, INTEGRATION, "no-object"),
    ("no record_id", wrapped(record_id=None), 200, DEAD, INTEGRATION, "no-record-id"),
    ("record_id is a number", wrapped(record_id=7), 200, DEAD, INTEGRATION, "no-record-id"),
    ("integration_id is a list", wrapped(integration_id=[1]), 200, DEAD, None, "bad-integration-id"),
    ("unknown model", wrapped(object="spaceships"), 200, DEAD, INTEGRATION, "unknown-model"),
    ("model not configured", wrapped(object="events"), 200, DEAD, INTEGRATION, "model-not-configured"),
    ("unknown kind", wrapped(event="DATA_VANISHED"), 200, DEAD, INTEGRATION, "unknown-kind"),
    ("no kind", {"meta": {"object": "residents"}, "record_id": "r-1"}, 200, DEAD, None, "no-kind"),
]


@pytest.fixture
def receiver(bridge):
    return bridge("receive")


def test_every_body_has_its_answer_and_its_place(receiver, kafka, prefix):
    posted = {}
    for name, body, status, *_ in TABLE:
        # An own header makes each message findable, whatever its body.
        trace = f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01"
        answer = receiver.post(body, secret=SECRET, headers=[("traceparent", trace)])
        assert answer.status == status, f"{name}: {answer.status} {answer.text()}"
        if status != 200:
            assert answer.json()["error"]["code"], name
        posted[trace] = name
    found = {}
    for topic in (EVENTS, DEAD, "activity"):
        for message in kafka.read(f"{prefix}.{topic}"):
            found[posted[message.header("traceparent")]] = (topic, message)
    for name, body, _, topic, key, code in TABLE:
        place, message = found[name]
        assert place == topic, name
        assert message.key == (key.encode() if key is not None else None), name
        assert message.header("error_code") == code, name
        expected = body if isinstance(body, bytes) else json.dumps(body).encode()
        assert (message.value or b"") == expected, name
    assert len(found) == len(TABLE)


def test_headers_follow_the_cloudevents_binding(receiver, kafka, prefix):
    assert receiver.post(wrapped(), secret=SECRET).status == 200
    (message,) = kafka.read(f"{prefix}.{EVENTS}")
    assert message.header("content-type") == "application/json"
    assert message.header("ce_specversion") == "1.0"
    assert message.header("ce_source") == f"/integrations/{INTEGRATION}"
    assert message.header("ce_type") == "com.propexo.DATA_UPDATE"
    assert message.header("ce_subject") == "residents/r-1"
    assert len(message.header("ce_id")) == 32 and message.header("ce_time").endswith("Z")
    assert message.header("integration_id") == INTEGRATION
    assert message.header("model") == "residents" and message.header("record_id") == "r-1"
    assert message.header("trigger") == "DATA_UPDATE"


def test_the_path_names_the_integration_where_the_body_does_not(receiver, kafka, prefix):
    assert receiver.post(GETTING_STARTED, secret=SECRET, path="/webhooks/from%20path").status == 200
    assert receiver.post(wrapped(), secret=SECRET, path="/webhooks/from-path").status == 200
    keys = sorted(message.key for message in kafka.read(f"{prefix}.{EVENTS}"))
    assert keys == [b"from path", INTEGRATION.encode()]


def test_what_is_not_signed_is_refused_and_kept_nowhere(receiver, kafka, prefix):
    body = json.dumps(wrapped()).encode()
    good = request_signature(body)
    attempts = {
        "none": [],
        "wrong": [("propexo-signature", request_signature(b"other"))],
        "upper case": [("propexo-signature", good.upper())],
        "cut": [("propexo-signature", good[:-1])],
        "longer": [("propexo-signature", good + "0")],
        "doubled": [("propexo-signature", good), ("propexo-signature", good)],
        "two in one": [("propexo-signature", f"{good},{good}")],
        "of another secret": [("propexo-signature", request_signature(body, "another-secret"))],
    }
    for name, headers in attempts.items():
        assert receiver.post(body, headers=headers).status == 401, name
    for topic in (EVENTS, DEAD, "activity"):
        assert kafka.read(f"{prefix}.{topic}") == []


def request_signature(body, secret=SECRET):
    from harness.bridge import sign

    return sign(body, secret)


def test_several_secrets(bridge, tmp_path):
    secrets = tmp_path / "secrets"
    secrets.write_text("the-old-secret\nthe-new-secret\n")
    receiver = bridge("receive", {"receiver.secret_file": secrets})
    for secret in (SECRET, "the-old-secret", "the-new-secret"):
        assert receiver.post(wrapped(), secret=secret).status == 200
    assert receiver.post(wrapped(), secret="no-such-secret").status == 401


def test_methods_paths_encodings_and_sizes(receiver, kafka, prefix):
    assert receiver.post(wrapped(), secret=SECRET, path="/").status == 404
    assert receiver.post(wrapped(), secret=SECRET, path="/webhooks/a/b").status == 404
    assert receiver.post(wrapped(), secret=SECRET, path="/webhooksx").status == 404
    answer = request("GET", receiver.receiver_url())
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert receiver.post(wrapped(), secret=SECRET, headers=[("Content-Encoding", "gzip")]).status == 415
    large = json.dumps(wrapped(payload="x" * (10 << 20))).encode()
    assert receiver.post(large, secret=SECRET).status == 413
    assert kafka.read(f"{prefix}.{EVENTS}") == []
    just_fits = json.dumps(wrapped()).encode()
    just_fits += b" " * ((1 << 20) - len(just_fits))
    assert receiver.post(just_fits, secret=SECRET).status == 200
    assert receiver.post(just_fits + b" ", secret=SECRET).status == 413


def test_no_secret_is_refused_unless_allowed(bridge):
    refused = bridge("receive", {"receiver.secret": ""}, start=False, exit_code=78)
    refused.start()
    assert refused.wait() == 78
    assert "receiver" in refused.log() and "secret" in refused.log()
    allowed = bridge("receive", {"receiver.secret": "", "receiver.allow_unsigned": True})
    assert allowed.post(wrapped()).status == 200


def test_kafka_away_is_503_and_comes_back(bridge, own_kafka):
    own_kafka.start()
    receiver = bridge(
        "receive", {"kafka.bootstrap.servers": own_kafka.bootstrap, "kafka.producer.delivery.timeout.ms": 1500}
    )
    assert receiver.post(wrapped(), secret=SECRET).status == 200
    own_kafka.freeze()
    answer = receiver.post(wrapped(), secret=SECRET)
    assert answer.status == 503 and int(answer.headers["retry-after"]) >= 1
    own_kafka.thaw()
    from harness.wait import wait_until

    wait_until(lambda: receiver.post(wrapped(), secret=SECRET).status == 200, 30, "the receiver to recover")
