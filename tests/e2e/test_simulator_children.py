"""The simulated Propexo itself: records that the records of other models show."""

import concurrent.futures
import json

import pytest

from harness.simulated import STAMPS, catalogue, deliver, event_of, moment, wait_for, without_sequence

CATALOGUE = catalogue()

# The field of a child that names its parent. What is not here names none.
KEYS = {
    ("applicant_pets", "applicants"): "applicant_id",
    ("applicants_to_applications", "applicants"): "applicant_id",
    ("applicants_to_applications", "applications"): "application_id",
    ("applicants_to_events", "events"): "event_id",
    ("invoice_items", "invoices"): "invoice_id",
    ("lead_pets", "leads"): "lead_id",
    ("lease_services", "leases"): "lease_id",
    ("owners_to_properties", "owners"): "owner_id",
    ("owners_to_properties", "properties"): "property_id",
    ("payable_register_items", "payable_registers"): "payable_register_id",
    ("resident_pets", "residents"): "resident_id",
    ("resident_vehicles", "residents"): "resident_id",
    ("residents_to_leases", "leases"): "lease_id",
    ("residents_to_leases", "residents"): "resident_id",
    ("screenings", "applicants"): "applicant_id",
    ("screenings", "leads"): "lead_id",
    ("service_request_notes", "service_requests"): "service_request_id",
    ("service_requests_to_vendors", "service_requests"): "service_request_id",
    ("units_to_amenity", "amenities"): "amenity_id",
}

# What a list of ids lists of its children.
SHOWN = {"associated_applicant_ids": "applicant_id", "associated_property_ids": "property_id", "associated_owner_ids": "owner_id"}

EDGES = [
    (child, parent, field)
    for child, model in CATALOGUE.items()
    for parent, field, _ in model.get("parents", [])
    if (child, parent) in KEYS
]
CHILDREN = sorted({child for child, *_ in EDGES})
LISTS = {(parent, field) for _, parent, field in EDGES}


def expected(children, child, parent, field):
    """The lists by parent id, made of the child records in the order of the truth."""
    described = CATALOGUE[parent]["fields"][field][0]
    lists = {}
    for record in children.values():
        item = {name: record[name] for name in described} if isinstance(described, dict) else record[SHOWN[field]]
        lists.setdefault(record[KEYS[child, parent]], []).append(item)
    return lists


def check_lists(one):
    """Every parent shows exactly its children; returns how many items all lists have."""
    items = 0
    for child, parent, field in EDGES:
        lists = expected(one.truth(child), child, parent, field)
        for record in one.truth(parent).values():
            assert record[field] == lists.get(record["id"], []), (child, parent, record["id"])
            items += len(record[field])
    return items


def settled(record):
    return {name: value for name, value in record.items() if name not in STAMPS}


def test_the_catalogue_has_the_parents_that_this_test_knows():
    parents = {(child, parent) for child, model in CATALOGUE.items() for parent, _, _ in model.get("parents", [])}
    assert parents - KEYS.keys() == {("employees", "service_requests"), ("pet_types", "properties")}
    assert len({child for child, model in CATALOGUE.items() if "parents" in model}) == 17


def test_parents_show_their_children_at_the_start_and_after_changes(sim, receiver):
    one, sink = sim(records=40, models="*", rate=0, new_percent=15), receiver()
    start = check_lists(one)
    assert start > 400
    deliver(one, sink, changes=6000, seconds=120)
    for child in CHILDREN:
        made = [record for i, record in enumerate(one.truth(child).values()) if i >= 40]
        victim = (made or list(one.truth(child).values()))[0]["id"]
        one.post("change", {"model": child, "id": victim, "fields": {}})
    assert check_lists(one) > start
    for model in ("residents", "events", "service_requests"):
        for record_id, true in one.truth(model).items():
            record = one.record(model.replace("_", "-"), record_id).results()
            assert (without_sequence(record)[0] if "custom_data" in record else record) == true


