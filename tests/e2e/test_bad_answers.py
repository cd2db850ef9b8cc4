"""What becomes of a record whose answer is not what it should be: each row has an outcome, and the others go on."""

import hashlib
import json

from harness.compare import UNMAPPED
from harness.record_api import TOKEN, RecordApi
from harness.simulator import SECRET

MODEL = "residents"
INTEGRATION = "intg-1"
MIB = 1024 * 1024
READ_AT_MOST = 16 * MIB  # twice topics.max_message
SNAPSHOT, TOMBSTONE = "snapshot", "tombstone"
BEHIND = "behind all others"


def record(identifier="ID", **fields):
    return {"id": identifier, "integration_id": INTEGRATION, "first_name": "Mary"} | fields


def answer(results):
    """ID in it stands for the id that is asked for."""
    return json.dumps({"meta": {}, "results": results}).encode()


def large(mebibytes):
    return answer(record(notes="x" * (mebibytes * MIB)))


def answered(name):
    """The whole body that the API answers with for a row of the table; None for a 404."""
    body = next(row[1] for row in TABLE if row[0] == name)
    own = json.dumps(identifier(name)).encode()
    return body and body.replace(b'"ID', own[:-1], 2)


def told_of(body):
    """What a dead letter tells of an answer that is too large to be read."""
    return {
        "answer_head": body[:1024],
        "answer_length": str(len(body)).encode(),
        "answer_sha256": hashlib.sha256(body).hexdigest().encode(),
    }


def deep(levels):
    return b'{"results": {"id": "ID", "custom_data": ' + b"[" * levels + b"]" * levels + b"}}"


# name, body of the answer (None: 404), outcome, and fields of the snapshot, or how often the API was asked in vain
TABLE = [
    ("good", answer(record()), SNAPSHOT, {"first_name": "Mary"}),
    ("a text", answer("Mary"), "wrong-record", 4),
    ("a number", answer(7), "wrong-record", 4),
    ("true", answer(True), "wrong-record", 4),
    ("a list", answer([record()]), "wrong-record", 4),
    ("an empty list", answer([]), "wrong-record", 4),
    ("an empty object", answer({}), "wrong-record", 4),
    ("no results", b'{"meta": {}}', "wrong-record", 4),
    ("results twice", b'{"results": null, "results": {"id": "ID", "first_name": "M"}}', SNAPSHOT, {"first_name": "M"}),
    ("null", answer(None), TOMBSTONE, None),
    ("gone", None, TOMBSTONE, None),
    ("another id", answer(record("another")), "wrong-record", 4),
    ("id is a number", answer(record(5)), "wrong-record", 4),
    ("id is null", answer(record(None)), "wrong-record", 4),
    ("id with a zero byte", answer(record("ID\0")), "wrong-record", 4),
    ("two ids, the wrong one last", b'{"results": {"id": "ID", "id": "another"}}', "wrong-record", 4),
    ("two ids, the right one last", b'{"results": {"id": "another", "id": "ID"}}', SNAPSHOT, {"id[0]": '"another"'}),
    ("integration cut in an emoji", answer(record(integration_id="cut \ud83d")), "wrong-integration", 1),
    ("integration with a zero byte", answer(record(integration_id=f"{INTEGRATION}\0")), "wrong-integration", 1),
    ("integration is a number", answer(record(integration_id=5)), SNAPSHOT, {"integration_id": "5"}),
    ("text cut in an emoji", answer(record(first_name="cut \ud83d")), SNAPSHOT, {"first_name": '"cut \\ud83d"'}),
    ("zero bytes", answer(record(first_name="a\0b", last_name="\0")), SNAPSHOT, {"first_name": "a\0b", "last_name": "\0"}),
    ("not UTF-8", b'{"results": {"id": "ID", "first_name": "caf\xe9"}}', "cannot-encode", 1),
    ("control characters", b'{"results": {"id": "ID", "first_name": "a\tb"}}', SNAPSHOT, {"first_name": "a\tb"}),
    ("a zero byte as it is", b'{"results": {"id": "ID", "first_name": "a\0b"}}', "wrong-record", 4),
    ("900 levels", deep(900), SNAPSHOT, {"custom_data": "[" * 900 + "]" * 900}),
    ("1,100 levels", deep(1100), "wrong-record", 4),
    ("5 MiB", large(5), SNAPSHOT, {"notes": "x" * (5 * MIB)}),
    ("10 MiB: more than a message", large(10), "too-large", 1),
    ("20 MiB: more than an answer", large(20), "too-large", 2),
]


