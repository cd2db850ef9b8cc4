"""When the API fails: every kind of failure is counted, waited out, and led to its end; one sick integration holds no other."""

import os
import time

import pytest

from harness.faulty_api import HTML, FaultyApi, answer, hang, redirect_loop, reset_in_body
from harness.http_client import request
from harness.ports import reserve_port
from harness.snapshots import latest
from harness.truth import assert_equals_truth
from harness.wait import wait_until
from test_backfill import assert_whole, milestones, order, wait_complete
from test_syncs import complete_sync, told

MODELS = ["residents", "units"]
FORMAT = {"output.format": "json"}
RECORD = "a snapshot, in the end"
TOMBSTONE = "a tombstone"
KIB = 1024

# label of the counter, what the API does, and what becomes of the record
FAILURES = [
    ("timeout", hang, RECORD),
    ("reset", reset_in_body, RECORD),
    ("redirect_loop", redirect_loop, RECORD),
    ("redirect", answer(304, b""), RECORD),
    ("server_error", answer(500), RECORD),
    ("server_error", answer(503, b"<html>", HTML), RECORD),
    ("server_error", answer(501), RECORD),
    ("not_now", answer(408), RECORD),
    ("unpaid", answer(402), RECORD),
    ("proxy_page", answer(404, b"<html>", HTML), RECORD),
    ("proxy_page", answer(403, b"<html>", HTML), RECORD),
    ("wrong_content", answer(200, b"<html>", HTML), RECORD),
    ("cut", answer(200, b'{"results": {"id": '), RECORD),
    ("cut", answer(200, b""), RECORD),
    ("odd_status", answer(206), RECORD),
    ("forbidden", answer(403), RECORD),  # as long as its model waits
    ("gone", answer(404), TOMBSTONE),
    ("refused", answer(422), "refused"),
    ("wrong_id", answer(200, b'{"results": {"id": "another"}}'), "wrong-record"),
    ("no_record", answer(200, b'{"results": []}'), "wrong-record"),
    ("unreadable", answer(200, b'{"results": {"id": 01.e}}'), "wrong-record"),
    ("too_large", answer(200, b'{"results": "' + b"x" * 200 * KIB + b'"}'), "too-large"),
]


def outcomes(running, label):
    return running.metrics().sum("bridge_api_requests_total", outcome=label)


def by_integration(propexo, model):
    """{integration: ids of its records}"""
    found = {}
    for key, record in propexo.truth(model).items():
        found.setdefault(record["integration_id"], []).append(key)
    return found


def change(propexo, model, keys, number=1):
    for key in keys:
        propexo.change(model, key, {"custom_data": {"changed": number}}, webhook=True)


def letters(kafka, prefix):
    return {letter.header("record_id"): letter.header("error_code") for letter in kafka.read(f"{prefix}.dead-letters")}


def point(propexo, running):
    """Webhooks of changes by hand go to the bridge."""
    propexo.begin(running.receiver_url(), rate=1, changes=1)
    propexo.wait_delivered()
    wait_until(lambda: not propexo.stats()["running"], 20, "the one change", interval=0.05)
    propexo.wait_delivered()