def test_children_have_parents_of_their_integration_and_are_read_only_where_documented(sim):
    one = sim(records=40, integrations=3, models="*")
    for child, parent, _ in EDGES:
        integrations = {i: record["integration_id"] for i, record in one.truth(parent).items()}
        named = [record for record in one.truth(child).values() if record[KEYS[child, parent]] is not None]
        assert len(named) == (20 if child == "screenings" else 40)
        assert all(integrations[record[KEYS[child, parent]]] == record["integration_id"] for record in named)
        readable = "list" in CATALOGUE[child]
        assert one.get(CATALOGUE[child].get("list") or f"/v1/{child.replace('_', '-')}/").status == (200 if readable else 404)
    assert all((record["applicant_id"] is None) != (record["lead_id"] is None) for record in one.truth("screenings").values())


def test_without_the_parent_the_edge_is_absent_and_without_the_child_the_list_is_the_parents_own(sim, receiver):
    both = sim(models="residents,leases,residents_to_leases,resident_pets", records=60)
    children, parents = sim(models="residents_to_leases,resident_pets", records=60), sim(models="residents,leases", records=60)
    for child in ("residents_to_leases", "resident_pets"):
        assert both.truth(child) == children.truth(child)
    for model in ("residents", "leases"):
        alone, among = parents.truth(model), both.truth(model)
        assert alone.keys() == among.keys()
        unlike = {name for i in alone for name in alone[i] if alone[i][name] != among[i][name]}
        assert unlike == {field for child, parent, field in EDGES if parent == model and child != "resident_vehicles"} - {"services"}
    deliver(children, receiver(), rate=0, changes=200)
    before = parents.truth("residents")
    deliver(parents, receiver(), rate=0, changes=300)
    assert any(record["pets"] != before[i]["pets"] for i, record in parents.truth("residents").items() if i in before)


def find_pair(one):
    """A residents_to_leases, its resident, and another resident of the integration."""
    residents = one.truth("residents")
    link = next(iter(one.truth("residents_to_leases").values()))
    other = next(r["id"] for r in residents.values() if r["id"] != link["resident_id"] and r["integration_id"] == link["integration_id"])
    return link, link["resident_id"], other


@pytest.mark.parametrize("mover", ["never", "always"])
def test_a_resident_that_moves_to_another_lease_changes_all_who_show_it(sim, receiver, mover):
    sink = receiver()
    one = sim(models="residents,leases,residents_to_leases", webhook_url=sink.url, parents_updated_at=mover)
    link, old, new = find_pair(one)
    residents, leases = one.truth("residents"), one.truth("leases")
    one.post("change", {"model": "residents_to_leases", "id": link["id"], "fields": {"resident_id": new}})
    item = {"lease_id": link["lease_id"], "x_resident_type": link["x_resident_type"], "move_in_date": link["move_in_date"]}
    assert item.items() <= next(i for i in residents[old]["leases_meta_data"] if i["lease_id"] == link["lease_id"]).items()
    after = one.truth("residents", "&changed=1")
    assert after.keys() == {old, new}
    assert len(after[old]["leases_meta_data"]) == len(residents[old]["leases_meta_data"]) - 1
    assert len(after[new]["leases_meta_data"]) == len(residents[new]["leases_meta_data"]) + 1
    assert any(item.items() <= shown.items() for shown in after[new]["leases_meta_data"])
    lease = one.truth("leases", "&changed=1")
    assert lease.keys() == {link["lease_id"]}
    shown = [entry["resident_id"] for entry in lease[link["lease_id"]]["residents_meta_data"]]
    was = [entry["resident_id"] for entry in leases[link["lease_id"]]["residents_meta_data"]]
    assert shown == [new if resident == old else resident for resident in was]
    moved = [after[i]["updated_at"] != residents[i]["updated_at"] for i in (old, new)]
    moved += [lease[link["lease_id"]]["updated_at"] != leases[link["lease_id"]]["updated_at"]]
    assert set(moved) == {mover == "always"}
    assert all(after[i]["last_seen"] == residents[i]["last_seen"] for i in after)
    wait_for(lambda: sink.bodies, "the webhook")
    model, record_id, _, kind, content, _ = event_of(sink.bodies[0])
    assert (model, record_id, kind) == ("residents_to_leases", link["id"], "UPDATE")
    assert content == {"new": {"resident_id": new}, "previous": {"resident_id": old}}
    wait_for(lambda: one.stats()["webhooks_waiting"] == 0, "delivery")
    assert len(sink.bodies) == 1
    record, _ = without_sequence(one.record("residents", new).results())
    assert record == after[new]


