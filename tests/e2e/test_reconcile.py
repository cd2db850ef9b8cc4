"""A webhook that never arrived is found after its sync, and made good before that is told."""

import json

import pytest

from harness.http_client import request
from harness.snapshots import latest
from harness.truth import assert_equals_truth
from harness.wait import wait_until
from test_syncs import complete_sync, told, wait_told

READABLE = ["residents", "units", "leases"]
LISTED = ["residents", "units"]
FORMAT = {"output.format": "json", "sync.grace_ms": 500, "api.requests_per_minute": 0}


def change(propexo, running, rate, changes):
    propexo.begin(running.receiver_url(), rate=rate, changes=changes)
    propexo.wait_delivered()
    wait_until(lambda: not propexo.stats()["running"], 60, "the changes' end", interval=0.05)
    propexo.wait_delivered()


def sync(propexo, running, kafka, prefix, number=1, **more):
    for integration in propexo.stats()["integrations"]:
        complete_sync(running, propexo, integration, **more)
    wait_told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE", number * len(propexo.stats()["integrations"]))


def dropped(propexo):
    return propexo.stats()["webhooks_dropped"]


@pytest.mark.parametrize(
    ("models", "flags"),
    [(LISTED, {"distinct": "on"}), (["residents", "leases", "residents_to_leases", "contracts"], {"new_percent": 100})],
)
def test_dropped_webhooks_are_made_good(simulator, bridge, kafka, prefix, snapshots, models, flags):
    """Also of records that only others show (relations), and of those that nothing shows (contracts)."""
    propexo = simulator(limit_per_minute=0, models=models, records=1000, integrations=2, drop_webhooks=5, **flags)
    running = bridge("run", FORMAT | {"bridge.models": models}, simulator=propexo)
    running.wait_event("assigned", 20)
    for number in (1, 2):
        change(propexo, running, 1000, 400 * len(models))
        sync(propexo, running, kafka, prefix, number)
        assert_equals_truth(propexo, snapshots, [model for model in models if model in READABLE])
        if "contracts" in models:
            assert propexo.truth("contracts", changed=True).keys() == latest(snapshots("contracts")).keys()
    missed = dropped(propexo)
    assert missed > 20
    metrics = running.metrics()
    assert metrics.sum("bridge_webhooks_missed_total") == missed
    assert metrics.sum("bridge_webhooks_unverified_total") == 0
    milestones = told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE")
    assert [one["reconciled"] for one in milestones] == [True] * 4
    assert sum(one["missed"] for one in milestones) == missed
    assert sum(one["missed"] for one in told(kafka, prefix, "SNAPSHOTS_COMPLETE")) == missed
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    assert kafka.read(f"{prefix}.dead-letters") == []


def test_without_a_right_to_recorded_changes_lists_are_read(simulator, bridge, kafka, prefix, snapshots):
    models = [*LISTED, "contracts"]
    flags = {"drop_webhooks": 10, "distinct": "on", "data_diffs": "off", "last_seen_percent": 0}
    propexo = simulator(limit_per_minute=0, models=models, records=1000, integrations=1, **flags)
    running = bridge("run", FORMAT | {"bridge.models": models}, simulator=propexo)
    running.wait_event("assigned", 20)
    for number in (1, 2):
        change(propexo, running, 1000, 600)
        sync(propexo, running, kafka, prefix, number)
        assert_equals_truth(propexo, snapshots, LISTED)
    first, second = told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE")
    assert not first["reconciled"] and first["reason"] == "not-listed"
    by_model = {one["model"]: one for one in told(kafka, prefix, "SNAPSHOTS_COMPLETE") if one["sync"] == second["sync"]}
    assert [by_model[model]["reconciled"] for model in models] == [True, True, False]
    running.wait_event("data_diffs_refused", 1)
    assert running.metrics().sum("bridge_webhooks_missed_total") == first["missed"] + second["missed"]
    assert 50 < first["missed"] + second["missed"] < dropped(propexo)


