"""`propexo-bridge recover` makes up for webhooks that never came, from the API's record of changes."""

from collections import Counter
from datetime import datetime, timedelta, timezone

from harness.compare import differences
from harness.snapshots import latest
from harness.truth import assert_equals_truth
from harness.wait import wait_until

MODELS = ["residents", "units", "leases"]


def recover(bridge, propexo, *arguments, code=0, models=MODELS, **config):
    """Runs it to its end; what it printed: output and log."""
    settings = {"bridge.models": models, "output.format": "json"} | config
    program = bridge("recover", settings, simulator=propexo, arguments=arguments, start=False, exit_code=code)
    program.start()
    assert program.wait(120) == code, program.output() + program.log()
    return program.output(), program.log()


def run_bridge(bridge, propexo, models=MODELS):
    running = bridge("run", {"bridge.models": models, "output.format": "json"}, simulator=propexo)
    running.wait_event("assigned", 30)
    return running


def lose_changes(propexo, running, count):
    """So many changes, none of whose webhooks is sent."""
    propexo.begin(running.receiver_url(), rate=0, changes=count)
    propexo.wait_changes_done()
    assert propexo.stats()["webhooks_ok"] == 0


def events(kafka, prefix, model):
    """The events that recover made of a model, in the order of the topic."""
    messages = kafka.read(f"{prefix}.events.{model}")
    assert all(message.header("recovered") == "recover" for message in messages)
    return messages


def test_an_outage(simulator, bridge, kafka, prefix, snapshots):
    propexo = simulator(
        models=MODELS, records=600, integrations=3, drop_webhooks=100, new_percent=10, limit_per_minute=0
    )
    running = run_bridge(bridge, propexo)
    lose_changes(propexo, running, 2000)
    output, log = recover(bridge, propexo, "--since", "1h", "--dry-run")
    assert output.startswith("3 integrations, 2000 changes read,") and "would be produced" in output
    assert all(events(kafka, prefix, model) == [] for model in MODELS)
    output, log = recover(bridge, propexo, "--since", "1h")
    assert output.startswith("3 integrations, 2000 changes read,") and "0 skipped" in output
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    print(output, assert_equals_truth(propexo, snapshots, MODELS))
    made = [message for model in MODELS for message in events(kafka, prefix, model)]
    assert f" {len(made)} events produced" in output
    assert max(Counter((m.topic, m.header("record_id")) for m in made).values()) == 1
    assert kafka.read(f"{prefix}.dead-letters") == []
    requests = running.metrics().sum("bridge_api_requests_total")
    print(f"{len(made)} events, {requests} requests")


def test_one_integration_and_only_what_is_configured(simulator, bridge, kafka, prefix, snapshots):
    propexo = simulator(models=MODELS, records=300, integrations=2, drop_webhooks=100, limit_per_minute=0)
    running = run_bridge(bridge, propexo, ["units"])
    lose_changes(propexo, running, 300)
    integration = propexo.stats()["integrations"][0]
    output, _ = recover(bridge, propexo, "--since", "90m", "--integration", integration, models=["units"])
    assert output.startswith("1 integrations, ") and " 0 skipped" not in output
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    last = latest(snapshots("units"))
    truth = propexo.truth("units", changed=True)
    truth = {key: record for key, record in truth.items() if record["integration_id"] == integration}
    assert truth and last.keys() == truth.keys()
    assert not [said for key, record in truth.items() if (said := differences(last[key], record))]