def identifier(name):
    return f"r/{name}"


def webhook(name):
    return {"meta": {"object": MODEL, "integration_id": INTEGRATION}, "record_id": identifier(name), "diff": {}}


def assert_outcome(name, outcome, detail, snapshot, letter):
    if outcome in (SNAPSHOT, TOMBSTONE):
        assert letter is None, f"{name}: {letter.header('error_code')}: {letter.header('error_message')}"
        assert (snapshot.record is None) == (outcome == TOMBSTONE), name
        for field, value in (detail or {}).items():
            found = snapshot.record.get(field)
            assert (snapshot.record[UNMAPPED][field] if found is None else found) == value, f"{name}: {field}"
    else:
        assert snapshot is None, name
        assert letter.header("error_code") == outcome and letter.header("error_message"), name
        assert letter.header("attempts") == str(detail), name
        # What is too large is the record: the event's bytes are whole.
        assert json.loads(letter.value) == webhook(name) and letter.header("original") is None, name
        told = {name: value for name, value in letter.headers if name.startswith("answer_")}
        assert told == (told_of(answered(name)) if len(answered(name) or b"") > READ_AT_MOST else {}), name


def test_every_answer_has_its_outcome_and_the_partition_goes_on(bridge, kafka, prefix, registry, snapshots):
    with RecordApi() as api:
        for name, body, *_ in TABLE:
            if body is not None:
                api.put_answer(MODEL, identifier(name), answered(name))
        api.put(MODEL, identifier(BEHIND), INTEGRATION, record(identifier(BEHIND)))
        config = {"bridge.models": [MODEL], "topics.partitions": 1, "enricher.max_delay_ms": 0}
        running = bridge("run", config | {"api.base_url": api.url, "api.token": TOKEN}, registry=registry)
        for name, *_ in TABLE:
            assert running.post(webhook(name), secret=SECRET).status == 200
        kafka.wait_consumed(prefix, f"{prefix}.events.")
        assert running.post(webhook(BEHIND), secret=SECRET).status == 200
        kafka.wait_consumed(prefix, f"{prefix}.events.")
        metrics = running.metrics()
    published = {snapshot.key: snapshot for snapshot in snapshots(MODEL, registry)}
    letters = {message.header("record_id"): message for message in kafka.read(f"{prefix}.dead-letters")}
    assert published.keys() | letters.keys() == {identifier(name) for name in [*(row[0] for row in TABLE), BEHIND]}
    assert published[identifier(BEHIND)].record["first_name"] == "Mary"
    for name, _, outcome, detail in TABLE:
        assert_outcome(name, outcome, detail, published.get(identifier(name)), letters.get(identifier(name)))
    # Nothing of this says anything about the API as a whole, or about the integration.
    known = ("ok", "gone", "wrong_id", "no_record", "unreadable", "too_large")
    counts = {outcome: metrics.sum("bridge_api_requests_total", outcome=outcome) for outcome in known}
    assert all(counts.values()) and sum(counts.values()) == metrics.sum("bridge_api_requests_total")
    assert metrics.sum("bridge_api_breaker_openings_total") == 0


def test_rows_of_a_list_without_an_id_are_passed_over(bridge, kafka, prefix, registry, snapshots):
    """What the list has is published. What it lacks may be such a row: it is a dead letter, never taken for deleted."""
    model = "timezones"
    with RecordApi() as api:
        for number, text in enumerate(['{"name": "no id"}', '{"id": null}', "null", "7"]):
            api.put(model, f"row {number}", INTEGRATION, text)
        api.put(model, "good", INTEGRATION, {"id": "good", "integration_id": INTEGRATION, "x_id": "UTC"})
        config = {"bridge.models": [model], "enricher.max_delay_ms": 0}
        running = bridge("run", config | {"api.base_url": api.url, "api.token": TOKEN}, registry=registry)
        for key in ("good", "missing"):
            body = {"meta": {"object": model, "integration_id": INTEGRATION}, "record_id": key, "diff": {}}
            assert running.post(body, secret=SECRET).status == 200
        kafka.wait_consumed(prefix, f"{prefix}.events.")
        metrics = running.metrics()
    assert [(snapshot.key, snapshot.record["x_id"]) for snapshot in snapshots(model, registry)] == [("good", "UTC")]
    (letter,) = kafka.read(f"{prefix}.dead-letters")
    assert (letter.header("record_id"), letter.header("error_code")) == ("missing", "wrong-record")
    assert metrics.sum("bridge_list_items_without_id_total") >= 4
