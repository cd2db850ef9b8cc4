"""The simulated Propexo itself: what it sends, how it is steered, and that its own account of both is true."""

import copy
import hashlib
import hmac
import json
import socket
import time
import urllib.parse

import pytest

from harness.simulated import MODELS, SECRET, STAMPS, deliver, event_of, fetch, moment, wait_for, without_sequence

EMBEDDED = {"leases_meta_data", "residents_meta_data", "pets", "vehicles", "services", "pet_types", "associated_owner_ids"}


# Webhooks


def test_webhooks_are_signed_and_tell_each_change_once(sim, receiver):
    one, sink = sim(records=60, rate=0, new_percent=20, webhook_concurrency=1), receiver()
    state = {model: one.truth(model) for model in MODELS}
    before = copy.deepcopy(state)
    deliver(one, sink, changes=600)
    shapes, kinds = set(), set()
    for body, signature in zip(sink.bodies, sink.signatures):
        assert signature == hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        model, record_id, integration, kind, content, shape = event_of(body)
        true = one.truth(model)[record_id] if kind == "NEW" else None
        shapes.add(shape)
        kinds.add(kind if kind == "NEW" or set(content["new"]) - STAMPS else "SEEN")
        if kind == "NEW":
            assert record_id not in state[model]
            assert content.keys() <= true.keys()
            state[model][record_id] = {}
        else:
            known = state[model][record_id]
            assert content["new"].keys() == content["previous"].keys()
            assert 1 <= len(set(content["new"]) - STAMPS) <= 3 or "last_seen" in content["new"]
            assert all(content["new"][name] != old for name, old in content["previous"].items())
            if record_id in before[model]:
                # The moments move with every change, but not every diff tells them.
                assert all(known[name] == old for name, old in content["previous"].items() if name not in STAMPS)
                assert known["integration_id"] == integration
            known.update(content["new"])
    assert shapes == {"A", "B", "C"} and kinds == {"NEW", "UPDATE", "SEEN"}
    silent = 0
    for model in MODELS:
        changed = one.truth(model, "&changed=1")
        for record_id, true in one.truth(model).items():
            if record_id not in before[model]:
                assert record_id in changed
                continue
            told = {name: value for name, value in state[model][record_id].items() if name not in STAMPS}
            unlike = {name for name, value in told.items() if value != true[name]}
            silent += len(unlike)
            assert unlike <= EMBEDDED
            assert (record_id in changed) == (true != before[model][record_id])
    assert silent > 0
    stats = one.stats()
    assert stats["changes"] == stats["webhooks_ok"] == len(sink.bodies) == 600
    assert stats["webhook_answers"] == {"200": 600}
    assert one.line("event=changes_done").endswith("changes=600 webhooks_ok=600 webhooks_lost=0")
    assert [entry["body"].encode() for entry in one.sent(50)] == sink.bodies[-50:]
    assert [entry["signature"] for entry in one.sent(50)] == sink.signatures[-50:]


@pytest.mark.parametrize("shape", ["A", "B", "C", "A0"])
def test_one_shape_alone_is_sent(sim, receiver, shape):
    one, sink = sim(rate=0, shape=shape), receiver()
    deliver(one, sink, changes=40)
    assert {event_of(body)[5] for body in sink.bodies} == {shape}


def test_orphans_are_mixed_in_on_demand(sim, receiver):
    one, sink = sim(rate=0, mixed_orphans=50), receiver()
    deliver(one, sink, changes=100)
    assert {event_of(body)[5] for body in sink.bodies} == {"A", "B", "C", "A0"}


def test_a_refused_webhook_comes_again_and_is_lost_after_ten_retries(sim, receiver):
    one, sink = sim(retry_ms=5, rate=0, models="units", webhook_concurrency=1), receiver([503, 302, 500])
    deliver(one, sink, changes=1)
    assert len(sink.bodies) == 4 and len(set(sink.bodies)) == 1
    assert one.stats()["webhook_answers"] == {"200": 1, "302": 1, "500": 1, "503": 1}
    assert one.stats()["webhooks_retried"] == 3
    other, closed = sim(retry_ms=5, rate=0, models="units"), receiver([500] * 11)
    deliver(other, closed, changes=1)
    assert len(closed.bodies) == 11
    assert other.line("event=changes_done").endswith("webhooks_ok=0 webhooks_lost=1")
    assert [(entry["outcome"], entry["attempts"], entry["status"]) for entry in other.sent()] == [("lost", 11, 500)]


def test_a_receiver_that_is_not_there_is_tried_again(sim, receiver):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    one = sim(retry_ms=20, rate=0, webhook_url=f"http://127.0.0.1:{port}/", changes=3)
    wait_for(lambda: one.stats()["webhook_answers"].get("none", 0) >= 3, "three attempts")
    sink = receiver()
    deliver(one, sink, changes=1)
    assert one.stats()["webhooks_ok"] == len(sink.bodies) == 4


