"""`snapshots.redact` and `events.redact`: what is to be kept out of Kafka is in no topic, and all else goes on as before."""

import json

from harness.compare import differences
from harness.snapshots import latest
from harness.wait import wait_until

MODELS = ["crm_prospects", "residents"]  # one is put together from webhooks
FIELDS = {"residents": {"date_of_birth", "notes", "email_1"}, "crm_prospects": {"first_name", "phone"}}
PLANTED = b"planted"


def config(folder):
    return {
        "bridge.models": MODELS,
        "output.format": "json",
        "snapshots.redact": [
            "residents.date_of_birth",
            "residents.notes:drop",
            "residents.email_1:hash",
            "crm-prospects.first_name",
            "crm_prospects.phone:hash",
        ],
        "snapshots.redact_key": "a key of more than sixteen bytes",
        "events.redact": True,
        "enricher.cache_dir": folder / "cache",
        "receiver.spool_dir": folder / "spool",
        "sync.grace_ms": 500,
    }


def everything(kafka, prefix):
    """All that is in the topics."""
    topics = list(kafka.topics(prefix))
    for message in kafka.read_all(topics, "read_uncommitted"):
        yield message.topic, b"\n".join([message.key or b"", message.value or b"", *(value or b"" for _, value in message.headers)])


def milestones(kafka, prefix):
    values = (json.loads(message.value) for message in kafka.read(f"{prefix}.activity"))
    return [value for value in values if value.get("event") == "SNAPSHOTS_COMPLETE" and value["model"] == "residents"]


def run_command(bridge, propexo, settings, command, *arguments):
    program = bridge(command, settings, simulator=propexo, arguments=arguments, start=False)
    program.start()
    assert program.wait(120) == 0, program.output() + program.log()
    return program.output()


def test_nothing_of_it_is_in_kafka(simulator, bridge, kafka, prefix, snapshots, tmp_path):
    for name in ("cache", "spool"):
        (tmp_path / name).mkdir()
    settings = config(tmp_path)
    propexo = simulator(models=MODELS, records=100, integrations=1, limit_per_minute=0)
    (integration,) = propexo.stats()["integrations"]
    running = bridge("run", settings, simulator=propexo)
    running.wait_event("assigned", 30)
    propexo.begin(running.receiver_url(), rate=0, changes=300)
    propexo.wait_changes_done()
    residents = sorted(propexo.truth("residents"))

    def plant(key, webhook, **more):
        fields = {"date_of_birth": "planted birth", "email_1": "planted@example.com", "notes": "planted"}
        propexo.change("residents", key, fields | more, webhook)

    def sync(count):
        data = {"event": "SYNC_COMPLETE", "integration_id": integration}
        assert running.post({"trigger": "SYNC_COMPLETE", "data": data}, secret=propexo.secret).status == 200
        wait_until(lambda: len(milestones(kafka, prefix)) == count, 60, "the sync's snapshots")
        return milestones(kafka, prefix)[-1]

    for key in residents[:10]:
        plant(key, True, first_name="Visible")
    plant(residents[10], True)  # nothing else changes
    prospects = sorted(propexo.truth("crm_prospects"))
    for key in prospects[:5]:
        propexo.change("crm_prospects", key, {"first_name": "planted first", "phone": "planted phone", "stage": "WON"}, True)
    propexo.wait_delivered()
    for body, status in (
        (b"date_of_birth=planted", 400),
        (b'{"x":' * 1001 + b'"planted"' + b"}" * 1001, 200),
        ({"event": "DATA_UPDATE", "object": "people", "record_id": "p", "diff": {"new": {"notes": "planted"}}}, 200),
        ({"event": "JOB_FAILURE", "integration_id": integration, "rows": [{"phone": "planted"}]}, 200),
    ):
        assert running.post(body, secret=propexo.secret).status == status

    # What the API recorded is compared with what was heard: nothing is missing.
    first = sync(1)
    assert first["reconciled"] and first["missed"] == 0, first
    for key in residents[11:14]:
        plant(key, False)  # nobody is told
    second = sync(2)
    assert second["reconciled"] and second["missed"] == 3, second
    assert "events produced" in run_command(bridge, propexo, settings, "recover", "--since", "1h")
    run_command(bridge, propexo, settings, "replay")
    run_command(bridge, propexo, settings, "backfill", "--integration", integration, "--model", "residents", "--follow")
    kafka.wait_consumed(prefix, f"{prefix}.events.")

    found = list(everything(kafka, prefix))
    assert [topic for topic, text in found if PLANTED in text] == []
    assert any(b"Visible" in text for topic, text in found if topic.endswith("events.residents"))
    letters = kafka.read(f"{prefix}.dead-letters")
    assert sum(letter.header("original") == "withheld" for letter in letters) >= 2
    for path in [*(tmp_path / "cache").rglob("*"), *(tmp_path / "spool").rglob("*")]:
        assert path.is_dir() or PLANTED not in path.read_bytes(), path

    for model, truth in ((model, propexo.truth(model, changed=True)) for model in MODELS):
        last = latest(snapshots(model))
        assert truth.keys() <= last.keys()
        if model == "residents":
            wrong = {key: differences(last[key], truth[key]) for key in truth}
            assert all(sentence.split(":")[0] in FIELDS[model] for sentences in wrong.values() for sentence in sentences)
            assert all(last[key]["date_of_birth"] is None and last[key]["notes"] is None for key in truth)
            assert {last[key]["first_name"] for key in residents[:10]} == {"Visible"}
            assert len({last[key]["email_1"] for key in residents[:14]}) == 1
            assert last[residents[0]]["email_1"].startswith("hmac-sha256:")
        else:
            assert all("first_name" not in record["fields"] for record in last.values())
            phones = {json.loads(last[key]["fields"]["phone"]) for key in prospects[:5]}
            assert len(phones) == 1 and phones.pop().startswith("hmac-sha256:")
            assert all(json.loads(last[key]["fields"]["stage"]) == "WON" for key in prospects[:5])
    ignored = ("--ignore", "custom_data.read_sequence", "--ignore", "last_seen")
    said = run_command(bridge, propexo, settings, "verify", "--model", "residents", *ignored)
    row = next(line.split() for line in said.splitlines() if line.startswith("residents"))
    assert row[1] == row[2] and int(row[1]) > 0, said
    assert running.metrics().sum("bridge_fields_redacted_total") > 100


