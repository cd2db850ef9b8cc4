"""What the enricher makes of deletions, orphans, stale answers, faults and a small budget."""

import json
from urllib.parse import quote

import pytest

from harness.http_client import request
from harness.simulator import SECRET
from harness.snapshots import latest
from harness.truth import assert_equals_truth
from harness.wait import wait_until

MODELS = ["residents", "units"]


def control(propexo, path, body=None):
    answer = request("POST", f"{propexo.url}/_sim/{path}", json.dumps(body or {}).encode())
    assert answer.status == 200, answer.text()


@pytest.fixture
def propexo(simulator):
    def start(**flags):
        return simulator(**({"records": 50, "integrations": 3, "models": MODELS, "limit_per_minute": 0} | flags))

    return start


@pytest.fixture
def running(bridge):
    """A bridge that has joined its group, JSON output."""

    def start(propexo, config=None):
        program = bridge("run", {"bridge.models": MODELS} | (config or {}), simulator=propexo)
        program.wait_event("assigned", 30)
        return program

    return start


@pytest.fixture
def consumed(kafka, prefix):
    return lambda timeout=60: kafka.wait_consumed(prefix, f"{prefix}.events.", timeout)


def test_json_snapshots_have_the_same_shape(propexo, running, snapshots, consumed):
    sim = propexo()
    sim.begin(running(sim).receiver_url(), rate=100, changes=200)
    sim.wait_changes_done()
    consumed()
    assert_equals_truth(sim, snapshots, MODELS)


def test_a_deleted_record_becomes_a_tombstone(propexo, running, snapshots, consumed):
    sim = propexo()
    bridge = running(sim)
    sim.begin(bridge.receiver_url(), rate=0, changes=50)
    sim.wait_changes_done()
    consumed()
    gone = next(iter(latest(snapshots("units"))))
    control(sim, f"delete?model=units&id={quote(gone, safe='')}")
    wait_until(lambda: snapshots("units")[-1].record is None or gone not in latest(snapshots("units")), 30, "it to go")
    (tombstone,) = (s for s in snapshots("units") if s.record is None)
    assert tombstone.key == gone and tombstone.headers["record_id"] == gone
    assert bridge.metrics().sum("bridge_snapshots_total", kind="tombstone") == 1


def test_an_event_without_integration_is_forwarded(propexo, running, snapshots, consumed, kafka, prefix):
    sim = propexo(shape="A0")
    bridge = running(sim)
    sim.begin(bridge.receiver_url(), rate=50, changes=60)
    sim.wait_changes_done()

    def told():
        letters = [(letter.header("error_code"), letter.key) for letter in kafka.read(f"{prefix}.dead-letters")]
        return f"the forwards; dead letters: {letters}\n{bridge.log()}"

    wait_until(lambda: sum(len(kafka.read(f"{prefix}.events.{m}")) for m in MODELS) >= 120, 60, told)
    wait_until(lambda: all(sim.truth(m, changed=True).keys() <= latest(snapshots(m)).keys() for m in MODELS), 60, "all")
    events = [message for model in MODELS for message in kafka.read(f"{prefix}.events.{model}")]
    orphans = [message for message in events if message.header("forwarded") is None]
    forwards = [message for message in events if message.header("forwarded") == "true"]
    assert len(orphans) == len(forwards) == 60
    assert sorted(m.value for m in orphans) == sorted(m.value for m in forwards)
    assert all(m.header("integration_id") is None for m in orphans)
    assert all(m.key.decode() == m.header("integration_id") in sim.stats()["integrations"] for m in forwards)
    assert_equals_truth(sim, snapshots, MODELS)


def test_a_stale_answer_is_read_again(propexo, running, snapshots, consumed):
    sim = propexo(fault="stale-first:100%")
    bridge = running(sim)
    sim.begin(bridge.receiver_url(), rate=0, changes=1)
    sim.wait_changes_done()
    consumed()
    # The simulator's stamp in custom_data hides what that field held before, so others are changed.
    chosen = list(sim.truth("residents"))[:20]
    for number, record in enumerate(chosen):
        fields = {"first_name": f"Mary {number}", "balance_in_cents": number + 0.5}
        control(sim, "change", {"model": "residents", "id": record, "fields": fields, "webhook": True})
    sim.wait_delivered()
    consumed()
    last = latest(snapshots("residents"))
    assert [last[record]["first_name"] for record in chosen] == [f"Mary {number}" for number in range(20)]
    assert bridge.metrics().sum("bridge_answers_reread_total") >= 20
    newest = {snapshot.key: snapshot for snapshot in snapshots("residents")}
    assert {newest[record].headers["consistency"] for record in chosen} == {"confirmed"}
    assert {newest[record].headers["changed_fields"] for record in chosen} == {"first_name,balance_in_cents"}


