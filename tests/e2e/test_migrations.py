"""The moves that the README's "Upgrades and moves" describes, done step by step as it says, with changes going on."""

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from harness import snapshots as snapshot_reader
from harness.compare import differences, falling_sequences
from harness.snapshots import latest
from harness.wait import wait_until

pytestmark = pytest.mark.long

MODELS = ["residents", "units"]
OLD_PARTITIONS, NEW_PARTITIONS = 3, 5


def run(bridge, command, config, propexo, arguments, **more):
    program = bridge(command, config, simulator=propexo, arguments=arguments, start=False, **more).start()
    assert program.wait(120) == 0, program.output() + program.log()
    return program.output()


def test_new_topics(simulator, bridge, kafka, registry, prefix):
    """Another prefix, with more partitions and another format: nothing is lost, nothing old comes, what was erased stays away."""
    propexo = simulator(models=MODELS, records=400, integrations=4, limit_per_minute=0, latency_ms=5, new_percent=5)
    old = {"bridge.models": MODELS, "output.format": "json", "topics.partitions": OLD_PARTITIONS}
    old_running = bridge("run", old, simulator=propexo)
    old_running.wait_event("assigned", 30)
    propexo.begin(old_running.receiver_url(), rate=50)
    erased = next(iter(propexo.truth("residents")))
    run(bridge, "erase", old, propexo, ["--model", "residents", "--record", erased])

    # 1: new receivers and enrichers beside the old ones, and the erasures again, before anything comes to them.
    moved = f"{prefix}-b"
    new = {
        "bridge.models": MODELS,
        "topics.prefix": moved,
        "topics.partitions": NEW_PARTITIONS,
        "enricher.group": moved,
    }
    receiver = bridge("receive", new, simulator=propexo, registry=registry)
    enricher = bridge("enrich", new, simulator=propexo, registry=registry)
    enricher.wait_event("assigned", 30)
    run(bridge, "erase", new, propexo, ["--model", "residents", "--record", erased], registry=registry)
    # 2: the webhooks go to the new receivers; the old enrichers bring what is theirs to its end.
    propexo.begin(receiver.receiver_url(), rate=50)
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    assert old_running.stop() == 0
    # 3: all records.
    output = run(bridge, "backfill", new, propexo, ["--all", "--follow"], registry=registry)
    print(output)
    propexo.end()
    kafka.wait_consumed(moved, f"{moved}.events.")

    topics = kafka.topics(moved)
    assert {name: count for name, count in topics.items() if ".events." in name} == {
        f"{moved}.events.{model}": NEW_PARTITIONS for model in MODELS
    }
    for model in MODELS:
        found = snapshot_reader.read(kafka, moved, model, registry)
        last = {key: record for key, record in latest(found).items() if record is not None}
        truth = propexo.truth(model)
        truth.pop(erased, None)
        assert last.keys() == truth.keys()
        assert not [said for key, record in truth.items() if (said := differences(last[key], record))]
        assert not falling_sequences(found)
    assert kafka.read(f"{moved}.dead-letters") == []


def test_another_group(simulator, bridge, kafka, snapshots, prefix):
    """The old group's offsets are given to the new one: what was done is not done again, and nothing is left out."""
    propexo = simulator(models=MODELS, records=400, integrations=4, limit_per_minute=0, latency_ms=5)
    config = {"bridge.models": MODELS, "output.format": "json"}
    receiver = bridge("receive", config, simulator=propexo)
    enricher = bridge("enrich", config, simulator=propexo)
    enricher.wait_event("assigned", 30)
    propexo.begin(receiver.receiver_url(), rate=0, changes=300)
    propexo.wait_changes_done()
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    assert enricher.stop() == 0
    propexo.begin(receiver.receiver_url(), rate=0, changes=50)
    propexo.wait_delivered()
    before = propexo.stats()

    moved = f"{prefix}-b"
    places = [TopicPartition(*place, offset) for place, (offset, _) in kafka.committed(prefix).items()]
    (done,) = kafka.admin().alter_consumer_group_offsets([ConsumerGroupTopicPartitions(moved, places)]).values()
    done.result(30)
    other = bridge("enrich", config | {"enricher.group": moved}, simulator=propexo)
    other.wait_event("assigned", 30)
    kafka.wait_consumed(moved, f"{prefix}.events.")
    consumed = other.metrics().sum("bridge_events_consumed_total")
    assert consumed == propexo.stats()["webhooks_ok"] - 300, (consumed, before)
    wait_until(lambda: other.metrics().sum("bridge_snapshots_total") > 0, 30, "snapshots")
    for model in MODELS:
        last = latest(snapshots(model))
        truth = propexo.truth(model, changed=True)
        assert not [said for key, record in truth.items() if (said := differences(last[key], record))]