def test_snapshots_alone(simulator, bridge, kafka, prefix, snapshots, tmp_path):
    """Events stay as they came; a field that is dropped from now on is gone from a record with its next snapshot."""
    propexo = simulator(models=["residents"], records=20, integrations=1, limit_per_minute=0)
    base = {"bridge.models": ["residents"], "output.format": "json", "bridge.instance": "one"}
    running = bridge("run", base, simulator=propexo)
    running.wait_event("assigned", 30)
    key = sorted(propexo.truth("residents"))[0]

    def change(name, count):
        propexo.change("residents", key, {"notes": "planted", "first_name": name}, False)
        data = {"event": "DATA_UPDATE", "object": "residents", "record_id": key, "integration_id": propexo.stats()["integrations"][0]}
        body = {"trigger": "DATA_UPDATE", "data": data | {"diff": {"new": {"notes": "planted"}, "previous": {"notes": "x"}}}}
        assert running.post(body, secret=propexo.secret).status == 200
        wait_until(lambda: len(snapshots("residents")) == count, 30, "the snapshot")
        return latest(snapshots("residents"))[key]

    assert change("One", 1)["notes"] == "planted"
    running.terminate()
    assert running.wait() == 0
    running = bridge("run", base | {"snapshots.redact": "residents.notes"}, simulator=propexo)
    running.wait_event("assigned", 30)
    after = change("Two", 2)
    assert after["notes"] is None and after["first_name"] == "Two"
    assert all(b"planted" in message.value for message in kafka.read(f"{prefix}.events.residents"))


def test_what_cannot_be_redacted(bridge):
    for rule, what in (
        ("people.name", "no such model"),
        ("residents.id", "needs it"),
        ("residents.balance_in_cents:hash", "not hashed"),
    ):
        settings = {"bridge.models": ["residents"], "snapshots.redact": rule, "snapshots.redact_key": "0123456789abcdef"}
        program = bridge("receive", settings, start=False, exit_code=78)
        program.start()
        assert program.wait() == 78 and what in program.log()
