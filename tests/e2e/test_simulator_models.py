"""The simulated Propexo itself: every model that a webhook can name."""

import json

from harness.simulated import STAMPS, catalogue, deliver, event_of

CATALOGUE = catalogue()
UNREADABLE = [name for name, model in CATALOGUE.items() if "list" not in model and "parents" not in model]
COMMON = STAMPS | {"id", "x_id", "property_id", "integration_id"}


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
