"""The simulated Propexo's /v1/webhooks/: what it keeps, shows and refuses."""

import json

import pytest

from harness.simulated import TOKEN, fetch

GOOD = {"url": "https://receiver.test/hook", "triggers": ["DATA_NEW"], "model": "units", "secret": "0123456789"}


def call(one, method, path="", body=None, token=TOKEN):
    data = None if body is None else json.dumps(body).encode()
    return fetch(method, f"{one.url}/v1/webhooks/{path}", data, {"Authorization": f"Bearer {token}"})


def kept(one):
    return fetch("GET", f"{one.url}/_sim/webhooks").json()


def test_a_webhook_is_made_shown_changed_and_removed(sim):
    one = sim(records=1)
    made = call(one, "POST", body=GOOD).json()["result"]
    assert made["active"] is False and made["headers"] == [] and "secret" not in made
    assert kept(one) == [made | {"secret": GOOD["secret"]}]
    path = made["id"]
    shown = call(one, "GET", path).json()
    assert shown["results"] == made and shown["meta"]["read_sequence"] > 0
    assert call(one, "GET").json()["results"] == [made]
    headers = [{"header": "x-token", "value": "v"}]
    put = call(one, "PUT", path, {"url": "http://r.test/", "triggers": ["JOB_FAILURE"], "headers": headers, "active": True})
    changed = put.json()["result"]
    assert changed["id"] == path and changed["created_at"] == made["created_at"]
    assert kept(one) == [changed | {"secret": None, "model": None}]  # what a PUT leaves out is empty
    assert call(one, "DELETE", path).json()["result"]["id"] == path
    assert kept(one) == []
    assert {call(one, method, path, GOOD if method == "PUT" else None).status for method in ("GET", "PUT", "DELETE")} == {404}


def test_the_list_has_pages_the_newest_first(sim):
    one = sim(records=1)
    ids = [call(one, "POST", body=GOOD).json()["result"]["id"] for _ in range(5)]
    pages = [call(one, "GET", f"?limit=2&offset={offset}").json() for offset in (0, 2, 4, 6)]
    assert [[row["id"] for row in page["results"]] for page in pages] == [ids[:2:-1], ids[2:0:-1], ids[:1], []]
    assert [page["meta"]["hasMore"] for page in pages] == [True, True, False, False]
    assert {page["meta"]["total"] for page in pages} == {5}
    assert {call(one, "GET", query).status for query in ("?limit=0", "?limit=251", "?offset=x", "?order-by=id:asc")} == {400}
    assert one.get("/v1/webhooks").headers["Location"] == "/v1/webhooks/"


@pytest.mark.parametrize(
    "wrong",
    [{"url": None}, {"url": "receiver.test"}, {"triggers": None}, {"triggers": []}, {"triggers": ["DATA_GONE"]},
     {"triggers": ["DATA_NEW", "SYNC_COMPLETE"]}, {"model": "dragons"}, {"model": ["units"]}, {"secret": "short"},
     {"secret": "ääääääääa"}, {"active": "yes"}, {"headers": [{"header": "x"}]}, {"headers": {}}, {"colour": "red"}],
)
def test_what_it_refuses(sim, wrong):
    one = sim(records=1)
    made = call(one, "POST", body=GOOD).json()["result"]
    assert call(one, "POST", body=GOOD | wrong).status == 400
    assert call(one, "PUT", made["id"], GOOD | wrong).status == 400
    assert kept(one) == [made | {"secret": GOOD["secret"]}]


def test_the_account_wide_kinds_need_no_model(sim):
    one = sim(records=1)
    account = {"url": GOOD["url"], "triggers": ["SYNC_COMPLETE", "JOB_SUCCESS"]}
    assert call(one, "POST", body=account).json()["result"]["model"] is None


def test_token_limit_and_faults_are_those_of_other_pages(sim):
    one = sim(records=1, limit_per_minute=3)
    assert call(one, "POST", body=GOOD, token="wrong").status == 401
    assert fetch("POST", f"{one.url}/v1/webhooks/", b"{", {"Authorization": f"Bearer {TOKEN}"}).status == 400
    one.post("fault", {"spec": "503:100%"})
    assert call(one, "POST", body=GOOD).status == 503
    one.post("fault", {"spec": ""})
    assert call(one, "POST", body=GOOD).status == 429
    assert call(one, "PATCH", body=GOOD).status == 429
    assert kept(one) == []
    assert one.stats()["requests_webhooks"] == 5