def test_dropped_webhooks_are_changes_that_nobody_hears_of(sim, receiver):
    one, sink = sim(rate=0, drop_webhooks=30, records=200, new_percent=0), receiver()
    deliver(one, sink, changes=300)
    stats = one.stats()
    assert stats["webhooks_dropped"] > 30
    assert stats["webhooks_dropped"] + len(sink.bodies) == 300
    told = {event_of(body)[1] for body in sink.bodies}
    changed = {record_id for model in MODELS for record_id in one.truth(model, "&changed=1")}
    assert told < changed


def test_the_rate_is_kept_and_a_stop_stops(sim, receiver):
    one, sink = sim(), receiver()
    began = time.monotonic()
    deliver(one, sink, rate=200, changes=100)
    assert time.monotonic() - began >= 0.45
    one.post("start", {"rate": 0, "changes": 0})
    wait_for(lambda: one.stats()["changes"] > 200, "changes without end")
    one.post("stop")
    wait_for(lambda: one.stats()["webhooks_waiting"] == 0, "delivery")
    made = one.stats()["changes"]
    assert not one.stats()["running"]
    assert one.stats()["webhooks_ok"] == one.stats()["changes"] == made == len(sink.bodies)


@pytest.mark.parametrize("mover", ["all", "changes", "none"])
def test_what_moves_updated_at_is_chosen(sim, receiver, mover):
    one, sink = sim(records=30, rate=0, updated_at=mover, new_percent=0, last_seen_percent=50, models="units"), receiver()
    before = one.truth("units")
    deliver(one, sink, changes=15)
    fields = {i for _, i, _, _, content, _ in map(event_of, sink.bodies) if set(content["new"]) - STAMPS}
    changed = one.truth("units", "&changed=1")
    moved = {i for i, record in changed.items() if record["updated_at"] != before[i]["updated_at"]}
    assert moved == {"all": set(changed), "changes": fields, "none": set()}[mover]
    assert all(record["last_seen"] != before[i]["last_seen"] for i, record in changed.items())


def test_the_seed_decides_records_changes_and_shapes(sim, receiver):
    def run(seed):
        one, sink = sim(seed=seed, rate=0, webhook_concurrency=1), receiver()
        start = {model: one.truth(model) for model in MODELS}
        deliver(one, sink, changes=200)
        events = []
        for body in sink.bodies:
            model, record_id, integration, kind, content, shape = event_of(body)
            content = content["new"] if kind == "UPDATE" else content
            lasting = {name: value for name, value in content.items() if name not in STAMPS}
            events.append((model, record_id, integration, kind, lasting, shape))
        return start, events

    assert run(7) == run(7)
    assert run(8)[0] != run(7)[0]


def test_distinct_changes_hit_each_record_once_before_any_twice(sim, receiver):
    def told(seed):
        one = sim(distinct="on", records=30, rate=0, new_percent=0, seed=seed)
        deliver(one, receiver(), changes=120)
        ids = [(note["model"], note["id"]) for note in one.told()]
        assert set(ids) == {(model, record_id) for model in MODELS for record_id in one.truth(model)}
        assert ids[:60] != sorted(ids[:60]) and len({model for model, _ in ids[:60]}) == len(MODELS)
        deliver(one, receiver(), changes=10)
        again = [(note["model"], note["id"]) for note in one.told()][120:]
        wait_for(lambda: one.stats()["webhooks_ok"] == 130, "130 webhooks")
        return ids, again

    first = told(7)
    assert first[1] == first[0][:10] and told(7) == first and told(8) != first


def test_distinct_changes_pass_deleted_records_by(sim, receiver):
    one = sim(distinct="on", records=5, rate=0, new_percent=0, models="units")
    kept, *gone = one.truth("units")
    for record_id in gone:
        one.post("delete?" + urllib.parse.urlencode({"model": "units", "id": record_id}))
    deliver(one, receiver(), changes=3)
    assert [note["id"] for note in one.told()] == [None] * 4 + [kept] * 3


def test_a_note_of_each_webhook_says_which_reads_show_its_change(sim, receiver):
    one, sink = sim(records=40, rate=0, last_seen_percent=40, webhook_concurrency=1, retry_ms=5), receiver([503])
    before = one.stats()["read_sequence"]
    deliver(one, sink, changes=150)
    told, sent = one.told(), one.sent()
    assert [(note["queued_at"], note["ended_at"], note["outcome"]) for note in told] == [
        (entry["queued_at"], entry["ended_at"], "ok") for entry in sent
    ]
    events = [event_of(entry["body"]) for entry in sent]
    assert [(note["model"], note["id"]) for note in told] == [event[:2] for event in events]
    assert [note["seen_only"] for note in told] == [kind == "UPDATE" and not set(c["new"]) - STAMPS for *_, kind, c, _ in events]
    numbers = [note["sequence"] for note in told]
    assert before < numbers[0] and numbers == sorted(set(numbers))
    model, record_id = told[-1]["model"], told[-1]["id"]
    _, sequence = without_sequence(one.record(model, record_id).results())
    assert sequence > numbers[-1]
    one.post("change", {"model": model, "id": record_id, "fields": {"x_id": "by hand"}})
    wait_for(lambda: one.told()[-1]["outcome"] == "ok", "the webhook of the change by hand")
    assert one.told()[-1]["sequence"] > sequence and not one.told()[-1]["seen_only"]