def test_the_seed_may_choose_whose_updated_at_a_child_moves(sim, receiver):
    def moved(seed):
        one = sim(models="residents,resident_pets,resident_vehicles", seed=seed, parents_updated_at="seed")
        before, kinds = one.truth("residents"), []
        for child in ("resident_pets", "resident_vehicles"):
            record = next(record for record in one.truth(child).values() if record["resident_id"] in before)
            one.post("change", {"model": child, "id": record["id"], "fields": {"notes": "seen"}})
            after = one.truth("residents")
            kinds.append(after[record["resident_id"]]["updated_at"] != before[record["resident_id"]]["updated_at"])
            before = after
        return tuple(kinds)

    assert len({moved(seed) for seed in range(1, 9)}) > 1
    assert moved(3) == moved(3)


def test_webhooks_of_children_name_the_parents_when_new_and_only_what_changed_later(sim, receiver):
    one, sink = sim(models=",".join(CHILDREN), records=30, rate=0, new_percent=20, webhook_concurrency=1), receiver()
    known = {child: one.truth(child) for child in CHILDREN}
    deliver(one, sink, changes=2500)
    keys = {child: [key for (name, _), key in KEYS.items() if name == child] for child in CHILDREN}
    moves, new, others = 0, 0, 0
    for model, record_id, _, kind, content, _ in map(event_of, sink.bodies):
        if kind == "NEW":
            new += 1
            assert record_id not in known[model] and set(keys[model]) <= content.keys()
            assert any(content[key] for key in keys[model])
            known[model][record_id] = {}
            continue
        state = known[model][record_id]
        assert all(state.get(name, old) == old for name, old in content["previous"].items() if name not in STAMPS)
        assert all(content["new"][name] != old for name, old in content["previous"].items())
        state.update(content["new"])
        moved = set(keys[model]) & content["new"].keys()
        moves += bool(moved)
        others += not moved and bool(content["new"].keys() - STAMPS)
    assert new > 300 and moves > 150 and others > 3 * moves
    for child in CHILDREN:
        for record_id, true in one.truth(child).items():
            told = settled(known[child][record_id])
            assert told == {name: true[name] for name in told}


def test_a_deleted_child_leaves_its_parents_and_a_deleted_parent_leaves_its_children_alone(sim, receiver):
    one = sim(models="residents,resident_pets,leases,residents_to_leases", webhook_url=receiver().url)
    pet = next(iter(one.truth("resident_pets").values()))
    one.post("delete?" + f"model=resident_pets&id={pet['id']}")
    owner = one.truth("residents")[pet["resident_id"]]
    assert pet["id"] not in [entry["id"] for entry in owner["pets"]]
    link, resident, other = find_pair(one)
    one.post("delete?" + f"model=residents&id={resident}")
    one.post("change", {"model": "residents_to_leases", "id": link["id"], "fields": {"notice_date": "2027-01-01"}})
    shown = one.truth("leases")[link["lease_id"]]["residents_meta_data"]
    assert next(entry for entry in shown if entry["resident_id"] == resident)["notice_date"] == "2027-01-01"
    one.post("change", {"model": "residents_to_leases", "id": link["id"], "fields": {"resident_id": other}})
    one.post("change", {"model": "residents_to_leases", "id": link["id"], "fields": {"lease_id": "of nobody"}})
    one.post("change", {"model": "residents_to_leases", "id": link["id"], "fields": {"lease_id": None}})
    assert not any(entry["notice_date"] == "2027-01-01" for entry in one.truth("leases")[link["lease_id"]]["residents_meta_data"])
    assert None in [entry["lease_id"] for entry in one.truth("residents")[other]["leases_meta_data"]]


