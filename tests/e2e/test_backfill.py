"""A first sync sends no webhooks of records: what it brought is read from the API."""

import json
import random
import time

from harness import snapshots as snapshot_reader
from harness.compare import differences, falling_sequences
from harness.snapshots import latest
from harness.wait import wait_until

MODELS = ["residents", "units"]


def first_sync(integration, **more):
    data = {"event": "FIRST_SYNC_COMPLETE", "integration_id": integration, "vendor": "SAMPLE1", "is_sync_finished": True}
    return {"trigger": "FIRST_SYNC_COMPLETE", "data": data | more}


def order(running, propexo, integration, **more):
    answer = running.post(first_sync(integration, **more), secret=propexo.secret)
    assert answer.status == 200


def milestones(kafka, prefix, event):
    """{(integration, model): the milestone} of the activity topic; the last where there are several."""
    found = {}
    for message in kafka.read(f"{prefix}.activity"):
        told = json.loads(message.value)
        if told.get("event") == event:
            found[told["integration_id"], told["model"]] = told
    return found


def wait_complete(kafka, prefix, wanted, timeout=60):
    def done():
        return len(milestones(kafka, prefix, "BACKFILL_COMPLETE")) >= wanted

    wait_until(done, timeout, lambda: f"{wanted} backfills: {milestones(kafka, prefix, 'BACKFILL_COMPLETE')}", interval=0.3)
    return milestones(kafka, prefix, "BACKFILL_COMPLETE")


def assert_whole(propexo, snapshots, models, integrations):
    """The last snapshot of every record of these integrations equals it; none ever went back. Returns how many."""
    count = 0
    for model in models:
        found = snapshots(model)
        last = latest(found)
        truth = propexo.truth(model)
        truth = {key: record for key, record in truth.items() if record["integration_id"] in integrations}
        assert last.keys() == truth.keys()
        wrong = {key: said for key, record in truth.items() if (said := differences(last[key], record))}
        assert not wrong, f"{model}: {len(wrong)} differ, such as {list(wrong.items())[:3]}"
        assert falling_sequences(found) == []
        count += len(truth)
    return count


def test_a_first_sync(simulator, bridge, kafka, prefix, snapshots):
    propexo = simulator(models=MODELS, records=3000, integrations=2, created_ties=500, limit_per_minute=0, latency_ms=5)
    running = bridge("run", {"bridge.models": MODELS, "output.format": "json"}, simulator=propexo)
    running.wait_event("assigned", 20)
    integration = propexo.stats()["integrations"][0]
    order(running, propexo, integration)
    complete = wait_complete(kafka, prefix, 2)
    print(complete, running.events('backfill'))
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    count = assert_whole(propexo, snapshots, MODELS, {integration})
    assert {key: told["missing"] for key, told in complete.items()} == {(integration, model): 0 for model in MODELS}
    assert sum(told["snapshots"] for told in complete.values()) >= count
    assert all(told["total"] > 0 and told["order"] for told in complete.values())
    assert milestones(kafka, prefix, "BACKFILL_STARTED").keys() == complete.keys()
    requests = running.metrics().sum("bridge_api_requests_by_kind_total", kind="backfill")
    print(f"{count} records, {requests} requests")
    assert requests <= 1.02 * count / 250 + 2 * len(MODELS) + 2
    assert kafka.read(f"{prefix}.dead-letters") == []


def test_a_sync_goes_behind_the_events_of_its_models(simulator, bridge, kafka, prefix):
    propexo = simulator(models=MODELS, records=10, integrations=1)
    running = bridge("receive", {"bridge.models": MODELS}, simulator=propexo)
    order(running, propexo, "i-1")
    order(running, propexo, "i-2", models_synced=["units", "spaceships"])
    places = {}
    for topic in ("activity", "events.residents", "events.units"):
        for message in kafka.read(f"{prefix}.{topic}"):
            headers = dict(message.headers)
            places.setdefault(message.key, {})[topic] = headers["sync_id"], headers["sync_models"]
    assert {key: sorted(found) for key, found in places.items()} == {
        b"i-1": ["activity", "events.residents", "events.units"],
        b"i-2": ["activity", "events.units"],
    }
    assert [len(set(found.values())) for found in places.values()] == [1, 1]  # one id each, told to all
    assert {models for found in places.values() for _, models in found.values()} == {b"residents,units", b"units"}


