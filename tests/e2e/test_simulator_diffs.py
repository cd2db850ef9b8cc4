"""The simulated data-diffs: every change so far, in order, and nothing else."""

import json
import re

import pytest

from harness.simulated import MODELS, deliver, event_of, fetch, moment, wait_for

PATH = "/v1/admin/data-diffs/"
MEMBERS = {"id", "model", "model_record_id", "event_type", "data_diff", "created_at", "job_id", "integration_id", "integration_vendor"}


def read_all(one, query="", limit=100):
    """All diffs that the query finds, read in pages, and the pages' meta."""
    found, metas = [], []
    while not metas or metas[-1]["hasMore"]:
        answer = one.get(f"{PATH}?limit={limit}&offset={len(found)}{query}")
        assert answer.status == 200, answer.body
        found += answer.results()
        metas.append(answer.json()["meta"])
    return found, metas


def job_of(body):
    data = json.loads(body)
    return data.get("data", data).get("job_id")


def told(model, record_id, kind, content):
    return model, record_id, kind, json.dumps(content, sort_keys=True)


def test_data_diffs_tell_each_change_once_in_its_order(sim, receiver):
    one, sink = sim(records=60, rate=0, new_percent=20, models="units,leases,crm_agents", webhook_concurrency=1), receiver()
    deliver(one, sink, changes=730)
    record_id = next(iter(one.truth("units")))
    one.post("change", {"model": "units", "id": record_id, "fields": {"floor": "silent"}, "webhook": False})
    diffs, metas = read_all(one, "&order-by=created_at:asc", 50)
    assert len(diffs) == one.stats()["changes"] == one.stats()["diffs_kept"] == 731
    assert {meta["total"] for meta in metas} == {731}
    assert [meta["hasMore"] for meta in metas] == [True] * 14 + [False]
    assert {meta["orderBy"] for meta in metas} == {"created_at:asc"}
    assert all(diff.keys() == MEMBERS for diff in diffs)
    assert len({diff["id"] for diff in diffs}) == 731
    moments = [diff["created_at"] for diff in diffs]
    assert moments == sorted(moments)
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text) for text in moments)
    assert len(sink.bodies) == 730
    for body, diff in zip(sink.bodies, diffs):
        model, record_id, integration, kind, content, shape = event_of(body)
        told_by_diff = [diff[name] for name in ("model", "model_record_id", "integration_id", "event_type", "data_diff")]
        assert told_by_diff == [model, record_id, integration, kind, content]
        assert diff["job_id"] and job_of(body) in (diff["job_id"], None)
        assert (job_of(body) is None) == (shape == "C")
    assert diffs[-1]["data_diff"]["new"] == {"floor": "silent"}
    vendors = {record["integration_id"]: record["integration_vendor"] for record in one.truth("units").values()}
    assert all(diff["integration_vendor"] == vendors[diff["integration_id"]] for diff in diffs)
    assert {diff["event_type"] for diff in diffs} == {"NEW", "UPDATE"}
    assert {diff["model"] for diff in diffs} == {"units", "leases", "crm_agents"}
    newest, _ = read_all(one, "", 250)
    assert newest == diffs[::-1]
    assert one.get(PATH).json()["meta"]["limit"] == len(one.get(PATH).results()) == 100


def test_data_diffs_are_chosen_by_integration_and_moment(sim):
    one = sim(records=30, rate=400, changes=300, integrations=3)
    wait_for(lambda: one.line("event=changes_done"), "event=changes_done")
    diffs, _ = read_all(one, "&order-by=created_at:asc")
    for integration in one.stats()["integrations"]:
        own, metas = read_all(one, f"&order-by=created_at:asc&integration_id={integration}", 30)
        assert own == [diff for diff in diffs if diff["integration_id"] == integration]
        assert metas[0]["total"] == len(own) > 0
    low, high = diffs[100]["created_at"], diffs[200]["created_at"]
    assert moment(low) < moment(high)
    between, _ = read_all(one, f"&order-by=created_at:asc&after={low}&before={high}")
    assert between == [diff for diff in diffs if moment(low) < moment(diff["created_at"]) < moment(high)]
    assert 0 < len(between) < 100
    nothing = one.get(f"{PATH}?integration_id=unknown").json()
    assert nothing["results"] == [] and nothing["meta"]["total"] == 0 and not nothing["meta"]["hasMore"]
    assert one.get(f"{PATH}?offset=300").results() == []


def test_dropped_webhooks_and_deletions_are_found_in_data_diffs(sim, receiver):
    one, sink = sim(rate=0, drop_webhooks=40), receiver()
    deliver(one, sink, changes=200)
    assert one.stats()["webhooks_dropped"] > 50
    record_id = next(iter(one.truth("units")))
    one.post(f"delete?model=units&id={record_id}")
    diffs, _ = read_all(one, "&order-by=created_at:asc")
    assert len(diffs) == 201
    assert diffs[-1]["model_record_id"] == record_id
    assert diffs[-1]["data_diff"]["new"].keys() == {"last_seen"}
    heard = {told(*event_of(body)[:2], *event_of(body)[3:5]) for body in sink.bodies}
    kept = {told(*(diff[name] for name in ("model", "model_record_id", "event_type", "data_diff"))) for diff in diffs}
    assert heard < kept


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=251", "offset=-1", "order-by=updated_at:asc", "order-by=created_at", "after=yesterday", "before=",
     "model=units", "job_id=x", "updated_at_gte=2025-01-01T00:00:00Z"],
)
def test_a_query_that_data_diffs_do_not_understand_is_refused(sim, query):
    assert sim(extended_filters="on").get(f"{PATH}?{query}").status == 400


def test_data_diffs_know_token_limit_redirect_and_faults(sim):
    one = sim(limit_per_minute=50)
    assert fetch("GET", one.url + PATH).status == 401
    answer = one.get(PATH + "?limit=3")
    assert answer.status == 200 and answer.json()["meta"]["read_sequence"] > 0
    assert answer.headers["x-ratelimit-limit"] == "50" and answer.headers["x-ratelimit-remaining"] == "48"
    assert one.get(PATH[:-1] + "?limit=3").headers["Location"] == PATH + "?limit=3"
    one.post("fault", {"spec": "503:100%"})
    assert one.get(PATH).status == 503
    assert one.stats()["requests_diffs"] == 3


def test_data_diffs_can_be_switched_off(sim):
    one = sim(data_diffs="off")
    answer = one.get(PATH)
    assert answer.status == 403 and answer.json()["error"]["code"] == "forbidden"
    assert fetch("GET", one.url + PATH).status == 401
    assert one.get(f"/v1/{MODELS[0]}/").status == 200


def test_the_oldest_data_diffs_go(sim):
    one = sim(records=200, rate=0, changes=200500, models="units")
    wait_for(lambda: one.line("event=changes_done"), "event=changes_done")
    assert one.stats()["changes"] == 200500 and one.stats()["diffs_kept"] == 200000
    assert one.get(PATH).json()["meta"]["total"] == 200000
    last = one.get(f"{PATH}?order-by=created_at:desc&limit=5&offset=199995").results()
    first = one.get(f"{PATH}?order-by=created_at:asc&limit=5").results()
    assert last == first[::-1]