def test_a_parent_made_later_begins_without_children_and_can_get_some(sim, receiver):
    one = sim(models="residents,resident_pets", records=20, new_percent=100, rate=0)
    deliver(one, receiver(), changes=40)
    made = [record for i, record in enumerate(one.truth("residents").values()) if i >= 20]
    assert made and all(record["pets"] == [] for record in made)
    pet = next(iter(one.truth("resident_pets")))
    one.post("change", {"model": "resident_pets", "id": pet, "fields": {"resident_id": made[-1]["id"], "name": "Ö"}})
    assert [(entry["id"], entry["name"]) for entry in one.truth("residents")[made[-1]["id"]]["pets"]] == [(pet, "Ö")]


def test_an_assembled_list_is_not_changed_by_hand(sim):
    with_pets, without = sim(models="residents,resident_pets"), sim(models="residents")
    for one, status in ((with_pets, 400), (without, 200)):
        record_id = next(iter(one.truth("residents")))
        one.post("change", {"model": "residents", "id": record_id, "fields": {"pets": []}}, expected=status)


def test_the_first_read_after_a_childs_change_may_be_stale(sim):
    one = sim(models="residents,resident_pets", fault="stale-first:100%")
    pet = next(iter(one.truth("resident_pets").values()))
    one.post("change", {"model": "resident_pets", "id": pet["id"], "fields": {"name": "Rex"}})
    (stale, first), (fresh, second) = (without_sequence(one.record("residents", pet["resident_id"]).results()) for _ in range(2))
    names = [[entry["name"] for entry in read["pets"] if entry["id"] == pet["id"]] for read in (stale, fresh)]
    assert names == [[pet["name"]], ["Rex"]] and first < second


def test_the_seed_decides_how_children_change(sim, receiver):
    def run(seed):
        one = sim(models="residents,resident_pets,screenings", seed=seed, rate=0, webhook_concurrency=1)
        sink = receiver()
        deliver(one, sink, changes=300)
        return [
            (model, record_id, kind, json.dumps(settled(content["new"] if kind == "UPDATE" else content), sort_keys=True))
            for model, record_id, _, kind, content, _ in map(event_of, sink.bodies)
        ]

    assert run(5) == run(5) != run(6)


def test_a_higher_read_sequence_never_shows_older_children(sim, receiver):
    one = sim(records=4, integrations=1, rate=600, latency_ms=10, models="residents,resident_pets", new_percent=0, fault="stale-first:20%")
    ids = list(one.truth("residents"))
    one.post("start", {"webhook_url": receiver().url, "changes": 5000})

    def read(number):
        found = []
        for turn in range(60):
            if turn % 3 == 0:
                found += map(without_sequence, one.get("/v1/residents/?limit=4").results())
            else:
                found.append(without_sequence(one.record("residents", ids[(turn + number) % 4]).results()))
        return found

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        reads = [entry for found in pool.map(read, range(12)) for entry in found]
    one.post("stop")
    seen, latest = 0, {}
    for record, _ in sorted(reads, key=lambda entry: entry[1]):
        for pet in record["pets"]:
            key = record["id"], pet["id"]
            assert moment(pet["last_seen"]) >= latest.get(key, moment(None))
            seen += moment(pet["last_seen"]) > latest.get(key, moment(None))
            latest[key] = moment(pet["last_seen"])
    assert seen > 50
