"""The simulated Propexo itself: every model that a webhook can name, as schemas/models.json describes it."""

import json
import urllib.parse

import pytest

from harness.simulated import STAMPS, catalogue, deliver, event_of, without_sequence

CATALOGUE = catalogue()
READABLE = {name: model for name, model in CATALOGUE.items() if "list" in model}
UNREADABLE = [name for name, model in CATALOGUE.items() if "list" not in model and "parents" not in model]
COMMON = STAMPS | {"id", "x_id", "property_id", "integration_id"}
TYPES = {"string": str, "number": (int, float), "integer": int, "boolean": bool, "object": dict}


# Models that can be read


def is_of(value, described):
    """Whether a value is null or of the type that schemas/models.json gives its field."""
    if value is None:
        return True
    if not isinstance(described, list):
        return isinstance(value, TYPES[described]) and (described == "boolean" or not isinstance(value, bool))
    if not isinstance(described[0], dict):
        return isinstance(value, list) and all(isinstance(item, TYPES[described[0]]) for item in value)
    return all(list(item) == list(described[0]) and all(map(is_of, item.values(), described[0].values())) for item in value)


@pytest.fixture(scope="module")
def all_readable(sims):
    """One simulator for the tests that only read."""
    return sims(records=60, integrations=2, ties="stable", models=",".join(READABLE))


@pytest.mark.parametrize("model", READABLE)
def test_a_readable_model_has_its_fields_its_list_and_its_path_by_id(all_readable, model):
    one, described = all_readable, READABLE[model]
    true = one.truth(model)
    assert len(true) == 60
    for record in true.values():
        assert list(record) == list(described["fields"])
        assert [name for name, value in record.items() if not is_of(value, described["fields"][name])] == []
        assert None not in (record["id"], record["created_at"], record["updated_at"], record["integration_id"])
    unlike = [name for name in described["fields"] if len({json.dumps(record[name]) for record in true.values()}) < 2]
    assert unlike == []
    answer = one.get(described["list"] + "?limit=250&order-by=created_at:asc").json()
    assert answer["meta"]["total"] == 60 and answer["meta"]["read_sequence"] > 0
    listed = [shown(record) for record in answer["results"]]
    assert {record["id"]: record for record in listed} == true
    for record_id, record in true.items():
        encoded = urllib.parse.quote(record_id, safe="")
        if described["get"] is None:
            assert one.get(f"{described['list'].rstrip('/')}/{encoded}").status == 404
            continue
        answer = one.get(described["get"].replace("{id}", encoded))
        assert answer.status == 200 and shown(answer.results()) == record


def shown(record):
    return without_sequence(record)[0] if "custom_data" in record else record


@pytest.mark.parametrize("model", READABLE)
def test_a_list_understands_the_documented_keys_that_name_a_field_and_no_others(all_readable, model):
    one, described = all_readable, READABLE[model]
    true = list(one.truth(model).values())
    fields = described["fields"]
    for key in described["query"][3:]:
        if key not in fields:
            assert one.get(f"{described['list']}?{key}=1").status == 400
            continue
        value = next((record[key] for record in true if isinstance(record[key], str)), "x")
        answer = one.get(f"{described['list']}?limit=250&{key}={urllib.parse.quote(value, safe='')}")
        assert answer.status == 200
        assert {record["id"] for record in answer.results()} == {record["id"] for record in true if record[key] == value}
    for key in set(fields) - set(described["query"]):
        assert one.get(f"{described['list']}?{key}=1").status == 400
    assert described["query"][:3] == ["order-by", "offset", "limit"]
    assert one.get(f"{described['list']}?order-by=updated_at:asc&offset=1&limit=1").status == 200


def test_which_models_have_no_path_by_id_and_which_list_no_integration_filter(all_readable):
    assert len(READABLE) == 54
    assert {name for name, model in READABLE.items() if model["get"] is None} == {"lead_relationships", "timezones", "unit_pricing"}
    assert {name for name, model in READABLE.items() if "integration_id" not in model["query"]} == {"fees"}
    integration = all_readable.stats()["integrations"][0]
    assert all_readable.get(f"/v1/fees/?integration_id={integration}").status == 400


