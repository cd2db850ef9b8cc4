"""Every readable model through the whole of it: webhook, API, Kafka and registry, and both forms of the snapshot.

What a snapshot should show is worked out here from the types in schemas/models.json and the rules in README.md.
"""

import io
import json
import math
import re
from datetime import datetime

import fastavro
import pytest
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from conftest import Programs
from harness.bridge import Bridge
from harness.compare import UNMAPPED, milliseconds
from harness.process import TOP
from harness.record_api import MODELS, READABLE, TOKEN, RecordApi
from harness.simulator import SECRET

KINDS = ["full", "least", "hostile"]
INTEGRATION = "intg-1"
ALWAYS_SENT = ["id", "created_at", "updated_at", "x_id", "integration_id", "integration_vendor", "property_id"]
TIMES = {"created_at", "updated_at", "last_seen"}
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?")
LONG = range(-(2**63), 2**63)
UNMAPPED_METRIC = "bridge_unmapped_fields_total"
PAIRS_KEPT = 200

# Values of each type that the API's records hold, taken in turn.
GOOD = {
    "string": ["plain", "", 'caf\u00e9 "\\\n\t\u0001 \U0001f600', "null", "{}", "12.50", "2024-05-06"],
    "integer": [0, -1, 1200, 2**53 - 1, 2**53 + 1, 2**63 - 1, -(2**63)],
    "number": [0, -0.5, 125050.25, 99.995, 1e15, 12345, 0.1],
    "boolean": [True, False],
    "object": [{}, {"a": [1, None, {"b": {}}], "": "x"}, {"n": 12345678901234567890, "d": 0.30000000000000004}],
    "time": [
        "2024-05-06T07:08:09.123Z",
        "2024-05-06T07:08:09Z",
        "2024-05-06T07:08:09",
        "2024-05-06T09:08:09.5+02:00",
        "1969-12-31T23:59:59.999Z",
        "2024-05-06T07:08:09.123456Z",
        "2024-02-29 23:59:59-0930",
    ],
    "texts": [[], ["x"], ["", "caf\u00e9", "x"]],
}
# Values that no field of the type takes, and a few that it takes although they look bad.
BAD = {
    "string": [5, {"b": None}, ["x"], True, "cut \ud83d", "nul \0 inside", {}, "\0"],
    "integer": ["7", 1.5, 2**63, -(2**63) - 1, 1e300, False, [7], {}],
    "number": ["12.50", "", [1], {}, True],
    "boolean": ["true", 1, 0, "", [], {}],
    "object": [[None, {}], "text", 17, False, [[[[]]]], {"t": "\0 \ud83d"}, "deep"],
    "time": ["2024-05-06", "", 1714979289123, "2024-13-06T07:08:09Z", "soon", {}, "2024-05-06T07:08:09Z\0"],
    "texts": [[None], ["x", 1], "x", {"0": "x"}, ["cut \ude00"], ["nul \0"]],
    "records": [[None], [{}, 7], {"id": "p"}, "x", [{"unheard_of": 1}], [{}, {"id": 5, "": {"x": None}}]],
}
UNKNOWN = [("loyalty", {"tier": [None]}), ("Id", 1), ("unmapped_fields", {"x": "y"}), ("pets[0]", None), ("\0", "\0")]
DEEP = 900


def type_of(name, kind):
    if isinstance(kind, list):
        return "texts" if kind[0] == "string" else "records"
    return "time" if name in TIMES else kind


class Choice:
    """Takes the values of each type in turn, so that every model has others."""

    def __init__(self, values, start):
        self.values = values
        self.taken = start

    def take(self, kind):
        self.taken += 1
        values = self.values[kind]
        return values[self.taken % len(values)]


def full_record(fields, choice):
    record = {}
    for name, kind in fields.items():
        if type_of(name, kind) == "records":
            record[name] = [full_record(kind[0], choice), {}]
        else:
            record[name] = choice.take(type_of(name, kind))
    return record


def deep():
    value = {}
    for _ in range(DEEP):
        value = [value]
    return value


def hostile_pairs(fields, choice):
    """Name and value; a name may come twice, and the last one counts."""
    pairs = [("x_id", "an earlier one"), ("loyalty", 1), ("x_id", None)]
    for name, kind in fields.items():
        value = choice.take(type_of(name, kind))
        pairs.append((name, deep() if value == "deep" else value))
    return pairs + UNKNOWN