def test_live_changes_and_kills_in_the_middle(simulator, bridge, kafka, prefix, snapshots):
    """Whatever happens meanwhile, the snapshots are whole at the end, and no record ever went back."""
    propexo = simulator(
        models=MODELS, records=8000, integrations=1, created_ties=2000, limit_per_minute=1200, latency_ms=100
    )
    config = {"bridge.models": MODELS, "output.format": "json", "api.requests_per_minute": 1200}
    receiver = bridge("receive", {"bridge.models": MODELS}, simulator=propexo)
    enricher = bridge("enrich", config | {"bridge.instance": f"{prefix}-enricher"}, simulator=propexo)
    enricher.wait_event("assigned", 30)
    integration = propexo.stats()["integrations"][0]
    order(receiver, propexo, integration)
    propexo.begin(receiver.receiver_url(), rate=50, changes=600)
    chance = random.Random(5)
    pages = 0
    for _ in range(4):
        wait_until(lambda: enricher.metrics().sum("bridge_api_requests_by_kind_total", kind="backfill") > 3, 60, "pages")
        time.sleep(chance.random())
        pages += enricher.metrics().sum("bridge_api_requests_by_kind_total", kind="backfill")
        enricher.kill()
        enricher.start_ready()
    propexo.wait_changes_done()
    complete = wait_complete(kafka, prefix, 2, timeout=120)
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    pages += enricher.metrics().sum("bridge_api_requests_by_kind_total", kind="backfill")
    count = assert_whole(propexo, snapshots, MODELS, {integration})
    print(f"{count} records whole, {pages} pages, {complete}")
    assert pages <= 2 * (count / 250) + 20


def test_a_lasting_cache_knows_only_what_was_committed(simulator, bridge, own_kafka, prefix, tmp_path):
    """Pages that are answered, and whose transaction a crash takes away, are published after it."""
    own_kafka.start()
    (tmp_path / "cache").mkdir()
    propexo = simulator(models=["units"], records=4000, integrations=1, limit_per_minute=0, latency_ms=50)
    config = {"bridge.models": ["units"], "output.format": "json", "enricher.cache_dir": tmp_path / "cache"}
    config["kafka.bootstrap.servers"] = own_kafka.bootstrap
    running = bridge("run", config | {"bridge.instance": f"{prefix}-one"}, simulator=propexo)
    running.wait_event("assigned", 20)
    (integration,) = propexo.stats()["integrations"]

    def pages():
        return running.metrics().sum("bridge_api_requests_by_kind_total", kind="backfill")

    order(running, propexo, integration)
    wait_until(lambda: pages() > 2, 20, "pages", interval=0.001)
    own_kafka.freeze()
    time.sleep(2)  # It asks for two pages more at most, and has their answers after 50 ms.
    assert pages() < 16
    running.kill()
    own_kafka.thaw()
    running.start_ready()
    wait_complete(own_kafka, prefix, 1)
    own_kafka.wait_consumed(prefix, f"{prefix}.events.")
    last = latest(snapshot_reader.read(own_kafka, prefix, "units"))
    assert last.keys() == propexo.truth("units").keys()


def test_orders_that_overlap_make_one_backfill(simulator, bridge, kafka, prefix, snapshots):
    propexo = simulator(models=MODELS, records=3000, integrations=1, limit_per_minute=600, latency_ms=100)
    config = {"bridge.models": MODELS, "output.format": "json", "api.requests_per_minute": 600}
    running = bridge("run", config, simulator=propexo)
    running.wait_event("assigned", 20)
    integration = propexo.stats()["integrations"][0]
    for _ in range(5):
        order(running, propexo, integration)
    wait_complete(kafka, prefix, 2)
    order(running, propexo, integration)  # not long after: no other one
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    running.wait_event("backfill_not_again", 20)
    assert_whole(propexo, snapshots, MODELS, {integration})
    started = [json.loads(message.value) for message in kafka.read(f"{prefix}.activity")]
    assert sum(told.get("event") == "BACKFILL_STARTED" for told in started) == 2
    assert running.metrics().sum("bridge_api_requests_by_kind_total", kind="backfill") <= 2 * (3000 / 247 + 4)


