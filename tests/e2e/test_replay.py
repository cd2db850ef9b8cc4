"""`propexo-bridge replay` sends dead letters back to where they came from, once, and remembers which."""

import json
import signal
import time
from collections import Counter

import pytest

from harness.record_api import TOKEN, RecordApi
from harness.simulator import SECRET
from harness.snapshots import latest
from harness.wait import wait_until

INTEGRATION = "intg-1"
LETTER_HEADERS = {"error_code", "error_message", "source", "source_topic", "source_partition", "source_offset"}
STORY = {"replayed", "attempts", "first_failed_at"}


def webhook(model, record, **data):
    body = {"event": "DATA_UPDATE", "integration_id": INTEGRATION, "object": model, "record_id": record}
    return {"trigger": "DATA_UPDATE", "data": body | {"diff": {"new": {}, "previous": {}}} | data, "meta": {}}


@pytest.fixture
def replay(bridge):
    """Runs it to its end; what it reported, as JSON."""

    def run(*arguments, code=0, config=None):
        program = bridge("replay", config, arguments=("--json", *arguments), start=False, exit_code=code)
        program.start()
        assert program.wait(120) == code, program.output() + program.log()
        return json.loads(program.output()) if program.output() else program.log()

    return run


@pytest.fixture
def dead_letters(kafka, prefix):
    return lambda: kafka.read(f"{prefix}.dead-letters")


@pytest.fixture
def topics(bridge):
    """Makes the topics that are missing, without a bridge that runs."""

    def make(config=None, code=0):
        program = bridge("topics", config, arguments=("apply",), start=False)
        program.start()
        assert program.wait(60) == code, program.output() + program.log()

    return make


def letter(prefix, number, code="forbidden", model="units", key=b"key", value=None, **headers):
    """As the enricher writes them; headers that are None are left out."""
    whole = {
        "content-type": "application/json",
        "ce_id": f"{number:032x}",
        "model": model,
        "record_id": f"r-{number}",
        "integration_id": INTEGRATION,
        "trigger": "DATA_UPDATE",
        "error_code": code,
        "error_message": "why",
        "source": "enricher",
        "source_topic": f"{prefix}.events.{model}",
        "source_partition": "0",
        "source_offset": str(number),
        "attempts": "4",
        "first_failed_at": "2026-01-31T12:00:00.000Z",
    } | headers
    body = json.dumps(webhook(model, f"r-{number}")).encode() if value is None else value
    return key, body, [(name, text.encode()) for name, text in whole.items() if text is not None]


def rows(report):
    return {(row["code"], row["model"], row["outcome"]): row["count"] for row in report["letters"]}


def ids(messages):
    """The event ids of messages, which letters keep."""
    return sorted(int(message.header("ce_id"), 16) for message in messages)


def headers_but(message, *names):
    return {name: value for name, value in message.headers if name not in names}


