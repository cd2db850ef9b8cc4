"""`propexo-bridge verify` finds what the snapshots do not show as the API does, and nothing else."""

import json
import random

import pytest
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from harness.process import TOP
from harness.snapshots import latest

MODELS = ["residents", "units", "lead_relationships"]
# Each read is numbered in it, so no two readings of a record are equal.
STAMP = "custom_data.read_sequence"


def verify(bridge, propexo, *arguments, code=0, registry=None, timeout=120, **config):
    """Runs it to its end; what it printed: output and log."""
    settings = {"bridge.models": MODELS, "enricher.max_delay_ms": 500} | config
    program = bridge(
        "verify",
        settings,
        simulator=propexo,
        registry=registry,
        arguments=("--ignore", STAMP, *arguments),
        start=False,
        exit_code=code,
    )
    program.start()
    assert program.wait(timeout) == code, program.output() + program.log()
    return program.output(), program.log()


def verify_json(*arguments, **options):
    return json.loads(verify(*arguments, "--json", "--limit", "1000", **options)[0])


def found(told):
    """{(model, id): (difference, fields)} of what it told."""
    assert len(told["differences"]) == told["found"]
    return {
        (item["model"], item["record_id"]): (item["difference"], sorted(item["fields"]))
        for item in told["differences"]
    }


def counts(told):
    names = ("records", "same", "missing", "differing", "gone", "not_judged")
    return {row["model"]: tuple(row[name] for name in names) for row in told["models"]}


def publish_all(bridge, propexo, kafka, prefix, registry=None, models=MODELS, **config):
    """A running bridge that has published every record."""
    settings = {"bridge.models": models, "enricher.max_delay_ms": 500} | config
    running = bridge("run", settings, simulator=propexo, registry=registry)
    running.wait_event("assigned", 30)
    order = bridge(
        "backfill", settings, simulator=propexo, registry=registry, arguments=("--all", "--follow"), start=False
    )
    order.start()
    assert order.wait(120) == 0, order.log()
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    return running


def last_messages(kafka, topic):
    return {message.key.decode(): message for message in kafka.read(topic) if message.value is not None}


STAMPS = {"created_at", "updated_at", "last_seen"}


def plant(propexo, kafka, prefix, chance, registry=None):
    """105 differences of all kinds; what verify must find: {(model, id): (difference, fields)}."""
    planted = {}
    for model in MODELS:
        topic = f"{prefix}.snapshots.{model}"
        messages = last_messages(kafka, topic)
        keys = sorted(messages)
        chance.shuffle(keys)
        text = "integration_vendor"
        for key in keys[:10]:
            propexo.change(model, key, {text: "changed without a word"})
            planted[model, key] = "differing", [text]
        for key in keys[10:15]:
            propexo.change(model, key, {"brand_new": {"deep": [1, None]}})
            planted[model, key] = "differing", ["brand_new"]
        for key in keys[15:23]:
            headers = messages[key].headers
            kafka.produce(topic, [(key, None, list(headers))])
            planted[model, key] = "missing", []
        for key in keys[23:28]:
            propexo.delete(model, key)
            planted[model, key] = "gone", []
        for key in keys[28:33]:  # an older snapshot of another record under this key
            other = messages[keys[40]]
            kafka.produce(topic, [(key, other.value, list(messages[key].headers))])
            planted[model, key] = "differing", None
        for number in range(2):
            extra = f"no-such-{number}"
            kafka.produce(topic, [(extra, messages[keys[41]].value, list(messages[keys[41]].headers))])
            planted[model, extra] = "gone", []
    return planted


@pytest.mark.parametrize("form", [pytest.param("json", marks=pytest.mark.long), "avro"])
def test_a_hundred_differences(form, simulator, bridge, kafka, prefix, request):
    registry = request.getfixturevalue("registry") if form == "avro" else None
    propexo = simulator(models=MODELS, records=900, integrations=3, created_ties=40, limit_per_minute=0)
    publish_all(bridge, propexo, kafka, prefix, registry)
    told = verify_json(bridge, propexo, registry=registry)
    assert found(told) == {} and counts(told) == {model: (900, 900, 0, 0, 0, 0) for model in MODELS}
    planted = plant(propexo, kafka, prefix, random.Random(7), registry)
    print(len(planted), "planted")
    told = verify_json(bridge, propexo, registry=registry, code=1)
    seen = found(told)
    assert seen.keys() == planted.keys()
    assert {key: difference for key, (difference, _) in seen.items()} == {
        key: difference for key, (difference, _) in planted.items()
    }
    for key, (_, fields) in planted.items():
        if fields is not None:
            assert [name for name in seen[key][1] if name not in STAMPS] == fields, key
        else:
            assert "id" in seen[key][1]
    output, log = verify(bridge, propexo, "--repair", "--limit", "5", registry=registry, code=1)
    assert f"ordered {len(planted)} records" in output and f"and {len(planted) - 5} more" in output
    assert "changed without a word" not in output + log
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    told = verify_json(bridge, propexo, registry=registry)
    assert found(told) == {}
    assert kafka.read(f"{prefix}.dead-letters") == []