def records_of(model):
    """The three records of a model by kind: pairs of name and value."""
    fields = MODELS[model]["fields"]
    start = READABLE.index(model)
    own = {"id": f"{model}/full ?&#%2F\u00e9", "integration_id": INTEGRATION}
    full = full_record(fields, Choice(GOOD, start)) | own
    least = {name: GOOD["time" if name in TIMES else "string"][0] for name in ALWAYS_SENT}
    least |= {"id": f"{model}-least", "integration_id": INTEGRATION}
    hostile = hostile_pairs(fields, Choice(BAD, start))
    # The two by which a record is routed: another integration's record is not this test's matter.
    routed = {"id": f"{model}-hostile", "integration_id": INTEGRATION if start % 2 else 5}
    hostile = [(name, routed.get(name, value)) for name, value in hostile]
    return {"full": list(full.items()), "least": list(least.items()), "hostile": hostile}


def identifier(pairs):
    return next(value for name, value in pairs if name == "id")


def json_text(pairs):
    return "{" + ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs) + "}"


# What should become of a record


def is_text(value):
    """Avro's strings are UTF-8, which has no halves of surrogate pairs."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


FITS = {
    "string": is_text,
    "integer": lambda value: is_number(value) and value == math.floor(value) and int(value) in LONG,
    "number": is_number,
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda _: True,
    "time": lambda value: is_text(value) and TIME.fullmatch(value) and milliseconds(value) is not None,
    "texts": lambda value: isinstance(value, list) and all(map(is_text, value)),
    "records": lambda value: isinstance(value, list) and all(isinstance(item, dict) for item in value),
}


def expected(fields, pairs, unmapped, path=""):
    """Each field's value; what has no place in a field joins `unmapped`, by its path."""
    values = dict.fromkeys(fields)
    last = {}
    times = {}
    for name, value in pairs:
        if name in last:
            unmapped[f"{path}{escaped(name)}[{times.setdefault(name, 0)}]"] = last[name]
            times[name] += 1
        last[name] = value
    for name, value in last.items():
        kind = type_of(name, fields[name]) if name in fields else None
        if name not in fields or (value is not None and not FITS[kind](value)):
            unmapped[path + escaped(name)] = value
        elif kind == "time" and value is not None:
            values[name] = milliseconds(value)
        elif kind == "records" and value is not None:
            values[name] = [
                expected(fields[name][0], item.items(), unmapped, f"{path}{name}[{place}].")
                for place, item in enumerate(value)
            ]
        else:
            values[name] = value
    return values


def escaped(name):
    return name.replace("\0", "\\u0000")


def shown(fields, record):
    """A decoded snapshot's values, comparable: times as milliseconds, free-form objects parsed."""
    assert record.keys() == fields.keys()
    values = {}
    for name, value in record.items():
        kind = type_of(name, fields[name])
        if value is None:
            values[name] = None
        elif kind == "time":
            values[name] = milliseconds(value) if isinstance(value, datetime) else value
        elif kind == "object":
            values[name] = json.loads(value)
        elif kind == "records":
            values[name] = [shown(fields[name][0], item) for item in value]
        else:
            values[name] = value
    return values


# What came of it


class Run:
    """One bridge and what it published: (model, key) -> bytes of the only snapshot."""

    def __init__(self, kafka, prefix, metrics):
        self.prefix = prefix
        self.metrics = metrics
        self.values = {}
        models = {self.topic(model): model for model in READABLE}
        for message in kafka.read_all(models):
            place = models[message.topic], message.key.decode()
            assert place not in self.values
            self.values[place] = message.value
        self.dead_letters = kafka.read(f"{prefix}.dead-letters")

    def topic(self, model):
        return f"{self.prefix}.snapshots.{model}"


def webhook(model, record):
    """Some write the model's name with hyphens, as older ones do."""
    name = model if READABLE.index(model) % 2 else model.replace("_", "-")
    data = {"event": "DATA_NEW", "integration_id": INTEGRATION, "object": name, "record_id": record}
    return {"trigger": "DATA_NEW", "data": data | {"payload": {"id": record}}}


def config(prefix, api, kafka):
    return {
        "bridge.models": READABLE,
        "bridge.instance": prefix,
        "receiver.listen": "127.0.0.1:0",
        "receiver.secret": SECRET,
        "admin.listen": "127.0.0.1:0",
        "kafka.bootstrap.servers": kafka.bootstrap,
        "topics.prefix": prefix,
        "topics.partitions": 1,
        "enricher.group": prefix,
        "enricher.max_delay_ms": 0,
        "api.base_url": api.url,
        "api.token": TOKEN,
        "api.requests_per_minute": 0,
    }