def test_a_model_that_is_configured_meanwhile(bridge, kafka, prefix, replay, dead_letters, snapshots):
    with RecordApi() as api:
        api.put("units", "u 1", "path 1", {"id": "u 1", "integration_id": "path 1", "number": "7"})
        api_config = {"api.base_url": api.url, "api.token": TOKEN}
        # One instance, so that the second does not wait for the session of the first to end.
        api_config["bridge.instance"] = prefix
        early = bridge("run", {"bridge.models": ["residents"]} | api_config)
        trace = f"00-{'a' * 32}-{'b' * 16}-01"
        body = webhook("units", "u 1")
        del body["data"]["integration_id"]
        headers = [("traceparent", trace)]
        assert early.post(body, secret=SECRET, path="/webhooks/path%201", headers=headers).status == 200
        sync = {"trigger": "SYNC_NEARLY", "data": {"event": "SYNC_NEARLY", "integration_id": INTEGRATION}}
        assert early.post(sync, secret=SECRET).status == 200
        assert early.stop() == 0
        (found,) = [one for one in dead_letters() if one.header("error_code") == "model-not-configured"]
        assert (found.header("model"), found.header("record_id"), found.header("attempts")) == ("units", "u 1", "1")
        assert found.header("trigger") == "DATA_UPDATE" and found.header("source") == "webhook"

        # Today's configuration is what counts, not that of the receiver: it is still not configured here.
        report = replay(config={"bridge.models": ["residents"]})
        assert (report["sent"], report["left"]) == (0, 2)
        assert rows(report) == {
            ("model-not-configured", "units", "still model-not-configured"): 1,
            ("unknown-kind", "-", "still unknown-kind"): 1,
        }
        late = bridge("run", {"bridge.models": ["residents", "units"], "enricher.max_delay_ms": 0} | api_config)
        report = replay(config={"bridge.models": ["residents", "units"]})
        assert (report["sent"], report["left"]) == (1, 1)
        assert rows(report)["model-not-configured", "units", "sent"] == 1
        kafka.wait_consumed(prefix, f"{prefix}.events.")
        assert late.stop() == 0
    (event,) = kafka.read(f"{prefix}.events.units")
    assert event.value == found.value and event.key == found.key
    for name in ("ce_id", "ce_time", "ce_source", "integration_id", "traceparent", "trigger", "first_failed_at"):
        assert event.header(name) == found.header(name), name
    assert event.header("traceparent") == trace and event.header("ce_subject") == "units/u 1"
    assert (event.header("replayed"), event.header("attempts"), event.header("model")) == ("1", "1", "units")
    assert not LETTER_HEADERS & {name for name, _ in event.headers}
    assert latest(snapshots("units"))["u 1"]["number"] == "7"
    assert event.header("integration_id") == "path 1"