def test_one_integration_and_one_model(simulator, bridge, kafka, prefix):
    propexo = simulator(models=MODELS, records=600, integrations=3, limit_per_minute=0)
    first, second, _ = propexo.stats()["integrations"]
    config = {"output.format": "json"}
    # Nothing was published yet.
    bridge("run", {"bridge.models": MODELS} | config, simulator=propexo).wait_event("assigned", 30)
    output, _ = verify(bridge, propexo, "--integration", first, "--model", "units", code=1, **config)
    assert "and 100 more" in output and "residents" not in output
    assert [line.split() for line in output.splitlines() if line.startswith("units")] == [
        ["units", "200", "0", "200", "0", "0", "0"]
    ]
    order = bridge(
        "backfill",
        {"bridge.models": MODELS} | config,
        simulator=propexo,
        arguments=("--integration", first, "--follow"),
        start=False,
    )
    order.start()
    assert order.wait(60) == 0
    told = verify_json(bridge, propexo, "--integration", first, **config)
    assert {row["model"]: (row["records"], row["same"]) for row in told["models"]} == {
        model: (200, 200) for model in MODELS
    }
    assert counts(verify_json(bridge, propexo, "--integration", second, "--model", "units", code=1, **config)) == {
        "units": (200, 0, 200, 0, 0, 0)
    }


def test_changes_meanwhile_are_no_differences(simulator, bridge, kafka, prefix):
    models = ["residents", "units"]
    propexo = simulator(models=models, records=4000, integrations=2, limit_per_minute=0, latency_ms=50)
    running = publish_all(bridge, propexo, kafka, prefix, models=models, **{"output.format": "json"})
    propexo.begin(running.receiver_url(), rate=40, changes=100000)
    for _ in range(3):
        told = verify_json(
            bridge, propexo, "--ignore", "last_seen", **{"bridge.models": models, "output.format": "json"}
        )
        print(counts(told))
        assert found(told) == {}
    propexo.end()
    kafka.wait_consumed(prefix, f"{prefix}.events.")


def test_a_list_that_cannot_be_read_whole(simulator, bridge, kafka, prefix):
    """900 records of one created_at in another order each time: what is not met is not judged."""
    propexo = simulator(models=["units"], records=900, integrations=1, created_ties=900, limit_per_minute=0)
    config = {"bridge.models": ["units"], "output.format": "json"}
    publish_all(bridge, propexo, kafka, prefix, models=["units"], **{"output.format": "json"})
    output, _ = verify(bridge, propexo, **config)
    told = verify_json(bridge, propexo, **config)
    (row,) = told["models"]
    print(output, row)
    assert found(told) == {}
    if not row["whole"]:
        assert row["records"] < 900 and row["not_judged"] == 900 - row["records"]


def test_ignored_fields(simulator, bridge, kafka, prefix):
    propexo = simulator(models=["units"], records=50, integrations=1, limit_per_minute=0)
    config = {"bridge.models": ["units"], "output.format": "json"}
    publish_all(bridge, propexo, kafka, prefix, models=["units"], **{"output.format": "json"})
    key = sorted(propexo.truth("units"))[0]
    propexo.change("units", key, {"integration_vendor": "other", "custom_data": {"colour": "red"}})
    told = verify_json(bridge, propexo, code=1, **config)
    assert found(told).keys() == {("units", key)}
    assert set(found(told)["units", key][1]) - STAMPS == {"integration_vendor", "custom_data"}
    stamps = [part for name in STAMPS for part in ("--ignore", name)]
    few = ("--ignore", "units.integration_vendor", "--ignore", "custom_data", *stamps)
    assert found(verify_json(bridge, propexo, *few, **config)) == {}
    other = ("--ignore", "residents.integration_vendor", "--ignore", "custom_data", *stamps)
    assert found(verify_json(bridge, propexo, *other, code=1, **config)) == {
        ("units", key): ("differing", ["integration_vendor"])
    }