def test_the_notes_go_on_where_the_bodies_end(sim, receiver):
    one = sim(records=10, rate=0, drop_webhooks=100)
    deliver(one, receiver(), changes=12000)
    assert len(one.sent(20000)) == 10000
    assert [note["outcome"] for note in one.told()] == ["dropped"] * 12000


# Late and repeated webhooks


def numbers(one, member):
    return [entry["number"] for entry in one.sent() if entry[member]]


def test_late_webhooks_come_out_of_order_and_once(sim, receiver):
    one, sink = sim(late="30:400", rate=0, retry_ms=60000, webhook_concurrency=1), receiver()
    deliver(one, sink, changes=200)
    sent, late = one.sent(), numbers(one, "late")
    assert 30 < len(late) < 90
    assert len(sink.bodies) == len(set(sink.bodies)) == one.stats()["webhooks_ok"] == 200
    assert set(sink.bodies) == {entry["body"].encode() for entry in sent}
    assert sink.bodies != [entry["body"].encode() for entry in sent]
    assert one.stats()["webhooks_late"] == len(late) and one.stats()["webhooks_retried"] == 0
    assert [entry["attempts"] for entry in sent] == [2 if entry["late"] else 1 for entry in sent]
    assert all(entry["ended_at"] - entry["queued_at"] >= 390 for entry in sent if entry["late"])
    on_time = [entry["body"].encode() for entry in sent if not entry["late"]]
    assert [body for body in sink.bodies if body in set(on_time)] == on_time


def test_replayed_webhooks_come_again_byte_for_byte(sim, receiver):
    one, sink = sim(replay="25:300", rate=0, retry_ms=5, webhook_concurrency=1), receiver([503, 503])
    deliver(one, sink, changes=200)
    replayed = numbers(one, "replays")
    assert 25 < len(replayed) < 80
    assert one.stats()["webhooks_replayed"] == len(replayed) and one.stats()["webhooks_ok"] == 200
    assert len(sink.bodies) == 200 + 2 + len(replayed)
    for entry in one.sent():
        body = entry["body"].encode()
        times = [at for seen, at in zip(sink.bodies, sink.times) if seen == body]
        assert len(times) == entry["attempts"] + entry["replays"]
        assert entry["replays"] <= 1 and (not entry["replays"] or times[-1] - times[-2] >= 0.29)
    assert len(set(zip(sink.bodies, sink.signatures))) == 200


def test_a_refused_replay_is_not_tried_again_and_loses_nothing(sim, receiver):
    one, sink = sim(replay="100:5", rate=0, models="units", webhook_concurrency=1), receiver([200, 503])
    deliver(one, sink, changes=1)
    assert len(sink.bodies) == 2
    stats = one.stats()
    assert (stats["webhooks_ok"], stats["webhooks_lost"], stats["webhooks_replayed"], stats["webhooks_waiting"]) == (1, 0, 1, 0)


def test_late_and_replayed_webhooks_do_not_slow_the_stream(sim, receiver):
    one, sink = sim(late="50:1500", replay="50:1500", rate=0, webhook_concurrency=1), receiver()
    began = time.monotonic()
    deliver(one, sink, changes=300)
    assert time.monotonic() - began < 20
    assert len(sink.bodies) == 300 + one.stats()["webhooks_replayed"]


def test_the_seed_decides_which_webhooks_are_late_and_replayed(sim, receiver):
    def run(**flags):
        one = sim(**({"late": "20:50", "replay": "20:50", "rate": 0} | flags))
        deliver(one, receiver(), changes=150)
        return numbers(one, "late"), numbers(one, "replays")

    first = run()
    assert first == run(webhook_concurrency=1)
    assert first[0] and first[1] and first[0] != first[1]
    assert run(late="0:0")[1] == first[1] and run(replay="0:0")[0] == first[0]
    assert run(seed=2) != first


