"""A webhook that never arrived is found after its sync, and made good before that is told."""

import json

import pytest

from harness.snapshots import latest
from harness.truth import assert_equals_truth
from harness.wait import wait_until
from test_syncs import complete_sync, told, wait_told

READABLE = ["residents", "units", "leases"]
LISTED = ["residents", "units"]
FORMAT = {"output.format": "json", "sync.grace_ms": 500}


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
    propexo = simulator(models=models, records=1000, integrations=2, drop_webhooks=5, limit_per_minute=600, **flags)
    running = bridge("run", FORMAT | {"bridge.models": models, "api.requests_per_minute": 600}, simulator=propexo)
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