def test_only_what_came_since(simulator, bridge, kafka, prefix):
    propexo = simulator(models=MODELS, records=60, integrations=1, drop_webhooks=100, limit_per_minute=0)
    running = run_bridge(bridge, propexo)
    lose_changes(propexo, running, 20)
    # By the clock of what was recorded: changes may share a millisecond, and a machine's clock may be set back.
    integration = propexo.stats()["integrations"][0]
    newest = f"/v1/admin/data-diffs/?integration_id={integration}&order-by=created_at:desc&limit=1"
    last = datetime.fromisoformat(propexo.get(newest).json()["results"][0]["created_at"].replace("Z", "+00:00"))
    between = (last + timedelta(milliseconds=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    wait_until(lambda: datetime.now(timezone.utc) > last + timedelta(milliseconds=1), 10, lambda: f"later than {last}")
    propexo.begin(running.receiver_url(), rate=0, changes=10)
    propexo.wait_delivered()
    output, _ = recover(bridge, propexo, "--since", between)
    assert output.startswith("1 integrations, 10 changes read,")


def test_children_and_assembled_models_get_every_change_in_order(simulator, bridge, kafka, prefix, snapshots):
    models = ["residents", "leases", "residents_to_leases", "contracts"]
    propexo = simulator(
        models=models, records=200, integrations=2, drop_webhooks=100, new_percent=20, limit_per_minute=0
    )
    running = run_bridge(bridge, propexo, models)
    lose_changes(propexo, running, 800)
    recover(bridge, propexo, "--since", "1h", models=models)
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    recorded = {model: [] for model in models}
    for integration in propexo.stats()["integrations"]:
        offset, more = 0, True
        while more:
            page = propexo.get(
                f"/v1/admin/data-diffs/?integration_id={integration}&order-by=created_at:asc&limit=250&offset={offset}"
            ).json()
            for item in page["results"]:
                recorded[item["model"]].append((integration, item["model_record_id"], item["event_type"]))
            offset += len(page["results"])
            more = page["meta"]["hasMore"]
    for model in ("residents_to_leases", "contracts"):
        made = [
            (m.key.decode(), m.header("record_id"), m.header("trigger").removeprefix("DATA_"))
            for m in events(kafka, prefix, model)
        ]
        for integration in propexo.stats()["integrations"]:
            assert [one for one in made if one[0] == integration] == [
                one for one in recorded[model] if one[0] == integration
            ]
    # A child of the start whose changes name no parent refreshes none; all else must be seen.
    for model, name in (("residents", "resident_id"), ("leases", "lease_id")):
        last = latest(snapshots(model))
        truth = propexo.truth(model)
        children = propexo.truth("residents_to_leases")
        changed = {key for _, key, _ in recorded[model]}
        named = {children[key][name] for _, key, kind in recorded["residents_to_leases"] if kind == "NEW"}
        assert changed and named and changed | named <= last.keys()
        assert not [said for key, record in last.items() if (said := differences(record, truth[key]))]
    found = latest(snapshots("contracts"))
    assert found.keys() == {key for _, key, _ in recorded["contracts"]}


def test_moments(simulator, bridge, kafka, prefix):
    propexo = simulator(models=MODELS, records=10, integrations=1)
    for arguments in (
        (),
        ("--since", "yesterday"),
        ("--since", "2026-02-30T00:00:00Z"),
        ("--since", "-5m"),
        ("--since", "5"),
        ("--since", (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat()),
    ):
        assert "--since takes a moment" in recover(bridge, propexo, *arguments, code=64)[1]
    assert "is not understood" in recover(bridge, propexo, "--since", "1h", "--model", "units", code=64)[1]
    _, log = recover(bridge, propexo, "--since", "31d", code=1)
    assert "keeps changes for 30 days" in log and "propexo-bridge backfill --all" in log
    _, log = recover(bridge, propexo, "--since", "2020-01-01T00:00:00Z", "--integration", "i", code=1)
    assert "propexo-bridge backfill --integration i" in log
    assert kafka.topics(prefix) == {}


def test_no_right_to_the_recorded_changes(simulator, bridge, kafka, prefix):
    propexo = simulator(models=MODELS, records=10, integrations=1, data_diffs="off")
    run_bridge(bridge, propexo)
    _, log = recover(bridge, propexo, "--since", "1h", code=78)
    assert "status 403" in log and "no right to /v1/admin" in log and "propexo-bridge backfill --all" in log
    _, log = recover(bridge, propexo, "--since", "1h", code=78, **{"api.token": "another"})
    assert "status 401" in log and "backfill" not in log