@pytest.mark.parametrize("teller", ["all", "none", "mixed"])
def test_whether_diffs_tell_updated_at_is_chosen(sim, receiver, teller):
    flags = {"diff_updated_at": teller, "updated_at": "all", "new_percent": 0, "rate": 0}
    one, sink = sim(**flags, models="units,contracts"), receiver()
    record_id = next(iter(one.truth("units")))
    deliver(one, sink, changes=200)
    one.post("change", {"model": "units", "id": record_id, "fields": {"floor": "by hand"}})
    wait_for(lambda: len(sink.bodies) == 201, "the webhook of the change by hand")
    telling = ["updated_at" in event_of(body)[4]["new"] for body in sink.bodies]
    assert {"all": {True}, "none": {False}, "mixed": {True, False}}[teller] == set(telling)
    by_hand = next(content for *_, content, _ in map(event_of, sink.bodies) if content["new"].get("floor") == "by hand")
    assert by_hand["new"].keys() == by_hand["previous"].keys() == ({"floor", "updated_at"} if teller == "all" else {"floor"})


# Steering


def test_one_particular_change_with_unknown_fields_and_types(sim, receiver):
    sink = receiver()
    one = sim(models="units", webhook_url=sink.url)
    record_id, before = next(iter(one.truth("units").items()))
    fields = {"floor": "7", "square_feet": "not a number", "later": {"x": 1}}
    fields["custom_data"] = {"read_sequence": 1, "a": [1, {"b": None}]}
    one.post("change", {"model": "units", "id": record_id, "fields": fields})
    one.post("change", {"model": "units", "id": record_id, "fields": {"later": [2], "other": "ü\"\n"}})
    one.post("change", {"model": "units", "id": record_id, "fields": {"city": "unheard"}, "webhook": False})
    after = one.truth("units")[record_id]
    assert after["floor"] == "7" and after["square_feet"] == "not a number" and after["city"] == "unheard"
    assert after["custom_data"] == {"a": [1, {"b": None}]}
    assert after["later"] == [2] and after["other"] == "ü\"\n"
    assert moment(after["updated_at"]) > moment(before["updated_at"])
    record, _ = without_sequence(one.record("units", record_id).results())
    assert record == after
    wait_for(lambda: len(sink.bodies) == 2, "two webhooks")
    diff = next(content for *_, content, _ in map(event_of, sink.bodies) if "floor" in content["new"])
    assert diff["new"] == {"floor": "7", "square_feet": "not a number", "custom_data": {"a": [1, {"b": None}]}}
    assert diff["previous"] == {name: before[name] for name in diff["new"]}
    one.post("change", {"model": "units", "id": record_id, "fields": {"last_seen": "2020-01-01T00:00:00Z"}})
    assert one.get("/v1/units/?order-by=last_seen:asc&limit=250").results()[-1]["id"] != record_id
    assert one.truth("units")[record_id]["last_seen"] == "2020-01-01T00:00:00Z"


def test_a_deleted_record_is_unknown_from_then_on(sim, receiver):
    sink = receiver()
    one = sim(records=300, models="units", webhook_url=sink.url)
    record_id = next(i for i in one.truth("units") if "/" in i)
    one.post("delete?" + urllib.parse.urlencode({"model": "units", "id": record_id}))
    assert one.record("units", record_id).status == 404
    assert record_id not in one.truth("units")
    total = one.get("/v1/units/?limit=1").json()["meta"]["total"]
    assert total == one.stats()["records"]["units"] == len(one.truth("units"))
    assert one.stats()["deleted"] == 1
    wait_for(lambda: any(event_of(body)[1] == record_id for body in sink.bodies), "its webhook")
    content = next(event_of(body)[4] for body in sink.bodies if event_of(body)[1] == record_id)
    assert set(content["new"]) == set(content["previous"]) == {"last_seen"}
    one.post("delete?" + urllib.parse.urlencode({"model": "units", "id": record_id}), expected=404)


def test_steering_refuses_what_it_does_not_know(sim):
    one = sim(models="units")
    record_id = next(iter(one.truth("units")))
    for page, body, status in [
        ("start", {"speed": 1}, 400),
        ("start", {"shape": "D"}, 400),
        ("start", {"rate": -1}, 400),
        ("start", {"webhook_url": ""}, 400),
        ("start", [], 400),
        ("change", {"model": "units", "id": record_id, "fields": {"id": "x"}}, 400),
        ("change", {"model": "units", "id": record_id, "fields": {"updated_at": "today"}}, 400),
        ("change", {"model": "units", "id": "unknown", "fields": {}}, 404),
        ("change", {"model": "leases", "id": record_id, "fields": {}}, 404),
        ("delete?model=units&id=unknown", {}, 404),
        ("nothing", {}, 404),
        ("stats", {}, 405),
    ]:
        answer = fetch("POST", f"{one.url}/_sim/{page}", json.dumps(body).encode())
        assert (page, answer.status) == (page, status)
    assert fetch("GET", f"{one.url}/_sim/truth?model=leases").status == 404
    assert one.stats()["changes"] == 0
