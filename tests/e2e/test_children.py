"""Models without a record of their own to fetch by id: those that others show, and those that only a list has."""

import json
import shutil
from urllib.parse import quote

import pytest

from harness.http_client import request
from harness.snapshots import latest
from harness.truth import assert_equals_truth
from harness.wait import Failure

PARENTS = ["residents", "leases"]
RELATION = "residents_to_leases"
LISTED = ["lead_relationships", "timezones", "unit_pricing"]


def control(propexo, path, body=None):
    answer = request("POST", f"{propexo.url}/_sim/{path}", json.dumps(body or {}).encode())
    assert answer.status == 200, answer.text()


def change(propexo, model, key, **fields):
    control(propexo, "change", {"model": model, "id": key, "fields": fields, "webhook": True})


@pytest.fixture
def followed(kafka, prefix):
    """Waits until everything that was sent has been worked on."""

    def wait(propexo, enricher):
        propexo.wait_delivered()
        try:
            kafka.wait_consumed(prefix, f"{prefix}.events.", 60)
        except Failure as failure:
            metrics = request("GET", enricher.admin_url("/metrics")).text()
            shown = [line for line in metrics.splitlines() if line[0] != "#" and not line.endswith(" 0")]
            raise Failure("\n".join([str(failure), *shown, enricher.log()])) from failure

    return wait


def codes(kafka, prefix):
    return [(letter.header("error_code"), letter.header("record_id")) for letter in kafka.read(f"{prefix}.dead-letters")]


def test_a_relation_changes_both_of_its_records(
    simulator, bridge, kafka, registry, snapshots, prefix, followed, tmp_path
):
    models = [*PARENTS, RELATION]
    propexo = simulator(records=60, integrations=3, models=models, limit_per_minute=0, new_percent=100)
    receiver = bridge("receive", {"bridge.models": models}, simulator=propexo)
    cache = tmp_path / "cache"
    cache.mkdir()
    config = {"bridge.models": models, "bridge.instance": f"{prefix}-one", "enricher.cache_dir": cache}
    enricher = bridge("enrich", config, simulator=propexo, registry=registry)
    enricher.wait_event("assigned", 30)
    before = propexo.truth(RELATION)

    # New relations name their records.
    propexo.begin(receiver.receiver_url(), rate=0, changes=120)
    propexo.wait_changes_done()
    followed(propexo, enricher)
    assert_equals_truth(propexo, snapshots, PARENTS, registry)
    made = [record for key, record in propexo.truth(RELATION).items() if key not in before]
    assert len(made) > 20
    shown = latest(snapshots("residents", registry=registry))[made[0]["resident_id"]]["leases_meta_data"]
    assert made[0]["lease_id"] in [row["lease_id"] for row in shown]

    # A later change does not name them: what the new one told is remembered.
    for record in made:
        change(propexo, RELATION, record["id"], move_in_date="2031-07-09")
    followed(propexo, enricher)
    assert_equals_truth(propexo, snapshots, PARENTS, registry)
    last = snapshots("leases", registry=registry)[-1]
    assert last.headers["changed_fields"] == "residents_meta_data"

    # One that moves leaves a record and joins another.
    home = made[0]["integration_id"]
    leases = [record["lease_id"] for record in made if record["integration_id"] == home]
    other = next(lease for lease in leases if lease != made[0]["lease_id"])
    change(propexo, RELATION, made[0]["id"], lease_id=other)
    followed(propexo, enricher)
    assert_equals_truth(propexo, snapshots, PARENTS, registry)

    # The memory is a cache: without it the events topic tells the same.
    enricher.kill()
    shutil.rmtree(cache)
    cache.mkdir()
    enricher.start_ready()
    enricher.wait_event("assigned", 60)
    assert enricher.events("restored")
    for record in made[:10]:
        change(propexo, RELATION, record["id"], move_in_date="2032-01-01", notice_date=None)
    followed(propexo, enricher)
    assert_equals_truth(propexo, snapshots, PARENTS, registry)
    assert codes(kafka, prefix) == []

    # A relation that no event told the records of.
    stranger = next(iter(before))
    change(propexo, RELATION, stranger, move_in_date="2033-01-01")
    followed(propexo, enricher)
    assert codes(kafka, prefix) == [("parent-unknown", stranger)]
    metrics = enricher.metrics()
    assert metrics.sum("bridge_child_events_total", outcome="parent_unknown") == 1
    assert not [topic for topic in kafka.topics(f"{prefix}.snapshots.") if topic.endswith(RELATION)]


def test_a_child_that_no_field_ties_to_a_parent(simulator, bridge, kafka, registry, snapshots, prefix, followed):
    models = ["employees", "service_requests", "pet_types", "properties", "resident_pets"]
    propexo = simulator(records=30, integrations=3, models=models, limit_per_minute=0)
    running = bridge("run", {"bridge.models": models}, simulator=propexo, registry=registry)
    running.wait_event("assigned", 30)
    propexo.begin(running.receiver_url(), rate=0, changes=1)
    propexo.wait_changes_done()
    followed(propexo, running)
    base = running.metrics()
    employee, pet_type, pet = (next(iter(propexo.truth(model))) for model in ("employees", "pet_types", "resident_pets"))
    change(propexo, "employees", employee, name="Zoe")
    change(propexo, "pet_types", pet_type, notes="none")
    change(propexo, "resident_pets", pet, name="Rex")
    followed(propexo, running)
    assert latest(snapshots("employees", registry=registry))[employee]["name"] == "Zoe"
    metrics = running.metrics()
    # The type of pet is shown by a property that nothing names; the pet's residents are not worked on here.
    outcome = {"outcome": "no_parent"}
    assert metrics.sum("bridge_child_events_total", **outcome) - base.sum("bridge_child_events_total", **outcome) == 2
    assert codes(kafka, prefix) == []


def test_models_that_only_a_list_has(simulator, bridge, kafka, registry, snapshots, prefix, followed):
    propexo = simulator(records=900, integrations=2, models=LISTED, limit_per_minute=0)
    running = bridge("run", {"bridge.models": LISTED}, simulator=propexo, registry=registry)
    running.wait_event("assigned", 30)
    propexo.begin(running.receiver_url(), rate=300, changes=600)
    propexo.wait_changes_done()
    followed(propexo, running)
    assert_equals_truth(propexo, snapshots, LISTED, registry)
    assert running.metrics().sum("bridge_api_requests_total") < 600

    # What is on no page is gone when two complete scans do not have it.
    gone = next(iter(latest(snapshots("timezones", registry=registry))))
    control(propexo, f"delete?model=timezones&id={quote(gone, safe='')}")
    followed(propexo, running)
    (tombstone,) = (each for each in snapshots("timezones", registry=registry) if each.record is None)
    assert tombstone.key == gone
    assert codes(kafka, prefix) == []