def test_an_event_that_failed_goes_back_as_it_was(bridge, kafka, prefix, replay, dead_letters, snapshots):
    """It fails again first: its story goes on. Each replay looks at the letters that were there when it began."""
    with RecordApi() as api:
        api.put_answer("units", "u", json.dumps({"results": {"id": "another"}}).encode())
        config = {"bridge.models": ["units"], "api.base_url": api.url, "api.token": TOKEN, "enricher.max_delay_ms": 0}
        running = bridge("run", config)
        before = time.time()
        trace = f"00-{'c' * 32}-{'d' * 16}-01"
        assert running.post(webhook("units", "u"), secret=SECRET, headers=[("traceparent", trace)]).status == 200
        kafka.wait_consumed(prefix, f"{prefix}.events.")
        (first,) = dead_letters()
        (event,) = kafka.read(f"{prefix}.events.units")
        own = headers_but(first, *LETTER_HEADERS, *STORY)
        assert own == headers_but(event) and first.value == event.value and first.key == event.key
        attempts = int(first.header("attempts"))
        assert attempts > 1 and first.header("replayed") is None
        assert (first.header("source_partition"), first.header("source_offset")) == (str(event.partition), "0")
        # Several attempts with pauses between them: the first of them counts, not when the letter was written.
        failed = first.header("first_failed_at")
        moment = time.mktime(time.strptime(failed[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
        assert before - 1 <= moment <= first.timestamp / 1000 - 1.5
        for number in (1, 2):
            report = replay(config={"bridge.models": ["units"]})
            assert (report["read"], report["sent"], report["sent_before"]) == (1, 1, 0)
            kafka.wait_consumed(prefix, f"{prefix}.events.")
            events = kafka.read(f"{prefix}.events.units")
            letters = dead_letters()
            assert len(events) == len(letters) == number + 1
            assert headers_but(events[-1], *STORY) == headers_but(event)
            assert events[-1].partition == event.partition
            assert events[-1].header("replayed") == letters[-1].header("replayed") == str(number)
            assert events[-1].header("attempts") == str(attempts * number)
            assert letters[-1].header("attempts") == str(attempts * (number + 1))
            assert {one.header("first_failed_at") for one in [*events[1:], *letters]} == {failed}
            assert headers_but(letters[-1], *LETTER_HEADERS, *STORY) == headers_but(event)
        del api.answers["units", "u"]
        api.put("units", "u", INTEGRATION, {"id": "u", "integration_id": INTEGRATION, "number": "8"})
        assert replay(config={"bridge.models": ["units"]})["sent"] == 1
        kafka.wait_consumed(prefix, f"{prefix}.events.")
        assert len(dead_letters()) == 3
        report = replay(config={"bridge.models": ["units"]})
        assert (report["read"], report["sent"]) == (0, 0)
    assert latest(snapshots("units"))["u"]["number"] == "8"
    assert snapshots("units")[-1].headers["traceparent"] == trace


def test_a_child_that_failed_with_its_parent(bridge, kafka, prefix, replay, dead_letters, snapshots):
    """The letter is the child's event, names the parent that failed, and goes back to the child's topic."""
    models = ["residents", "leases", "residents_to_leases"]
    with RecordApi() as api:
        api.put_answer("residents", "r", json.dumps({"results": {"id": "another"}}).encode())
        config = {"bridge.models": models, "api.base_url": api.url, "api.token": TOKEN, "enricher.max_delay_ms": 0}
        running = bridge("run", config)
        child = webhook("residents_to_leases", "c", diff={"new": {"resident_id": "r"}, "previous": {}})
        assert running.post(child, secret=SECRET).status == 200
        kafka.wait_consumed(prefix, f"{prefix}.events.")
        (found,) = dead_letters()
        assert found.header("failed_record") == "residents/r" and found.header("error_code") == "wrong-record"
        assert (found.header("model"), found.header("record_id")) == ("residents_to_leases", "c")
        del api.answers["residents", "r"]
        api.put("residents", "r", INTEGRATION, {"id": "r", "integration_id": INTEGRATION, "first_name": "Mary"})
        assert rows(replay("--model", "residents", config={"bridge.models": models})) == {}
        report = replay("--model", "residents-to-leases", config={"bridge.models": models})
        assert rows(report) == {("wrong-record", "residents_to_leases", "sent"): 1}
        kafka.wait_consumed(prefix, f"{prefix}.events.")
    first, again = kafka.read(f"{prefix}.events.residents_to_leases")
    assert headers_but(again, *STORY) == headers_but(first) and len(dead_letters()) == 1
    assert latest(snapshots("residents"))["r"]["first_name"] == "Mary"


def test_filters_leave_holes_and_the_rest_is_sent_later(kafka, prefix, replay, topics):
    topics()
    codes = ["forbidden", "refused", "wrong-record"]
    models = ["units", "residents"]
    made = [
        letter(prefix, number, codes[number % 3], models[number // 3 % 2], key=f"key {number % 7}".encode())
        for number in range(600)
    ]
    kafka.produce(f"{prefix}.dead-letters", made[:400])
    between = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime())}.{int(time.time() * 1000) % 1000:03}Z"
    wait_until(lambda: f"{time.time() * 1000:.0f}"[-3:] != between[-4:-1], 5, "the clock to go on")
    kafka.produce(f"{prefix}.dead-letters", made[400:])
    where = {number: (codes[number % 3], models[number // 3 % 2]) for number in range(600)}
    sent = []

    def check(wanted, *arguments, **more):
        """What a replay sends is just this."""
        dry = replay(*arguments, "--dry-run")
        assert ids(events()) == sorted(sent)
        report = replay(*arguments, **more)
        assert rows(report) == rows(dry) and report["sent"] == dry["sent"] == len(wanted)
        sent.extend(wanted)
        assert ids(events()) == sorted(sent)
        assert report["sent"] + report["not_chosen"] + report["sent_before"] == report["read"]
        return report

    def events():
        return kafka.read_all([f"{prefix}.events.{model}" for model in models])

    assert check([], "--code", "no-such-code")["not_chosen"] == 600
    check([n for n in range(600) if where[n] == ("refused", "units")], "--code", "refused", "--model", "units")
    check([n for n in range(400, 600) if n not in sent], "--since", between)
    report = replay("--limit", "17", "--model", "residents")
    assert report["sent"] == 17
    sent.extend(set(ids(events())) - set(sent))
    assert ids(events()) == sorted(sent) and {where[n][1] for n in sent[-17:]} == {"residents"}
    rest = [number for number in range(600) if number not in sent]
    assert check(rest)["read"] <= 600
    for key in {message.key for message in events()}:
        assert len({message.partition for message in events() if message.key == key}) == 1
    last = replay()
    assert (last["sent"], last["read"]) == (0, 0)
    assert "is not understood" in replay("--model", code=64)
    assert "no model spaceships" in replay("--model", "spaceships", code=64)
    assert "--since takes a moment" in replay("--since", "soon", code=64)
    assert "--limit takes" in replay("--limit", "0", code=64)


def test_interrupted_and_killed_in_the_middle(bridge, kafka, prefix, replay, topics):
    count = 12000
    topics({"topics.partitions": 2})
    made = [letter(prefix, number, key=f"key {number % 50}".encode()) for number in range(count)]
    kafka.produce(f"{prefix}.dead-letters", made)
    config = {"topics.partitions": 2}

    def reached():
        return sum(offset for offset, _ in kafka.committed(f"{prefix}-replay").values() if offset > 0)

    def start():
        before = reached()
        program = bridge("replay", config, arguments=("--json",), start=False, exit_code=75).start()
        wait_until(lambda: reached() > before or not program.running, 60, "a batch", interval=0)
        return program

    program = start()
    program.signal(signal.SIGINT)
    assert program.wait(30) == 75, program.log()
    report = json.loads(program.output())
    assert report["interrupted"] and 0 < report["sent"] < count
    assert len(kafka.read(f"{prefix}.events.units")) == report["sent"] == reached()
    start().kill()
    killed = reached()
    assert killed < count
    # Two at once: the second ends the first, and goes on from there.
    first = start()
    rest = replay(config=config)
    assert first.wait(30) in (0, 75), first.log()
    if first.exit_code == 75:
        assert "another replay has begun" in first.log()
    sent = Counter(ids(kafka.read(f"{prefix}.events.units")))
    assert sent.keys() == set(range(count)) and set(sent.values()) == {1}
    print(f"interrupted after {report['sent']}, killed after {killed}, the last one sent {rest['sent']}")


def test_what_cannot_be_sent_back_is_told(kafka, prefix, replay, topics):
    """Of records that one reading shows whole, another is ordered; letters of others stay, wherever they stand."""
    config = {"bridge.models": ["units", "residents_to_leases", "contracts"], "topics.partitions": 1}
    topics(config)
    made = [
        letter(prefix, 0, original="cut", value=b'{"tri'),
        letter(prefix, 1, original="gone", value=b""),
        letter(prefix, 2, model="residents_to_leases", original="cut", value=b'{"tri'),
        letter(prefix, 3, original="gone", value=b"", integration_id=None),
        letter(prefix, 4, model="leases"),
        letter(prefix, 5, source=None, source_topic=None),
        letter(prefix, 6, model="contracts"),
        (None, b"no letter at all", []),
        letter(prefix, 8, source="webhook", source_topic=None, value=b"{"),
    ]
    kafka.produce(f"{prefix}.dead-letters", made)
    report = replay(config=config)
    assert (report["read"], report["sent"], report["left"]) == (9, 3, 6)
    assert rows(report) == {
        ("-", "-", "of no topic of ours"): 1,
        ("forbidden", "contracts", "sent"): 1,
        ("forbidden", "leases", "of no topic of ours"): 1,
        ("forbidden", "residents_to_leases", "cut"): 1,
        ("forbidden", "units", "gone"): 1,
        ("forbidden", "units", "of no topic of ours"): 1,
        ("forbidden", "units", "ordered again"): 2,
        ("forbidden", "units", "still not-json"): 1,
    }
    places = {place["offset"]: place for place in report["cannot_be_sent"]}
    assert places.keys() == {2, 3, 4, 5, 7}
    assert places[2]["outcome"] == "cut" and places[2]["topic"] == f"{prefix}.dead-letters"
    assert (places[2]["source_topic"], places[2]["source_offset"]) == (f"{prefix}.events.residents_to_leases", "2")
    ordered = kafka.read(f"{prefix}.events.units")
    for number, event in enumerate(ordered):
        body = json.loads(event.value)["data"]
        assert (body["record_id"], body["integration_id"], body["object"]) == (f"r-{number}", INTEGRATION, "units")
        assert event.header("recovered") == "replay" and event.header("replayed") == "1"
        assert event.key == INTEGRATION.encode() and event.header("record_id") == f"r-{number}"
    assert len(ordered) == 2
    again = replay(config=config)
    assert (again["sent"], again["left"], again["sent_before"]) == (0, 6, 1)


def test_a_letter_that_kafka_refuses_holds_up_none(kafka, prefix, replay, topics):
    kafka.create_topics(f"{prefix}.events.units", config={"max.message.bytes": "5000"})
    config = {"bridge.models": ["units"], "topics.partitions": 1}
    topics(config, code=1)
    large = {7, 8, 30, 59}
    made = [letter(prefix, n, value=b"x" * (20000 if n in large else 100)) for n in range(60)]
    kafka.produce(f"{prefix}.dead-letters", made)
    report = replay(config=config)
    assert rows(report) == {("forbidden", "units", "sent"): 56, ("forbidden", "units", "too large"): 4}
    assert {place["offset"] for place in report["cannot_be_sent"]} == large
    assert ids(kafka.read(f"{prefix}.events.units")) == [n for n in range(60) if n not in large]
    again = replay(config=config)
    assert (again["sent"], again["left"]) == (0, 4)


def test_a_sync_that_could_not_be_routed_is_spread(kafka, prefix, replay, topics):
    """As by a receiver that understands its kind today."""
    topics({"topics.partitions": 1})
    sync = {"trigger": "SYNC_COMPLETE", "data": {"event": "SYNC_COMPLETE", "integration_id": INTEGRATION}}
    made = letter(
        prefix, 5, "unknown-kind", source="webhook", source_topic=None, model=None, record_id=None,
        value=json.dumps(sync).encode(),
    )  # fmt: skip
    kafka.produce(f"{prefix}.dead-letters", [made])
    report = replay(config={"topics.partitions": 1})
    assert (report["read"], report["sent"]) == (1, 1)
    behind = [message for model in ("residents", "leases", "units", "properties") for message in kafka.read(f"{prefix}.events.{model}")]
    (told,) = kafka.read(f"{prefix}.activity")
    assert len(behind) == 4 and {message.header("sync_id") for message in [*behind, told]} == {f"{5:032x}"}
    assert {message.header("sync_models") for message in behind} == {"residents,leases,units,properties"}


def test_more_holes_than_a_commit_can_tell(kafka, prefix, replay, topics, bridge):
    """The highest are sent once more; none is forgotten."""
    config = {"bridge.models": ["units"], "topics.partitions": 1}
    topics(config)
    count = 4000
    made = [letter(prefix, n, ("forbidden", "refused")[n % 2]) for n in range(count)]
    kafka.produce(f"{prefix}.dead-letters", made)
    program = bridge("replay", config, arguments=("--code", "refused"), start=False)
    program.start()
    assert program.wait(60) == 0 and "could not be remembered" in program.log(), program.log()
    assert f" {count // 2} sent," in program.output()
    report = replay(config=config)
    assert count // 2 < report["sent"] < count
    sent = Counter(ids(kafka.read(f"{prefix}.events.units")))
    assert sent.keys() == set(range(count)) and max(sent.values()) == 2
    assert sum(times == 2 for times in sent.values()) == report["sent"] - count // 2 < 600
    assert replay(config=config)["sent"] == 0


def test_kafka_away(bridge, replay):
    assert "Kafka" in replay(code=69, config={"kafka.bootstrap.servers": "127.0.0.1:9"})
    assert "embedded" in replay(code=78, config={"kafka.bootstrap.servers": "embedded"})
