"""Nothing is bought twice: what was published above a watermark that something holds is not fetched again."""

import base64
import json

import pytest
from confluent_kafka import TopicPartition

from harness.kafka import Kafka
from harness.record_api import TOKEN, RecordApi
from harness.snapshots import latest
from harness.wait import wait_until

MODEL = "residents"
INTEGRATION = "intg-1"
CONFIG = {"bridge.models": [MODEL], "enricher.max_delay_ms": 0}
SKIPPED = "bridge_events_skipped_total"


def varints(data):
    numbers, number, shift = [], 0, 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(number)
            number = shift = 0
    assert shift == 0
    return numbers


def told(metadata):
    """The watermark that the metadata of a commit names, and the runs (first, last) that it tells as done."""
    if not metadata:
        return None, []
    assert metadata.startswith("1:") and len(metadata) <= 4096 and "=" not in metadata
    text = metadata.removeprefix("1:")
    watermark, *lengths = varints(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
    assert len(lengths) % 2 == 0 and all(lengths)
    runs, offset = [], watermark
    for undone, done in zip(lengths[::2], lengths[1::2]):
        runs.append((offset + undone, offset + undone + done - 1))
        offset += undone + done
    return watermark, runs


def metadata(*numbers):
    """The text of numbers below 128."""
    return "1:" + base64.b64encode(bytes(numbers)).decode().rstrip("=")


def event(identifier, model=MODEL, integration=INTEGRATION, **new):
    body = {"meta": {"object": model.replace("_", "-"), "integration_id": integration}, "record_id": identifier}
    return integration, json.dumps(body | {"diff": {"previous": {}, "new": new}})


def serve(api, model, *identifiers, integration=INTEGRATION):
    for identifier in identifiers:
        api.put(model, identifier, integration, {"id": identifier, "integration_id": integration, "name": identifier})


@pytest.fixture
def api():
    with RecordApi() as one:
        one.has_lists = False
        yield one


@pytest.fixture
def enricher(bridge, api):
    """enricher({...}) starts one that has partitions."""

    def start(config=None, **options):
        reach = {"api.base_url": api.url, "api.token": TOKEN}
        program = bridge("enrich", CONFIG | reach | (config or {}), **options)
        program.wait_event("assigned", 30)
        return program

    return start


def commits(kafka, group, topic):
    """{partition: (offset, runs told as done)} of what a group has committed."""
    found = {}
    for (name, partition), (offset, text) in kafka.committed(group).items():
        if name == topic:
            watermark, runs = told(text)
            assert watermark in (None, offset)
            found[partition] = offset, runs
    return found


def wait_commits(kafka, group, topic, wanted):
    wait_until(
        lambda: commits(kafka, group, topic) == wanted,
        60,
        lambda: f"{wanted}; committed is {commits(kafka, group, topic)}",
        interval=0.1,
    )


def test_a_kill_buys_only_what_was_not_published(api, enricher, kafka, prefix, snapshots):
    topic = f"{prefix}.events.{MODEL}"
    kafka.create_topics(topic)
    ids = [f"r-{number}" for number in range(401)]
    held = [ids[0], ids[100], ids[101], ids[300]]
    serve(api, MODEL, *ids)
    api.hold(MODEL, *held)
    kafka.produce(topic, [event(identifier) for identifier in ids[:400]])
    config = {"topics.partitions": 1}
    program = enricher(config)
    wait_commits(kafka, prefix, topic, {0: (0, [(1, 99), (102, 299), (301, 399)])})
    assert api.asked_for(MODEL) == dict.fromkeys(ids[:400], 1)

    program.kill()
    api.requests.clear()
    program.start_ready()
    wait_until(lambda: api.asked_for(MODEL).keys() == set(held), 30, lambda: f"the held ones: {api.requests}")
    # What was told once is told on beside what is new.
    kafka.produce(topic, [event(ids[400])])
    wait_commits(kafka, prefix, topic, {0: (0, [(1, 99), (102, 299), (301, 400)])})
    assert program.metrics().sum(SKIPPED) == 396

    program.kill()
    program.start_ready()
    wait_until(lambda: api.asked_for(MODEL)[held[-1]] == 2, 30, "the held ones")
    api.release()
    wait_commits(kafka, prefix, topic, {0: (401, [])})
    assert api.asked_for(MODEL) == dict.fromkeys(held, 2) | {ids[400]: 1}
    assert program.metrics().sum(SKIPPED) == 397
    found = snapshots(MODEL)
    assert sorted(snapshot.key for snapshot in found) == sorted(ids)  # each once
    assert all(snapshot.record["id"] == snapshot.key for snapshot in found)
    assert kafka.read(f"{prefix}.dead-letters") == []


def test_a_rebalance_buys_only_what_was_not_published(api, enricher, kafka, prefix, snapshots):
    topic = f"{prefix}.events.{MODEL}"
    kafka.create_topics(topic, partitions=2)
    owners = {f"r-{number}": f"intg-{number % 10}" for number in range(400)}
    kafka.produce(topic, [event(identifier, integration=owner) for identifier, owner in owners.items()])
    places = {0: [], 1: []}
    for message in kafka.read(topic):
        places[message.partition].append(json.loads(message.value)["record_id"])
    assert all(len(ids) > 20 for ids in places.values())
    held = [ids[0] for ids in places.values()]
    for identifier, owner in owners.items():
        serve(api, MODEL, identifier, integration=owner)
    api.hold(MODEL, *held)
    config = {"topics.partitions": 2}
    enrichers = [enricher(config)]
    wait_commits(kafka, prefix, topic, {number: (0, [(1, len(ids) - 1)]) for number, ids in places.items()})

    api.requests.clear()
    enrichers.append(enricher(config))
    for one in enrichers:
        wait_until(lambda one=one: one.metrics().sum("bridge_partitions_owned") == 1, 60, "one partition each")
    wait_until(lambda: set(api.asked_for(MODEL)) == set(held), 30, lambda: f"the held ones: {api.requests}")
    wait_until(lambda: sum(one.metrics().sum(SKIPPED) for one in enrichers) == 398, 30, "all others skipped")
    api.release()
    wait_commits(kafka, prefix, topic, {number: (len(ids), []) for number, ids in places.items()})
    assert set(api.asked_for(MODEL)) == set(held)
    assert sorted(snapshot.key for snapshot in snapshots(MODEL)) == sorted(owners)


# offset that was committed by hand, its metadata, the offsets below 10 that are worked on, is it ignored
BY_HAND = [
    (2, "last run: Tuesday", range(2, 10), True),
    (2, metadata(3, 1, 6), range(2, 10), True),  # copied from another offset
    (2, metadata(2, 1), range(2, 10), True),  # cut
    (2, metadata(2, 1, 7).replace("1:", "2:"), range(2, 10), True),  # of a version to come
    (2, "1:" + "/" * 3000, range(2, 10), True),
    (2, "", range(2, 10), False),
    (0, metadata(0, 2, 3), (0, 1, 5, 6, 7, 8, 9), False),
    (2, metadata(2, 1, 3, 2, 2), (2, 6, 7), False),
    # The event that held the watermark has left the topic: only done ones follow, and nobody stays behind.
    (2, metadata(2, 1, 7), (), False),
]


def test_metadata_made_by_hand(api, enricher, kafka, prefix):
    """What is not ours is ignored with a line, and everything is worked on; what is ours is believed."""
    topic = f"{prefix}.events.{MODEL}"
    kafka.create_topics(topic, partitions=len(BY_HAND))
    producer = kafka.producer()
    for number in range(len(BY_HAND)):
        for offset in range(10):
            key, value = event(f"p{number}-{offset}")
            producer.produce(topic, value, key, partition=number)
            serve(api, MODEL, f"p{number}-{offset}")
    assert producer.flush(30) == 0
    last = len(BY_HAND) - 1
    for future in kafka.admin().delete_records([TopicPartition(topic, last, 3)]).values():
        future.result(30)
    committer = kafka.consumer(prefix)
    by_hand = [TopicPartition(topic, number, row[0], metadata=row[1]) for number, row in enumerate(BY_HAND)]
    committer.commit(offsets=by_hand, asynchronous=False)
    committer.close()

    program = enricher({"topics.partitions": len(BY_HAND)})
    kafka.wait_consumed(prefix, topic, 60)
    wanted = {f"p{number}-{offset}": 1 for number, row in enumerate(BY_HAND) for offset in row[2]}
    assert api.asked_for(MODEL) == wanted
    ignored = program.events("offset_metadata_ignored")
    found = {int(line["partition"]): (line["topic"], int(line["offset"])) for line in ignored}
    assert found == {number: (topic, row[0]) for number, row in enumerate(BY_HAND) if row[3]}
    assert len(ignored) == len(found) and all(line["reason"] for line in ignored)
    assert commits(kafka, prefix, topic) == {number: (10, []) for number in range(len(BY_HAND))}
    taken = sum(10 - max(row[0], 3 if number == last else 0) for number, row in enumerate(BY_HAND))
    assert program.metrics().sum(SKIPPED) == taken - len(wanted)
    assert program.metrics().sum("bridge_events_consumed_total") == taken


def test_a_skipped_event_still_tells_of_parents(api, enricher, kafka, prefix, snapshots):
    """A later event of a child need not name them, also when the cache was lost."""
    child, parents = "residents_to_leases", ["residents", "leases"]
    topic = f"{prefix}.events.{child}"
    kafka.create_topics(topic)
    for parent in parents:
        serve(api, parent, "held", "free")
    api.hold("residents", "held")
    kafka.produce(topic, [event(f"c-{name}", child, resident_id=name, lease_id=name) for name in ("held", "free")])
    config = {"bridge.models": [*parents, child], "topics.partitions": 1}
    program = enricher(config)
    wait_commits(kafka, prefix, topic, {0: (0, [(1, 1)])})
    program.kill()
    api.requests.clear()
    program.start_ready()
    wait_until(lambda: program.metrics().sum(SKIPPED) == 1, 30, "the child that is told as done")
    kafka.produce(topic, [event("c-free", child, move_in_date="2031-07-09")])
    wait_commits(kafka, prefix, topic, {0: (0, [(1, 2)])})
    api.release()
    wait_commits(kafka, prefix, topic, {0: (3, [])})
    for parent in parents:
        assert api.asked_for(parent) == {"held": 1, "free": 1}
        assert latest(snapshots(parent)).keys() == {"held", "free"}
    assert kafka.read(f"{prefix}.dead-letters") == []


@pytest.fixture
def terse_kafka(tmp_path):
    """One that keeps hardly any metadata."""
    server = Kafka(tmp_path / "terse-kafka", {"offset.metadata.max.bytes": 4})
    try:
        yield server.start()
    finally:
        server.remove()


def test_a_kafka_that_refuses_metadata(api, enricher, terse_kafka, prefix):
    """It is told of once, and everything is published all the same."""
    topic = f"{prefix}.events.{MODEL}"
    terse_kafka.create_topics(topic)
    ids = [f"r-{number}" for number in range(50)]
    serve(api, MODEL, *ids)
    api.hold(MODEL, ids[0])
    terse_kafka.produce(topic, [event(identifier) for identifier in ids])
    program = enricher({"topics.partitions": 1, "kafka.bootstrap.servers": terse_kafka.bootstrap})
    wait_until(lambda: program.metrics().sum("bridge_snapshots_total") == 49, 30, lambda: program.log()[-3000:])
    assert commits(terse_kafka, prefix, topic) == {0: (0, [])}
    api.release()
    wait_commits(terse_kafka, prefix, topic, {0: (50, [])})
    (line,) = program.events("offset_metadata_refused")
    assert "offset.metadata.max.bytes" in line["hint"]
    assert program.stop() == 0