@pytest.fixture(scope="module")
def records():
    return {model: records_of(model) for model in READABLE}


@pytest.fixture(scope="module")
def runs(kafka, registry, records, tmp_path_factory):
    """Two bridges that work on all models and the same 162 records, one for each form of the output."""
    forms = {"avro": {"registry.url": registry.url}, "json": {}}
    programs = Programs(tmp_path_factory.mktemp("models"))
    prefixes = {form: f"models-{form}" for form in forms}
    try:
        with RecordApi() as api:
            for model, kinds in records.items():
                for pairs in kinds.values():
                    api.put(model, identifier(pairs), INTEGRATION, json_text(pairs))
            bridges = {}
            for form, more in forms.items():
                settings = config(prefixes[form], api, kafka) | more
                bridges[form] = Bridge("run", settings, directory=programs.directory, label=form)
                programs.add(bridges[form]).start()
            for bridge in bridges.values():
                bridge.wait_ready(60)
                for model, kinds in records.items():
                    for pairs in kinds.values():
                        assert bridge.post(webhook(model, identifier(pairs)), secret=SECRET).status == 200
            for prefix in prefixes.values():
                kafka.wait_consumed(prefix, f"{prefix}.events.")
            yield {form: Run(kafka, prefixes[form], bridge.metrics()) for form, bridge in bridges.items()}
    finally:
        programs.close()
        for prefix in prefixes.values():
            names = list(kafka.topics(prefix))
            if names:
                kafka.delete_topics(*names)


@pytest.fixture(scope="module")
def readers(registry):
    """Three ways to read a snapshot, none of them ours: by form, then by name."""
    with registry.client() as client:
        confluent = AvroDeserializer(client)
        schemas = {}

        def by_confluent(topic, value):
            return confluent(value, SerializationContext(topic, MessageField.VALUE))

        def by_fastavro(_, value):
            number = int.from_bytes(value[1:5], "big")
            assert value[0] == 0
            if number not in schemas:
                schemas[number] = fastavro.parse_schema(json.loads(client.get_schema(number).schema_str))
            body = io.BytesIO(value[5:])
            record = fastavro.schemaless_reader(body, schemas[number])
            assert body.read() == b""
            return record

        yield {
            "avro": {"confluent": by_confluent, "fastavro": by_fastavro},
            "json": {"json": lambda _, value: json.loads(value)},
        }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", READABLE)
def test_a_snapshot_shows_the_record(model, kind, records, runs, readers):
    fields = MODELS[model]["fields"]
    pairs = records[model][kind]
    unmapped = {}
    values = expected(fields, pairs, unmapped)
    assert (kind == "hostile") == bool(unmapped)
    for form, run in runs.items():
        for name, read in readers[form].items():
            record = read(run.topic(model), run.values[model, identifier(pairs)])
            found = {key: json.loads(text) for key, text in record.pop(UNMAPPED).items()}
            assert shown(fields, record) == values, f"{form} by {name}"
            assert found == unmapped, f"{form} by {name}"


def test_nothing_else_came_of_it(records, runs):
    keys = {(model, identifier(pairs)) for model, kinds in records.items() for pairs in kinds.values()}
    for run in runs.values():
        assert run.values.keys() == keys
        assert run.dead_letters == []
        assert run.metrics.sum("bridge_snapshots_total") == len(keys)


def test_unmapped_fields_are_counted_by_model_and_field(records, runs):
    for run in runs.values():
        assert run.metrics.sum("bridge_transactions_total", outcome="aborted") == 0
        samples = [labels for name, labels, _ in run.metrics.samples if name == UNMAPPED_METRIC]
        others = [labels for labels in samples if labels["field"] == "other"]
        assert len(samples) - len(others) == PAIRS_KEPT and len(others) <= len(READABLE)
        for model, kinds in records.items():
            unmapped = {}
            expected(MODELS[model]["fields"], kinds["hostile"], unmapped)
            assert run.metrics.sum(UNMAPPED_METRIC, model=model) == len(unmapped), model


def test_the_registry_has_the_files(runs, registry):
    with registry.client() as client:
        for model in READABLE:
            latest = client.get_latest_version(f"{runs['avro'].topic(model)}-value")
            assert json.loads(latest.schema.schema_str) == json.loads((TOP / f"schemas/{model}.avsc").read_text())