def test_references_name_records_of_the_same_integration(all_readable):
    one = all_readable
    ids = {model: {i: record["integration_id"] for i, record in one.truth(model).items()} for model in READABLE}
    for model, key, named in [
        ("resident_charges", "resident_id", "residents"), ("applications", "unit_id", "units"), ("fees", "charge_code_id", "charge_codes"),
        ("lease_transfers", "lease_id_next", "leases"), ("service_request_notes", "service_request_id", "service_requests"),
        ("unit_pricing", "listing_id", "listings"), ("events", "property_id", "properties"),
    ]:
        given = [(record[key], record["integration_id"]) for record in one.truth(model).values() if record[key] is not None]
        assert given and all(ids[named][reference] == integration for reference, integration in given)
    events = one.truth("events").values()
    assert any(record["associated_lead_ids"] for record in events)
    assert {i for record in events for i in record["associated_lead_ids"] or []} <= ids["leads"].keys()


def test_money_has_fractions_somewhere(all_readable):
    charges = all_readable.truth("resident_charges").values()
    cents = [value for record in charges for name, value in record.items() if name.endswith("_in_cents") and value is not None]
    assert any(isinstance(value, float) for value in cents) and any(value < 0 for value in cents)


def test_a_models_records_do_not_depend_on_the_other_models(sim, all_readable):
    alone = sim(records=60, integrations=2, ties="stable", models="leads,unit_pricing")
    assert alone.truth("leads") == all_readable.truth("leads")
    assert alone.truth("unit_pricing") == all_readable.truth("unit_pricing")


def test_a_star_means_every_model(sim, receiver):
    one, sink = sim(records=10, models="*", rate=0), receiver()
    assert one.stats()["records"].keys() == CATALOGUE.keys()
    deliver(one, sink, changes=3000)
    assert {event_of(body)[0] for body in sink.bodies} == CATALOGUE.keys()


# Models that no endpoint reads


def test_models_that_nothing_shows_are_in_the_truth_alone(sim):
    one = sim(records=20, integrations=2, models=",".join(UNREADABLE))
    assert len(UNREADABLE) == 43
    assert one.stats()["records"] == dict.fromkeys(UNREADABLE, 20)
    kinds = set()
    for model in UNREADABLE:
        records = list(one.truth(model).values())
        assert len(records) == 20
        assert all(record.keys() == records[0].keys() for record in records)
        invented = records[0].keys() - COMMON
        assert COMMON < records[0].keys() and 4 <= len(invented) <= 8
        kinds |= {type(record[name]) for record in records for name in invented}
        assert any(isinstance(records[0][name], dict) for name in invented)
        assert any(len({record[name] for record in records if isinstance(record[name], str)}) == 2 for name in invented)
        assert {record["integration_id"] for record in records} == set(one.stats()["integrations"])
        path = f"/v1/{model.replace('_', '-')}/"
        assert one.get(path).status == one.get(f"{path}?limit=1").status == one.get(path + "x").status == 404
    assert kinds >= {str, int, float, bool, dict}


def test_what_is_invented_follows_from_the_seed_and_the_name_alone(sim):
    first, alone, other = sim(models="crm_events,contracts,units"), sim(models="contracts"), sim(models="contracts", seed=2)
    assert first.truth("contracts") == alone.truth("contracts") != other.truth("contracts")


def test_webhooks_are_all_that_tells_of_unreadable_records(sim, receiver):
    models = UNREADABLE[:6]
    one = sim(records=6, rate=0, new_percent=5, diff_updated_at="none", webhook_concurrency=1, models=",".join(models))
    sink = receiver()
    before = {model: one.truth(model) for model in models}
    deliver(one, sink, changes=1500)
    state = {model: {key: dict(record) for key, record in records.items()} for model, records in before.items()}
    seen, without_id, payloads = {}, 0, 0
    for model, record_id, _, kind, content, _ in map(event_of, sink.bodies):
        true = one.truth(model)[record_id] if kind == "NEW" else None
        if kind == "NEW":
            payloads += 1
            without_id += "id" not in content
            assert record_id not in state[model]
            assert 0 < len(content) < len(true)
            state[model][record_id] = content
            continue
        known = state[model].setdefault(record_id, {})
        assert "updated_at" not in content["new"]
        assert all(known.get(name, old) == old for name, old in content["previous"].items() if name != "last_seen")
        known.update(content["new"])
        key = model, record_id, json.dumps(content, sort_keys=True)
        seen[key] = seen.get(key, 0) + 1
    for model in models:
        for record_id, true in one.truth(model).items():
            told = {name: value for name, value in state[model][record_id].items() if name not in STAMPS}
            assert told == {name: true[name] for name in told}
    assert payloads > 40 and 5 < without_id < payloads
    assert sum(count > 1 for count in seen.values()) > 20, "equal diffs happen honestly"
