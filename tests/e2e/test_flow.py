"""Webhooks in, complete snapshots out: with nothing in the way, across kills, and with an instance that was stopped."""

import random
import time

import pytest
from confluent_kafka import TopicPartition

from harness.truth import assert_equals_truth
from harness.wait import Failure, wait_until

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


@pytest.mark.sanitizer
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


def stuck_behind(kafka, prefix):
    """Partitions of snapshots that end in an open transaction, and where it begins."""
    found = {}
    readers = {level: kafka.consumer("ends", isolation_level=level) for level in ("read_committed", "read_uncommitted")}
    for model in MODELS:
        topic = f"{prefix}.snapshots.{model}"
        for number in range(6):
            place = TopicPartition(topic, number)
            stable, end = (reader.get_watermark_offsets(place, timeout=10)[1] for reader in readers.values())
            if stable < end:
                found[topic, number] = stable
    for reader in readers.values():
        reader.close()
    return found


def freeze_within_a_transaction(program, kafka, prefix):
    """Stops the program while Kafka holds an open transaction of it: one that stays open is of a stopped one."""
    for _ in range(100):
        program.freeze()
        before = stuck_behind(kafka, prefix)
        time.sleep(0.5)
        if before.items() & stuck_behind(kafka, prefix).items():
            return
        program.thaw()
        time.sleep(0.1)
    raise Failure("it was never within a transaction")


def test_a_stopped_enricher_is_fenced(simulator, bridge, kafka, registry, snapshots, prefix):
    propexo = simulator(records=1000, integrations=10, models=MODELS, limit_per_minute=0, latency_ms=20, shape="mixed")
    config = {"bridge.models": MODELS, "enricher.commit_interval_ms": 10}
    receiver = bridge("receive", config, simulator=propexo)
    first, second = (bridge("enrich", config, simulator=propexo, registry=registry) for _ in range(2))
    for enricher in (first, second):
        wait_until(lambda: enricher.metrics().sum("bridge_partitions_owned") == 9, 60, "half of the partitions")
    propexo.begin(receiver.receiver_url(), rate=300, changes=30_000)
    wait_until(lambda: first.metrics().sum("bridge_snapshots_total") > 500, 60, "snapshots")
    freeze_within_a_transaction(first, kafka, prefix)
    time.sleep(60)
    assert second.metrics().sum("bridge_partitions_owned") == 18
    first.thaw()
    print(f"fenced: {first.wait_event('fenced', 30)}")
    propexo.wait_changes_done(180)
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    records, total = assert_equals_truth(propexo, snapshots, MODELS, registry)
    print(f"{records} records equal, {total} snapshots, {aborted(kafka, prefix)} of aborted transactions unseen")
