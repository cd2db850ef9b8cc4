"""When everything that a sync brought is on the topics, downstream is told."""

import json

import pytest

from harness.truth import assert_equals_truth
from harness.wait import wait_until

MODELS = ["residents", "units"]
FORMAT = {"bridge.models": MODELS, "output.format": "json"}


def complete_sync(receiver, propexo, integration, **more):
    data = {"event": "SYNC_COMPLETE", "integration_id": integration, "vendor": "SAMPLE1", "is_sync_finished": True}
    assert receiver.post({"trigger": "SYNC_COMPLETE", "data": data | more}, secret=propexo.secret).status == 200


def told(kafka, prefix, event):
    """The milestones of that name on the activity topic, in its order."""
    values = (json.loads(message.value) for message in kafka.read(f"{prefix}.activity"))
    return [value for value in values if value.get("event") == event]


def wait_told(kafka, prefix, event, count, timeout=60):
    wait_until(
        lambda: len({value["sync"] for value in told(kafka, prefix, event)}) >= count,
        timeout,
        lambda: f"{count} times {event}: {told(kafka, prefix, event)}",
        interval=0.1,
    )


def test_snapshots_are_complete_when_that_is_told(simulator, bridge, kafka, prefix, snapshots):
    """Ten syncs in a row: what is read at once after the milestone shows all changes."""
    propexo = simulator(models=MODELS, records=1000, integrations=1, limit_per_minute=1200, latency_ms=50)
    running = bridge("run", FORMAT | {"api.requests_per_minute": 1200}, simulator=propexo)
    running.wait_event("assigned", 20)
    (integration,) = propexo.stats()["integrations"]
    for number in range(10):
        propexo.begin(running.receiver_url(), rate=400, changes=200)
        propexo.wait_delivered()
        wait_until(lambda: not propexo.stats()["running"], 20, "the changes' end", interval=0.05)
        propexo.wait_delivered()
        complete_sync(running, propexo, integration)
        wait_told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE", number + 1)
        assert_equals_truth(propexo, snapshots, MODELS)
    by_sync = {}
    for milestone in told(kafka, prefix, "SNAPSHOTS_COMPLETE"):
        assert milestone["integration_id"] == integration and milestone["dead_letters"] == 0
        by_sync.setdefault(milestone["sync"], {})[milestone["model"]] = milestone["snapshots"]
    assert len(by_sync) == 10 and all(sorted(models) == MODELS for models in by_sync.values())
    assert all(sum(counts.values()) > 50 for counts in by_sync.values())
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    assert kafka.read(f"{prefix}.dead-letters") == []


def test_one_integration_does_not_wait_for_another(simulator, bridge, kafka, prefix):
    """In the same partition: what is open there of another integration holds no milestone back."""
    propexo = simulator(models=MODELS, records=400, integrations=2, limit_per_minute=0, last_seen_percent=100)
    config = FORMAT | {"topics.partitions": 1, "enricher.last_seen_max_delay_ms": 600_000, "api.requests_per_minute": 60}
    running = bridge("run", config, simulator=propexo)
    running.wait_event("assigned", 20)
    first, second = propexo.stats()["integrations"]
    propexo.begin(running.receiver_url(), rate=400, changes=400)
    propexo.wait_changes_done()
    complete_sync(running, propexo, first)
    wait_told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE", 1, timeout=60)
    assert {milestone["integration_id"] for milestone in told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE")} == {first}
    complete_sync(running, propexo, second, models_synced=["units"])
    wait_told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE", 2, timeout=60)
    milestones = told(kafka, prefix, "SNAPSHOTS_COMPLETE")
    assert [one["model"] for one in milestones if one["integration_id"] == second] == ["units"]


@pytest.mark.parametrize("early", [True, False])
def test_a_kill_before_the_milestone(simulator, bridge, kafka, prefix, snapshots, early):
    """Whoever owns the partition next tells it: barriers are written down, and what is open before them is done again."""
    propexo = simulator(models=MODELS, records=1000, integrations=1, limit_per_minute=600, latency_ms=300)
    config = FORMAT | {"api.requests_per_minute": 600}
    receiver = bridge("receive", FORMAT, simulator=propexo)
    enricher = bridge("enrich", config | {"bridge.instance": f"{prefix}-enricher"}, simulator=propexo)
    enricher.wait_event("assigned", 30)
    (integration,) = propexo.stats()["integrations"]
    propexo.begin(receiver.receiver_url(), rate=1000, changes=1500)
    propexo.wait_changes_done()
    complete_sync(receiver, propexo, integration)
    if early:
        enricher.kill()
    else:
        wait_until(lambda: enricher.metrics().sum("bridge_progress_written_total") >= 2, 30, "barriers", interval=0.02)
        enricher.kill()
    enricher.start_ready()
    wait_told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE", 1)
    assert_equals_truth(propexo, snapshots, MODELS)