def test_every_failure_has_its_counter_and_its_end(simulator, bridge, kafka, prefix, snapshots):
    propexo = simulator(models=["units"], records=2 * len(FAILURES), integrations=len(FAILURES), limit_per_minute=0)
    with FaultyApi(propexo, ["units"], empty_lists=True) as api:
        config = {"bridge.models": ["units"], "topics.max_message": "64 KiB", "enricher.breaker_failures": 10000}
        config |= {"api.timeout_ms": 1000, "enricher.max_delay_ms": 0, "receiver.max_body": "16 KiB"}
        running = bridge("run", FORMAT | config | api.config, simulator=propexo)
        running.wait_event("assigned", 30)
        point(propexo, running)
        kafka.wait_consumed(prefix, f"{prefix}.events.")
        owned = by_integration(propexo, "units")
        rows = dict(zip(owned, FAILURES))
        api.set({integration: fault for integration, (_, fault, _) in rows.items()})
        wanted = {owned[integration][0]: end for integration, (_, _, end) in rows.items()}
        change(propexo, "units", wanted)
        propexo.wait_delivered()
        codes = {key: end for key, end in wanted.items() if end not in (RECORD, TOMBSTONE)}
        wait_until(lambda: letters(kafka, prefix) == codes, 60, lambda: f"{letters(kafka, prefix)}", interval=0.3)
        # Each outage came again and again meanwhile.
        for label, _, end in FAILURES:
            least = 3 if end == RECORD and label != "forbidden" else 1
            wait_until(lambda: outcomes(running, label) >= least, 30, f"{least} of {label}", interval=0.2)
        api.set({})
        kafka.wait_consumed(prefix, f"{prefix}.events.")
        assert letters(kafka, prefix) == codes
        found = {one.key: one.record for one in snapshots("units")}
        for key, end in wanted.items():
            assert (key in found) == (end in (RECORD, TOMBSTONE)), end
            assert (found.get(key) is not None) == (end == RECORD), end
        # What was logged is what the table says.
        for label, level, name in (("timeout", "warn", "api_outage"), ("unpaid", "error", "api_outage"),
                                   ("refused", "warn", "api_refused"), ("too_large", "warn", "api_bad_answer")):
            (event, *_) = running.events(name, outcome=label)
            assert event["level"] == level and event["model"] == "units" and event["reason"]
            assert rows[event["integration_id"]][0] == label


@pytest.mark.parametrize("label", ["no_host", "no_connection", "tls"])
def test_who_cannot_be_reached(simulator, bridge, kafka, prefix, snapshots, label):
    """It counts for the API as a whole, which is held back; nothing is lost, and nothing is a dead letter."""
    propexo = simulator(models=["units"], records=40, integrations=4, limit_per_minute=0)
    port = reserve_port()
    urls = {
        "no_host": f"http://{'no-name-in-the-dns-is-longer-than-63' * 2}",
        "no_connection": f"http://127.0.0.1:{port}",
        "tls": propexo.url.replace("http:", "https:"),
    }
    config = FORMAT | {"bridge.models": ["units"], "enricher.breaker_failures": 3, "bridge.instance": f"{prefix}-one"}
    running = bridge("run", config | {"api.base_url": urls[label]}, simulator=propexo)
    running.wait_event("assigned", 30)
    propexo.begin(running.receiver_url(), rate=0, changes=20)
    propexo.wait_changes_done()
    event = running.wait_event("breaker", 30, state="open")
    assert (event["scope"], event["integration_id"], int(event["failures"])) == ("all", "", 3)
    assert running.metrics().sum("bridge_api_breaker_open") == 1
    assert running.metrics().sum("bridge_api_breakers_open") == 0
    wait_until(lambda: outcomes(running, label) >= 5, 30, "probes, too", interval=0.1)
    seen = running.metrics()
    assert seen.sum("bridge_api_requests_total") == seen.sum("bridge_api_requests_total", outcome=label)
    assert kafka.read(f"{prefix}.dead-letters") == []
    if label == "no_connection":
        with FaultyApi(propexo, ["units"], port=port):
            kafka.wait_consumed(prefix, f"{prefix}.events.")
            wait_until(lambda: running.metrics().sum("bridge_api_breaker_open") == 0, 10, "the breaker closes")
    else:  # nothing but another address mends it
        assert running.stop() == 0
        again = bridge("run", config, simulator=propexo)
        kafka.wait_consumed(prefix, f"{prefix}.events.")
        assert again.metrics().sum("bridge_api_breaker_open") == 0
    assert_equals_truth(propexo, snapshots, ["units"])
    assert kafka.read(f"{prefix}.dead-letters") == []