def command(bridge, propexo, *arguments, code=0, **config):
    """Runs `propexo-bridge backfill` to its end; what it printed: output and log."""
    settings = {"bridge.models": MODELS} | config
    program = bridge("backfill", settings, simulator=propexo, arguments=arguments, start=False, exit_code=code)
    program.start()
    assert program.wait(60) == code, program.output() + program.log()
    return program.output(), program.log()


def test_orders_in_a_row_for_a_model_without_a_list(simulator, bridge, kafka, prefix):
    """Only webhooks tell of it: each order is complete at once, also one that comes before that is committed."""
    models = ["contracts", "units"]
    propexo = simulator(models=models, records=10, integrations=2, limit_per_minute=0)
    running = bridge("run", {"bridge.models": models, "output.format": "json", "backfill.min_interval_ms": 0}, simulator=propexo)
    running.wait_event("assigned", 20)
    integrations = propexo.stats()["integrations"]
    for _ in range(10):
        for integration in integrations:
            order(running, propexo, integration)
    complete = wait_complete(kafka, prefix, 4)
    assert complete[integrations[0], "contracts"]["pages"] == 0
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    assert running.running


def test_ordered_by_hand(simulator, bridge, kafka, prefix, snapshots):
    propexo = simulator(models=MODELS, records=1200, integrations=3, limit_per_minute=0, latency_ms=20)
    running = bridge("run", {"bridge.models": MODELS, "output.format": "json"}, simulator=propexo)
    running.wait_event("assigned", 20)
    first, *others = propexo.stats()["integrations"]
    output, _ = command(bridge, propexo, "--integration", first, "--model", "units", "--follow")
    assert "400 of 400 records" in output and "0 of 1 lists left" in output
    assert_whole(propexo, snapshots, ["units"], {first})
    assert snapshots("residents") == []
    output, _ = command(bridge, propexo, "--all", "--follow")  # also what was read not long ago
    assert "2400 of 2400 records" in output and "0 of 6 lists left" in output
    assert_whole(propexo, snapshots, MODELS, {first, *others})
    started = [json.loads(message.value)["event"] for message in kafka.read(f"{prefix}.activity")]
    assert started.count("BACKFILL_STARTED") == 7


def test_orders_that_cannot_be_given(simulator, bridge, kafka):
    propexo = simulator(models=MODELS, records=10, integrations=1)
    for arguments, sentence in (
        ((), "either --integration ID or --all"),
        (("--all", "--integration", "i"), "either --integration ID or --all"),
        (("--integration",), "is not understood"),
        (("--integration", "i", "--model", "leases"), "leases is not in bridge.models"),
        (("--all", "now"), "now is not understood"),
    ):
        assert sentence in command(bridge, propexo, *arguments, code=64)[1]
    assert "status 401" in command(bridge, propexo, "--all", code=78, **{"api.token": "another"})[1]


def test_a_list_that_the_api_does_not_give(simulator, bridge, kafka, prefix):
    """It is given up, and told; the other model is read."""
    propexo = simulator(models=["units"], records=100, integrations=1, limit_per_minute=0)
    config = {"bridge.models": MODELS, "output.format": "json"}
    running = bridge("run", config, simulator=propexo)
    running.wait_event("assigned", 20)
    (integration,) = propexo.stats()["integrations"]
    command(bridge, propexo, "--integration", integration, "--follow", code=1)
    assert milestones(kafka, prefix, "BACKFILL_FAILED").keys() == {(integration, "residents")}
    assert milestones(kafka, prefix, "BACKFILL_COMPLETE")[integration, "units"]["snapshots"] >= 100