def test_what_cannot_be_verified(simulator, bridge, kafka, prefix):
    propexo = simulator(models=["units", "contracts"], records=20, integrations=1, limit_per_minute=0)
    config = {"bridge.models": ["units", "contracts"], "output.format": "json"}
    assert "topics are missing" in verify(bridge, propexo, code=78, **config)[1]
    assert kafka.topics(prefix) == {}
    bridge("run", config, simulator=propexo).wait_event("assigned", 30)
    output, _ = verify(bridge, propexo, code=1, **config)
    assert "not verifiable, no list shows them: contracts" in output
    assert verify_json(bridge, propexo, code=1, **config)["not_verifiable"] == ["contracts"]
    assert "contracts has no list" in verify(bridge, propexo, "--model", "contracts", code=64, **config)[1]
    assert "leases is not in bridge.models" in verify(bridge, propexo, "--model", "leases", code=64, **config)[1]
    assert "--limit takes a number" in verify(bridge, propexo, "--limit", "many", code=64, **config)[1]
    assert "is not understood" in verify(bridge, propexo, "--all", code=64, **config)[1]
    assert "status 401" in verify(bridge, propexo, code=78, **config, **{"api.token": "another"})[1]
    away = config | {"kafka.bootstrap.servers": "127.0.0.1:1"}
    verify(bridge, propexo, code=69, **away)
    embedded = config | {"kafka.bootstrap.servers": "embedded"}
    assert "is embedded" in verify(bridge, propexo, code=78, **embedded)[1]


def test_a_readable_child_is_repaired(simulator, bridge, kafka, prefix):
    models = ["service_requests", "service_request_notes"]
    propexo = simulator(models=models, records=60, integrations=1, limit_per_minute=0)
    config = {"bridge.models": models, "output.format": "json"}
    publish_all(bridge, propexo, kafka, prefix, models=models, **{"output.format": "json"})
    key = sorted(propexo.truth("service_request_notes"))[0]
    propexo.change("service_request_notes", key, {"integration_vendor": "other"})
    assert ("service_request_notes", key) in found(verify_json(bridge, propexo, "--repair", code=1, **config))
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    assert found(verify_json(bridge, propexo, **config)) == {}
    assert [(m.header("error_code"), m.header("record_id")) for m in kafka.read(f"{prefix}.dead-letters")] == []


def test_snapshots_of_an_older_schema(simulator, bridge, kafka, prefix, registry, snapshots):
    """A field that the older schema did not know stands in unmapped_fields there: that is no difference."""
    propexo = simulator(models=["units"], records=60, integrations=1, limit_per_minute=0)
    config = {"bridge.models": ["units"]}
    publish_all(bridge, propexo, kafka, prefix, registry, models=["units"])
    schema = json.loads((TOP / "schemas" / "units.avsc").read_text())
    schema["fields"] = [field for field in schema["fields"] if field["name"] != "bathrooms"]
    schema["fields"].insert(1, {"name": "known_once", "type": ["null", "string"], "default": None})
    topic = f"{prefix}.snapshots.units"
    records = latest(snapshots("units", registry=registry))
    headers = {key: list(message.headers) for key, message in last_messages(kafka, topic).items()}
    told = {key: record["bathrooms"] for key, record in records.items() if record["bathrooms"] is not None}
    wrong = sorted(told)[:2]
    with registry.client() as client:
        serialize = AvroSerializer(client, json.dumps(schema))
        context = SerializationContext(topic, MessageField.VALUE)
        messages = []
        for key, record in records.items():
            bathrooms = record.pop("bathrooms")
            if bathrooms is not None:
                record["unmapped_fields"]["bathrooms"] = "99" if key == wrong[0] else json.dumps(bathrooms)
            if key == wrong[1]:
                record["known_once"] = "the API no longer tells it"
            messages.append((key.encode(), serialize(record, context), headers[key]))
    kafka.produce(topic, messages)
    assert len(told) > 10
    assert found(verify_json(bridge, propexo, registry=registry, code=1, **config)) == {
        ("units", wrong[0]): ("differing", ["bathrooms"]),
        ("units", wrong[1]): ("differing", ["known_once"]),
    }
    kafka.produce(topic, [(wrong[0].encode(), b"no frame", headers[wrong[0]])])
    seen = found(verify_json(bridge, propexo, "--repair", registry=registry, code=1, **config))
    assert seen["units", wrong[0]] == ("differing", [])
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    assert found(verify_json(bridge, propexo, registry=registry, **config)) == {}