def processor_seconds(program):
    with open(f"/proc/{program.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("fault", [answer(500), hang], ids=["errors", "time-outs"])
def test_one_sick_integration_of_four(simulator, bridge, kafka, prefix, snapshots, fault):
    propexo = simulator(models=MODELS, records=200, integrations=4, limit_per_minute=0)
    with FaultyApi(propexo, MODELS, empty_lists=True) as api:
        config = {"bridge.models": MODELS, "enricher.breaker_failures": 5, "api.timeout_ms": 2000}
        running = bridge("run", FORMAT | config | api.config | {"enricher.max_delay_ms": 100}, simulator=propexo)
        running.wait_event("assigned", 30)
        point(propexo, running)
        kafka.wait_consumed(prefix, f"{prefix}.events.")
        owned = {model: by_integration(propexo, model) for model in MODELS}
        sick, *well = sorted(owned["units"])
        api.set({sick: fault})
        began = time.monotonic()
        for model in MODELS:
            change(propexo, model, owned[model][sick][:20])
            for integration in well:
                change(propexo, model, owned[model][integration][:20])
        wanted = {model: {key for one in well for key in owned[model][one][:20]} for model in MODELS}
        wait_until(
            lambda: all(wanted[model] <= latest(snapshots(model)).keys() for model in MODELS),
            20,
            "the snapshots of those that are well",
            interval=0.2,
        )
        print(f"the others' snapshots are there after {time.monotonic() - began:.1f} s")
        event = running.wait_event("breaker", 60, state="open")
        assert (event["scope"], event["integration_id"], event["failures"]) == ("integration", sick, "5")
        metrics = running.metrics()
        assert metrics.sum("bridge_api_breakers_open", scope="integration") == 1
        assert metrics.sum("bridge_api_breaker_open") == 0
        assert metrics.sum("bridge_partitions_paused") == 0
        assert request("GET", running.admin_url("/readyz")).status == 200
        # It is asked for by probes alone, others at full speed, and nobody spins.
        wait_until(lambda: len(running.events("breaker", scope="integration", state="open")) >= 3, 60, "probes")
        asked, used, began = api.count(sick), processor_seconds(running), time.monotonic()
        change(propexo, "units", owned["units"][well[0]][20:40])
        more = set(owned["units"][well[0]][20:40])
        wait_until(lambda: more <= latest(snapshots("units")).keys(), 10, "later changes of another", interval=0.2)
        time.sleep(max(0, began + 3 - time.monotonic()))  # a time over which use is measured
        assert api.count(sick) - asked <= 3
        assert processor_seconds(running) - used < 0.3 * (time.monotonic() - began)
        assert not {key for key in owned["units"][sick][:20]} & latest(snapshots("units")).keys()
        api.set({})
        running.wait_event("breaker", 60, state="closed", integration_id=sick)
        kafka.wait_consumed(prefix, f"{prefix}.events.")
        assert running.metrics().sum("bridge_api_breakers_open") == 0
        assert running.metrics().sum("bridge_api_breaker_openings_total", scope="integration") == 1
        assert running.metrics().sum("bridge_api_breaker_openings_total", scope="all") == 0
    assert_equals_truth(propexo, snapshots, MODELS)
    assert kafka.read(f"{prefix}.dead-letters") == []


def test_only_its_partition_pauses_and_only_when_its_share_is_full(simulator, bridge, kafka, prefix, snapshots):
    propexo = simulator(models=["units"], records=600, integrations=6, limit_per_minute=0)
    with FaultyApi(propexo, ["units"], empty_lists=True) as api:
        config = {"bridge.models": ["units"], "topics.partitions": 2, "enricher.max_pending": 40}
        config |= {"enricher.breaker_failures": 3, "enricher.max_delay_ms": 0}
        running = bridge("run", FORMAT | config | api.config, simulator=propexo)
        running.wait_event("assigned", 30)
        point(propexo, running)
        owned = by_integration(propexo, "units")
        for keys in owned.values():
            change(propexo, "units", keys[:1])
        kafka.wait_consumed(prefix, f"{prefix}.events.")
        places = {message.key.decode(): message.partition for message in kafka.read(f"{prefix}.events.units")}
        sick = next(iter(owned))
        other = next(one for one in owned if places[one] != places[sick])
        api.set({sick: answer(503)})
        change(propexo, "units", owned[sick][1:16])
        running.wait_event("breaker", 30, state="open", integration_id=sick)
        wait_until(lambda: running.metrics().sum("bridge_waiting_records") == 15, 20, "all are taken in")
        assert running.metrics().sum("bridge_partitions_paused") == 0
        change(propexo, "units", owned[sick][16:])
        wait_until(lambda: running.metrics().sum("bridge_partitions_paused") == 1, 20, "its share is full")
        change(propexo, "units", owned[other])
        more = set(owned[other])
        wait_until(lambda: more <= latest(snapshots("units")).keys(), 30, "the other partition goes on", interval=0.2)
        assert running.metrics().sum("bridge_partitions_paused") == 1
        api.set({})
        kafka.wait_consumed(prefix, f"{prefix}.events.")
        assert running.metrics().sum("bridge_partitions_paused") == 0
    assert_equals_truth(propexo, snapshots, ["units"])
    assert kafka.read(f"{prefix}.dead-letters") == []


def test_a_sick_integration_during_backfills(simulator, bridge, kafka, prefix, snapshots):
    """Those of others are not held up, though no more than two may run at once; after healing it goes on."""
    propexo = simulator(models=MODELS, records=4000, integrations=4, limit_per_minute=0, latency_ms=20)
    with FaultyApi(propexo, MODELS) as api:
        config = {"bridge.models": MODELS, "enricher.breaker_failures": 3, "backfill.max_running": 2}
        running = bridge("run", FORMAT | config | api.config, simulator=propexo)
        running.wait_event("assigned", 30)
        integrations = propexo.stats()["integrations"]
        sick, *well = integrations
        api.set({sick: answer(500)})
        for integration in integrations:
            order(running, propexo, integration)
        complete = wait_complete(kafka, prefix, 2 * len(well))
        assert {integration for integration, _ in complete} == set(well)
        running.wait_event("breaker", 30, state="open", integration_id=sick)
        assert running.metrics().sum("bridge_api_breaker_open") == 0
        api.set({})
        wait_complete(kafka, prefix, 2 * len(integrations))
        kafka.wait_consumed(prefix, f"{prefix}.events.")
        wait_until(lambda: running.metrics().sum("bridge_api_breakers_open") == 0, 10, "the breaker closes")
    assert_whole(propexo, snapshots, MODELS, set(integrations))
    assert milestones(kafka, prefix, "BACKFILL_FAILED") == {}
    assert kafka.read(f"{prefix}.dead-letters") == []


def test_a_sick_integration_during_the_check_of_a_sync(simulator, bridge, kafka, prefix, snapshots):
    propexo = simulator(models=MODELS, records=400, integrations=3, limit_per_minute=0, drop_webhooks=10)
    with FaultyApi(propexo, MODELS) as api:
        config = {"bridge.models": MODELS, "enricher.breaker_failures": 3, "sync.grace_ms": 0}
        running = bridge("run", FORMAT | config | api.config, simulator=propexo)
        running.wait_event("assigned", 30)
        propexo.begin(running.receiver_url(), rate=1000, changes=300)
        propexo.wait_changes_done()
        kafka.wait_consumed(prefix, f"{prefix}.events.")
        integrations = propexo.stats()["integrations"]
        sick, *well = integrations
        api.set({sick: answer(502)})
        for integration in integrations:
            complete_sync(running, propexo, integration)

        def checked():
            return {one["integration_id"]: one for one in told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE")}

        wait_until(lambda: checked().keys() >= set(well), 60, lambda: f"the others' syncs: {checked()}", interval=0.2)
        running.wait_event("breaker", 60, state="open", integration_id=sick)
        assert running.metrics().sum("bridge_api_breaker_open") == 0
        assert sick not in checked()
        api.set({})
        wait_until(lambda: sick in checked(), 60, "its own sync", interval=0.2)
        assert all(one["reconciled"] for one in checked().values())
        kafka.wait_consumed(prefix, f"{prefix}.events.")
    assert_equals_truth(propexo, snapshots, MODELS)
    assert kafka.read(f"{prefix}.dead-letters") == []