def test_outages_of_single_requests_lose_nothing(propexo, running, snapshots, consumed, kafka, prefix):
    sim = propexo(fault="500:10%,reset:5%,truncate:5%,429:2%", latency_ms=5)
    sim.begin(running(sim).receiver_url(), rate=100, changes=500)
    sim.wait_changes_done()
    consumed(180)
    assert_equals_truth(sim, snapshots, MODELS)
    assert kafka.read(f"{prefix}.dead-letters") == []


def test_the_api_away_opens_the_breaker_and_comes_back(propexo, running, snapshots, consumed):
    sim = propexo()
    bridge = running(sim, {"enricher.breaker_failures": 5})
    control(sim, "fault", {"spec": "500:100%"})
    sim.begin(bridge.receiver_url(), rate=0, changes=100)
    bridge.wait_event("breaker", 30, state="open")
    control(sim, "fault", {"spec": ""})
    bridge.wait_event("breaker", 60, state="closed")
    sim.wait_changes_done()
    consumed(120)
    assert_equals_truth(sim, snapshots, MODELS)


def test_a_small_budget_is_kept_to(propexo, running, snapshots, consumed):
    sim = propexo(limit_per_minute=120, records=20)
    sim.begin(running(sim).receiver_url(), rate=0, changes=60)
    sim.wait_changes_done()
    consumed(120)
    assert sim.stats()["status_429"] == 0
    assert_equals_truth(sim, snapshots, MODELS)


def test_what_no_request_can_mend_is_a_dead_letter(propexo, running, consumed, kafka, prefix):
    sim = propexo(fault="wrong-id:100%")
    bridge = running(sim, {"bridge.models": [*MODELS, "residents_to_leases"]})
    wrong = {"meta": {"object": "units", "integration_id": "i"}, "record_id": next(iter(sim.truth("units"))), "diff": {}}
    child = wrong | {"meta": {"object": "residents-to-leases", "integration_id": "i"}}
    for body in (wrong, child):
        assert bridge.post(body, secret=SECRET).status == 200
    consumed(60)
    letters = {message.header("error_code"): message for message in kafka.read(f"{prefix}.dead-letters")}
    assert letters.keys() == {"wrong-record", "parent-unknown"}
    for code, body in (("wrong-record", wrong), ("parent-unknown", child)):
        letter = letters[code]
        assert json.loads(letter.value) == body and letter.key == b"i"
        assert letter.header("source") == "enricher" and letter.header("source_offset") == "0"
        assert letter.header("source_topic").startswith(f"{prefix}.events.")
    assert letters["wrong-record"].header("attempts") == "4"


def test_a_refused_token_pauses_everything(propexo, running, consumed, snapshots):
    sim = propexo()
    bridge = running(sim, {"api.token": "another-token"})
    sim.begin(bridge.receiver_url(), rate=0, changes=20)
    sim.wait_changes_done()
    wait_until(lambda: b"api.token" in request("GET", bridge.admin_url("/readyz")).body, 20, "not ready")
    assert request("GET", bridge.admin_url("/readyz")).status == 503
    assert sim.stats()["status_4xx"] <= 16
    assert all(snapshots(model) == [] for model in MODELS)


def test_one_large_record_is_told_from_its_neighbours(propexo, running, consumed, snapshots, kafka, prefix):
    """Kafka refuses whole record batches: here every batch of several records, for the topic takes little."""
    kafka.create_topics(f"{prefix}.snapshots.units", config={"max.message.bytes": "12000"})
    sim = propexo(records=300, models=["units"])
    bridge = running(sim, {"bridge.models": ["units"]})
    large = next(iter(sim.truth("units")))
    control(sim, "start", {"webhook_url": bridge.receiver_url(), "rate": 0, "changes": 250})
    body = {"model": "units", "id": large, "fields": {"description": "x" * 30_000}, "webhook": True}
    control(sim, "change", body)
    sim.wait_delivered()
    consumed(120)
    letters = kafka.read(f"{prefix}.dead-letters")
    assert {(letter.header("error_code"), letter.header("record_id")) for letter in letters} == {("too-large", large)}
    last = latest(snapshots("units"))
    assert sim.truth("units", changed=True).keys() - {large} <= last.keys() and len(last) > 100
    assert bridge.metrics().sum("bridge_dead_letters_total") >= 1
