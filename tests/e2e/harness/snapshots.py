"""Reads snapshot topics with Confluent's deserializer, which knows nothing of the bridge."""

import json
from dataclasses import dataclass

from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from harness.wait import Failure


@dataclass(frozen=True)
class Snapshot:
    key: str
    record: dict | None  # None: a tombstone
    headers: dict
    partition: int
    offset: int


def read(kafka, prefix, model, registry=None, isolation="read_committed", reader_schema=None):
    """The snapshots of a model in topic order: decoded by the registry, or as JSON when there is none.

    `reader_schema` is the schema of a consumer that has one of its own, as a text.
    """
    topic = f"{prefix}.snapshots.{model}"
    messages = kafka.read(topic, isolation)
    if registry is None:
        return [_snapshot(message, _decode_json) for message in messages]
    with registry.client() as client:
        deserialize = AvroDeserializer(client, reader_schema)
        context = SerializationContext(topic, MessageField.VALUE)
        return [_snapshot(message, lambda value: deserialize(value, context)) for message in messages]


def _snapshot(message, decode):
    return Snapshot(
        message.key.decode(),
        None if message.value is None else decode(message.value),
        {name: value.decode() for name, value in message.headers},
        message.partition,
        message.offset,
    )


def _decode_json(value):
    if value[:1] != b"{":
        raise Failure(f"not a JSON object: {value[:40]!r}")
    return json.loads(value)


def latest(snapshots):
    """The last record of each key; a key whose last one is a tombstone is not in it."""
    last = {snapshot.key: snapshot.record for snapshot in snapshots}
    return {key: record for key, record in last.items() if record is not None}