def test_every_webhook_arrived(simulator, bridge, kafka, prefix):
    """One request proves it, and the milestone does not wait."""
    propexo = simulator(limit_per_minute=0, models=LISTED, records=1000, integrations=1, distinct="on")
    config = FORMAT | {"bridge.models": LISTED, "sync.grace_ms": 60000, "sync.late_ms": 0}
    running = bridge("run", config, simulator=propexo)
    running.wait_event("assigned", 20)
    for number in (1, 2, 3):
        change(propexo, running, 1000, 500)
        sync(propexo, running, kafka, prefix, number)
        assert running.metrics().sum("bridge_api_requests_by_kind_total", kind="diffs") == number
    assert all(one["reconciled"] and one["missed"] == 0 for one in told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE"))
    assert running.metrics().sum("bridge_syncs_checked_total", outcome="reconciled") == 3


def test_after_a_restart_it_is_not_known_what_came(simulator, bridge, kafka, prefix, snapshots):
    """What came before the restart is made good, since it may not have come, and is not called missed."""
    propexo = simulator(limit_per_minute=0, models=LISTED, records=1000, integrations=1, drop_webhooks=5, distinct="on")
    config = FORMAT | {"bridge.models": LISTED, "bridge.instance": f"{prefix}-one"}
    running = bridge("run", config, simulator=propexo)
    running.wait_event("assigned", 20)
    change(propexo, running, 1000, 400)
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    running.kill()
    running.start_ready()
    running.wait_event("assigned", 60)
    change(propexo, running, 1000, 400)
    sync(propexo, running, kafka, prefix)
    assert_equals_truth(propexo, snapshots, LISTED)
    (milestone,) = told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE")
    assert milestone["reconciled"] and milestone["missed"] == 0 and milestone["unverified"] >= 400
    change(propexo, running, 1000, 400)
    before = dropped(propexo)
    sync(propexo, running, kafka, prefix, 2)
    assert before == dropped(propexo)
    assert_equals_truth(propexo, snapshots, LISTED)
    assert told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE")[1]["unverified"] == 0


def test_a_lasting_cache_knows_what_came(simulator, bridge, kafka, prefix, snapshots, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    propexo = simulator(limit_per_minute=0, models=LISTED, records=1000, integrations=1, drop_webhooks=5, distinct="on")
    config = FORMAT | {"bridge.models": LISTED, "bridge.instance": f"{prefix}-one", "enricher.cache_dir": cache}
    running = bridge("run", config, simulator=propexo)
    running.wait_event("assigned", 20)
    for _ in range(3):
        change(propexo, running, 1000, 300)
        running.kill()
        running.start_ready()
        running.wait_event("assigned", 60)
    sync(propexo, running, kafka, prefix)
    assert_equals_truth(propexo, snapshots, LISTED)
    (milestone,) = told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE")
    assert (milestone["missed"], milestone["unverified"]) == (dropped(propexo), 0)


@pytest.mark.parametrize("state", ["asked", "made good"])
def test_a_kill_during_the_check(simulator, bridge, kafka, prefix, snapshots, state):
    propexo = simulator(limit_per_minute=0, models=LISTED, records=1000, integrations=1, drop_webhooks=20, distinct="on", latency_ms=200)
    receiver = bridge("receive", FORMAT | {"bridge.models": LISTED}, simulator=propexo)
    config = FORMAT | {"bridge.models": LISTED, "bridge.instance": f"{prefix}-e"}
    enricher = bridge("enrich", config, simulator=propexo)
    enricher.wait_event("assigned", 20)
    change(propexo, receiver, 1000, 800)
    (integration,) = propexo.stats()["integrations"]
    complete_sync(receiver, propexo, integration)
    names = {"asked": "bridge_api_requests_by_kind_total", "made good": "bridge_events_recovered_total"}
    labels = {"kind": "diffs"} if state == "asked" else {}
    wait_until(lambda: enricher.metrics().sum(names[state], **labels) >= 1, 30, state, interval=0.01)
    enricher.kill()
    enricher.start_ready()
    wait_told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE", 1, timeout=90)
    assert_equals_truth(propexo, snapshots, LISTED)
    assert all(one["reconciled"] for one in told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE"))


@pytest.mark.parametrize(
    ("faults", "reason"), [("503:100%", "api-unavailable"), ("timeout:100%", "deadline"), ("401:100%", "unauthorized")]
)
def test_a_check_that_comes_to_no_end(simulator, bridge, kafka, prefix, snapshots, faults, reason):
    """The sync is told as not reconciled; the next check looks at both."""
    propexo = simulator(limit_per_minute=0, models=LISTED, records=400, integrations=1, drop_webhooks=10, distinct="on")
    config = FORMAT | {"bridge.models": LISTED, "sync.deadline_ms": 3000, "api.timeout_ms": 1500, "sync.grace_ms": 0}
    running = bridge("run", config, simulator=propexo)
    running.wait_event("assigned", 20)
    change(propexo, running, 1000, 400)
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    propexo.set_faults(faults)
    sync(propexo, running, kafka, prefix)
    (milestone,) = told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE")
    assert not milestone["reconciled"] and milestone["reason"] in (reason, "api-unavailable")
    propexo.set_faults("")
    # Also an idle instance finds out that the API is well again: one that is not ready may be given no work.
    wait_until(lambda: running.metrics().sum("bridge_api_breaker_open") == 0, 60, "the breaker closes")
    wait_until(lambda: request("GET", running.admin_url("/readyz")).status == 200, 30, "it is ready")
    sync(propexo, running, kafka, prefix, 2)
    milestone = told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE")[-1]
    assert milestone["reconciled"] and milestone["missed"] == dropped(propexo)
    assert_equals_truth(propexo, snapshots, LISTED)


def test_no_check_when_it_is_switched_off(simulator, bridge, kafka, prefix):
    propexo = simulator(limit_per_minute=0, models=LISTED, records=400, integrations=1)
    config = FORMAT | {"bridge.models": LISTED, "sync.reconcile": False}
    running = bridge("run", config, simulator=propexo)
    running.wait_event("assigned", 20)
    change(propexo, running, 1000, 100)
    sync(propexo, running, kafka, prefix)
    (milestone,) = told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE")
    assert (milestone["reconciled"], milestone["reason"]) == (False, "off")
    assert running.metrics().sum("bridge_api_requests_by_kind_total", kind="diffs") == 0


def test_a_backsync_is_checked_by_lists(simulator, bridge, kafka, prefix, snapshots):
    """Propexo sends no webhooks of it."""
    propexo = simulator(limit_per_minute=0, models=LISTED, records=400, integrations=1, drop_webhooks=100, last_seen_percent=0)
    running = bridge("run", FORMAT | {"bridge.models": LISTED}, simulator=propexo)
    running.wait_event("assigned", 20)
    change(propexo, running, 1000, 300)
    sync(propexo, running, kafka, prefix, is_backsync=True)
    assert_equals_truth(propexo, snapshots, LISTED)
    (milestone,) = told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE")
    assert milestone["reconciled"] and milestone["missed"] > 100
    assert running.metrics().sum("bridge_events_recovered_total") == 0


def test_a_second_sync_while_the_first_is_checked(simulator, bridge, kafka, prefix, snapshots):
    """What the first one's check makes good lies behind the second one's barriers, and is waited for by both."""
    propexo = simulator(limit_per_minute=0, models=LISTED, records=1000, integrations=1, drop_webhooks=20, latency_ms=400)
    running = bridge("run", FORMAT | {"bridge.models": LISTED}, simulator=propexo)
    running.wait_event("assigned", 20)
    (integration,) = propexo.stats()["integrations"]
    for _ in range(2):
        change(propexo, running, 2000, 300)
        complete_sync(running, propexo, integration)
    wait_told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE", 2)
    assert_equals_truth(propexo, snapshots, LISTED)
    assert all(one["reconciled"] for one in told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE"))


def test_a_sync_of_which_not_all_barriers_were_kept(simulator, bridge, kafka, prefix):
    """The receiver answered 503, and Propexo told it again: that one is told, the half one is dropped."""
    propexo = simulator(limit_per_minute=0, models=LISTED, records=100, integrations=1)
    running = bridge("run", FORMAT | {"bridge.models": LISTED}, simulator=propexo)
    running.wait_event("assigned", 20)
    (integration,) = propexo.stats()["integrations"]
    body = json.dumps({"event": "SYNC_COMPLETE", "integration_id": integration}).encode()
    headers = [("integration_id", integration.encode()), ("sync_id", b"half"), ("sync_models", b"residents,units")]
    kafka.produce(f"{prefix}.events.units", [(integration.encode(), body, headers)])
    wait_until(lambda: running.metrics().sum("bridge_progress_written_total") >= 1, 20, "half a sync")
    sync(propexo, running, kafka, prefix)
    assert running.wait_event("sync_superseded", 20)["sync_id"] == "half"
    assert "half" not in {one["sync"] for one in told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE")}
