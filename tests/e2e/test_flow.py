"""Webhooks in, complete snapshots out: with nothing in the way, and across kills."""

import random
import time

import pytest

from harness.truth import assert_equals_truth
from harness.wait import wait_until

MODELS = ["residents", "leases", "units"]
WEBHOOKS = 20_000


def aborted(kafka, prefix):
    """Snapshots that lie on the topics but belong to an aborted transaction: how many."""
    count = 0
    for model in MODELS:
        topic = f"{prefix}.snapshots.{model}"
        everything = {(m.partition, m.offset) for m in kafka.read(topic, "read_uncommitted")}
        committed = {(m.partition, m.offset) for m in kafka.read(topic)}
        assert committed <= everything
        count += len(everything - committed)
    return count


@pytest.mark.short
def test_short_flow(simulator, bridge, kafka, registry, snapshots, prefix):
    propexo = simulator(records=100, integrations=3, models=MODELS, limit_per_minute=0, latency_ms=5, shape="mixed")
    running = bridge("run", {"bridge.models": MODELS}, simulator=propexo, registry=registry)
    running.wait_event("assigned", 20)
    propexo.begin(running.receiver_url(), rate=200, changes=1000)
    propexo.wait_changes_done()
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    assert_equals_truth(propexo, snapshots, MODELS, registry)
    metrics = running.metrics()
    assert metrics.sum("bridge_webhooks_total", outcome="kept") >= 900
    assert metrics.sum("bridge_dead_letters_total") == 0
    assert kafka.read(f"{prefix}.dead-letters") == []


def test_twenty_thousand_webhooks(simulator, bridge, kafka, registry, snapshots, prefix):
    propexo = simulator(records=2000, integrations=10, models=MODELS, limit_per_minute=0, latency_ms=20, shape="mixed")
    running = bridge("run", {"bridge.models": MODELS}, simulator=propexo, registry=registry)
    propexo.begin(running.receiver_url(), rate=1500, changes=WEBHOOKS)
    propexo.wait_changes_done()
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    stats = propexo.stats()
    assert stats["webhooks_ok"] >= WEBHOOKS and stats["webhooks_lost"] == 0
    records, total = assert_equals_truth(propexo, snapshots, MODELS, registry)
    print(f"{stats['webhooks_ok']} webhooks, {records} records equal, {total} snapshots")
    assert kafka.read(f"{prefix}.dead-letters") == []


def test_five_kills_in_the_middle(simulator, bridge, kafka, registry, snapshots, prefix):
    propexo = simulator(records=1000, integrations=10, models=MODELS, limit_per_minute=0, latency_ms=20, shape="mixed")
    config = {"bridge.models": MODELS, "bridge.instance": f"{prefix}-enricher"}
    receiver = bridge("receive", {"bridge.models": MODELS}, simulator=propexo)
    enricher = bridge("enrich", config, simulator=propexo, registry=registry)
    enricher.wait_event("assigned", 30)
    propexo.begin(receiver.receiver_url(), rate=500, changes=10_000)
    chance = random.Random(7)
    for _ in range(5):
        before = enricher.metrics().sum("bridge_snapshots_total")
        wait_until(lambda: enricher.metrics().sum("bridge_snapshots_total") > before + 200, 60, "snapshots again")
        time.sleep(chance.random() / 5)  # anywhere in a transaction
        enricher.kill()
        enricher.start_ready()
    propexo.wait_changes_done()
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    records, total = assert_equals_truth(propexo, snapshots, MODELS, registry)
    print(f"{records} records equal, {total} snapshots, {aborted(kafka, prefix)} of aborted transactions unseen")
