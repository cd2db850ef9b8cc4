"""Models that no endpoint reads: put together from webhooks that come late, twice, and across restarts."""

import shutil

import pytest

from harness.assembled import is_same, told
from harness.snapshots import latest
from harness.wait import wait_until

MODELS = ["contracts", "crm_prospects", "locations", "resident_allocations", "transactions"]
# One webhook in five comes late, one in ten twice.
FLAGS = {
    "records": 1000,
    "integrations": 5,
    "models": MODELS,
    "limit_per_minute": 0,
    "shape": "mixed",
    "late": "20:3000",
    "replay": "10:2000",
}


def assert_equals_truth(propexo, snapshots, registry):
    """Each changed record's last snapshot shows what the simulator's record holds in every field that was told."""
    records = total = 0
    for model in MODELS:
        found = snapshots(model, registry=registry)
        last = latest(found)
        truth = propexo.truth(model, changed=True)
        assert truth.keys() <= last.keys(), f"{model}: {len(truth.keys() - last.keys())} records without a snapshot"
        wrong = {}
        for key, expected in truth.items():
            record = last[key]
            assert record["completeness"] == "assembled" and record["id"] == key
            bad = [name for name, value in told(record).items() if not is_same(name, value, expected.get(name))]
            if bad:
                wrong[key] = [(name, told(record)[name], expected.get(name)) for name in bad]
        assert not wrong, f"{model}: {len(wrong)} of {len(truth)} differ, such as {list(wrong.items())[:3]}"
        records += len(truth)
        total += len(found)
    return records, total


LONG = pytest.mark.long


@pytest.mark.parametrize("times", [pytest.param("all", marks=LONG), pytest.param("none", marks=LONG), "mixed"])
def test_late_and_repeated_webhooks_end_in_the_truth(simulator, bridge, kafka, registry, snapshots, prefix, times):
    propexo = simulator(**FLAGS, diff_updated_at=times)
    running = bridge("run", {"bridge.models": MODELS}, simulator=propexo, registry=registry)
    running.wait_event("assigned", 20)
    propexo.begin(running.receiver_url(), rate=1500, changes=20_000)
    propexo.wait_changes_done(120)
    kafka.wait_consumed(prefix, f"{prefix}.events.", 120)
    stats = propexo.stats()
    records, total = assert_equals_truth(propexo, snapshots, registry)
    metrics = running.metrics()
    settled = metrics.sum("bridge_assembly_conflicts_total", outcome="settled")
    requests = metrics.sum("bridge_api_requests_total")
    print(f"\n{times}: {records} records equal, {total} snapshots, {settled:.0f} conflicts settled by {requests:.0f} requests")
    print({key: value for key, value in stats.items() if "late" in key or "replay" in key})
    assert records > 4500
    assert metrics.sum("bridge_assembly_conflicts_total", outcome="marked") == 0
    assert kafka.read(f"{prefix}.dead-letters") == []


def test_kills_and_a_deleted_cache(simulator, bridge, kafka, registry, snapshots, prefix, tmp_path):
    propexo = simulator(**FLAGS, diff_updated_at="mixed")
    cache = tmp_path / "cache"
    cache.mkdir()
    receiver = bridge("receive", {"bridge.models": MODELS}, simulator=propexo)
    config = {"bridge.models": MODELS, "bridge.instance": f"{prefix}-enricher", "enricher.cache_dir": cache}
    enricher = bridge("enrich", config, simulator=propexo, registry=registry)
    enricher.wait_event("assigned", 30)
    propexo.begin(receiver.receiver_url(), rate=500, changes=10_000)
    for round_ in range(4):
        before = enricher.metrics().sum("bridge_snapshots_total")
        wait_until(lambda: enricher.metrics().sum("bridge_snapshots_total") > before + 500, 60, "snapshots again")
        enricher.kill()
        if round_ % 2:
            shutil.rmtree(cache)
            cache.mkdir()
        enricher.start_ready()
        enricher.wait_event("assigned", 60)
        assert enricher.events("restored")
    propexo.wait_changes_done(120)
    kafka.wait_consumed(prefix, f"{prefix}.events.", 120)
    records, total = assert_equals_truth(propexo, snapshots, registry)
    print(f"\n{records} records equal, {total} snapshots")
