"""Schemas change: consumers with the old one and with the new one read records of both, in one topic."""

import json
import re

import pytest
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from harness import snapshots as snapshot_reader
from harness.compare import differences
from harness.process import TOP
from harness.snapshots import latest
from harness.wait import Failure, wait_until

ADDED = "added_later"
# A field of the model's that our schema has and the new one has not; the simulator fills it.
REMOVED = {"units": "bathrooms", "residents": "first_name"}


@pytest.fixture
def ours():
    return lambda model: (TOP / "schemas" / f"{model}.avsc").read_text()


@pytest.fixture
def evolved(ours):
    """evolved("units"): our schema with one more field, null by default, and without another."""

    def make(model):
        schema = json.loads(ours(model))
        before = len(schema["fields"])
        schema["fields"] = [field for field in schema["fields"] if field["name"] != REMOVED[model]]
        assert len(schema["fields"]) == before - 1
        schema["fields"].insert(3, {"name": ADDED, "type": ["null", "string"], "default": None})
        return json.dumps(schema)

    return make


@pytest.fixture
def writer(kafka, prefix, registry):
    """Writes records as a program would that has this schema: Confluent's serializer registers it and frames them."""

    def write(model, schema, records):
        topic = f"{prefix}.snapshots.{model}"
        with registry.client() as client:
            serialize = AvroSerializer(client, schema)
            context = SerializationContext(topic, MessageField.VALUE)
            messages = [(key.encode(), serialize(record, context), {"model": model}) for key, record in records.items()]
        kafka.produce(topic, messages)

    return write


@pytest.fixture
def consumer(kafka, prefix, registry):
    """The last record of each key as a consumer with this schema sees it."""
    return lambda model, schema: latest(
        snapshot_reader.read(kafka, prefix, model, registry, reader_schema=schema)
    )


@pytest.fixture
def published(simulator, bridge, kafka, registry, prefix):
    """Starts the bridge and lets it publish snapshots of one model; returns the simulator and the bridge."""

    def start(model):
        propexo = simulator(records=40, integrations=2, models=[model], limit_per_minute=0)
        running = bridge("run", {"bridge.models": [model]}, simulator=propexo, registry=registry)
        change(propexo, running)
        return propexo, running

    def change(propexo, running):
        running.wait_event("assigned", 30)
        done = len(propexo.events("changes_done"))
        propexo.begin(running.receiver_url(), rate=0, changes=60)
        wait_until(lambda: len(propexo.events("changes_done")) > done, 60, "the changes")
        kafka.wait_consumed(prefix, f"{prefix}.events.")

    start.change = change
    return start


def versions(registry, subject):
    with registry.client() as client:
        return client.get_versions(subject)


def without(record, *names):
    return {name: value for name, value in record.items() if name not in names}


@pytest.mark.parametrize("model", REMOVED)
def test_old_and_new_consumers_read_old_and_new_records(
    published, registry, kafka, prefix, ours, evolved, writer, consumer, model
):
    removed, subject = REMOVED[model], f"{prefix}.snapshots.{model}-value"
    propexo, running = published(model)
    truth = propexo.truth(model, changed=True)
    by_us = consumer(model, ours(model))
    assert by_us.keys() == truth.keys() and len(by_us) >= 20
    assert any(record[removed] is not None for record in by_us.values())

    # The new schema is compatible, and records are written with it beside ours.
    by_new = {
        f"new-{key}": without(record, removed) | {"id": f"new-{key}", ADDED: f"of {key}"}
        for key, record in by_us.items()
    }
    writer(model, evolved(model), by_new)
    assert versions(registry, subject) == [1, 2]
    ids = {message.value[1:5] for message in kafka.read(f"{prefix}.snapshots.{model}")}
    assert len(ids) == 2

    # The new consumer: ours have no such field yet, and lack what the new schema lacks.
    seen = consumer(model, evolved(model))
    assert seen.keys() == by_us.keys() | by_new.keys()
    for key, record in by_us.items():
        assert seen[key] == without(record, removed) | {ADDED: None}
        assert differences(seen[key], without(truth[key], removed)) == []
    for key, record in by_new.items():
        assert seen[key] == record

    # The old consumer: it does not know the new field, and the one that is gone is null.
    seen = consumer(model, ours(model))
    for key, record in by_us.items():
        assert seen[key] == record
        assert differences(seen[key], truth[key]) == []
    for key, record in by_new.items():
        assert seen[key] == without(record, ADDED) | {removed: None}

    # The bridge goes on with its own version, also after a restart.
    assert running.stop() == 0
    running.start_ready()
    published.change(propexo, running)
    assert versions(registry, subject) == [1, 2]
    assert {message.value[1:5] for message in kafka.read(f"{prefix}.snapshots.{model}")} == ids
    seen = consumer(model, ours(model))
    for key, record in propexo.truth(model, changed=True).items():
        assert differences(seen[key], record) == []


def test_a_bridge_with_another_schema_follows_an_older_one(
    published, bridge, registry, prefix, evolved, consumer
):
    """An upgrade as the registry sees it: the older schema is there first, ours comes after it and takes over."""
    model, subject = "units", f"{prefix}.snapshots.units-value"
    registry.register(subject, evolved(model))
    check = bridge("schemas", {"bridge.models": [model]}, registry=registry, arguments=["check"], start=False)
    check.start()
    assert check.wait() == 0 and re.search(r"units-value +compatible", check.output())
    propexo, _ = published(model)
    assert versions(registry, subject) == [1, 2]
    old = consumer(model, evolved(model))
    for key, record in propexo.truth(model, changed=True).items():
        assert old[key][ADDED] is None and differences(old[key], without(record, REMOVED[model])) == []


def field(name, kind, **more):
    return {"name": name, "type": kind} | more


def record(*fields, name="Thing"):
    return json.dumps({"type": "record", "name": name, "fields": [field("id", "string"), *fields]})


BEFORE = record(field("a", ["null", "long"], default=None))


@pytest.mark.parametrize(
    ("after", "new_reads_old", "old_reads_new"),
    [
        (record(field("a", ["null", "long"], default=None), field("b", ["null", "int"], default=None)), True, True),
        (record(), True, True),
        (record(field("b", ["null", "long"], default=None)), True, True),
        (record(field("a", ["null", "double"], default=None)), True, False),
        (record(field("a", ["null", "string"], default=None)), False, False),
        (record(field("a", "long", default=0)), False, True),
        (record(field("a", ["null", "long"], default=None), field("b", "int")), False, True),
        (record(field("a", ["null", "long"], default=None), name="Other"), False, False),
    ],
    ids=["added", "removed", "renamed field", "widened", "other type", "not null", "no default", "renamed record"],
)
def test_what_the_readme_calls_compatible(registry, prefix, after, new_reads_old, old_reads_new):
    for level, compatible in (("BACKWARD", new_reads_old), ("FORWARD", old_reads_new)):
        subject = f"{prefix}-{level}-value"
        registry.register(subject, BEFORE)
        registry.set_compatibility(level, subject)
        if compatible:
            registry.register(subject, after)
        else:
            with pytest.raises(Failure, match="409"):
                registry.register(subject, after)
