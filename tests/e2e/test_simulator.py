"""The simulated Propexo itself: what it answers, and that its own account of it is true."""

import concurrent.futures
import gzip
import http.client
import json
import queue
import socket
import subprocess
import time
import urllib.parse

import pytest

from harness.simulated import BINARY, MODELS, STAMPS, TOKEN, TOP, fetch, moment, pages, wait_for, without_sequence


# One record


def test_every_record_is_read_by_its_encoded_id_and_equals_the_truth(sim):
    one = sim(records=120)
    sequences, odd = [], 0
    for model in MODELS:
        for record_id, true in one.truth(model).items():
            odd += urllib.parse.quote(record_id, safe="") != record_id
            answer = one.record(model, record_id)
            assert answer.status == 200
            record, sequence = without_sequence(answer.results())
            assert record == true
            assert answer.json()["meta"]["read_sequence"] == sequence
            sequences.append(sequence)
    assert odd > 0
    assert sequences == sorted(set(sequences))


def test_the_truth_has_the_documented_fields_and_references(sim):
    one = sim(records=200, integrations=3)
    properties = one.truth("properties")
    for model in ("residents", "leases", "units"):
        for record in one.truth(model).values():
            assert record["integration_id"] == properties[record["property_id"]]["integration_id"]
            assert record["integration_vendor"] == properties[record["property_id"]]["integration_vendor"]
            assert STAMPS | {"id", "x_id", "custom_data"} <= record.keys()
    residents = list(one.truth("residents").values())
    assert any(record["last_seen"] is None for record in residents)
    assert any(record["pets"] for record in residents) and any(not record["pets"] for record in residents)
    assert any(isinstance(record["balance_in_cents"], float) for record in residents)
    only = one.truth("residents", "&integration_id=" + residents[0]["integration_id"])
    assert only == {r["id"]: r for r in residents if r["integration_id"] == residents[0]["integration_id"]}


def test_no_unknown_or_badly_written_id_is_answered(sim):
    one = sim(records=400, models="units")
    assert one.record("units", "unknown").json()["error"]["code"] == "not_found"
    assert one.get("/v1/nothing/").status == 404
    slashed = next(i for i in one.truth("units") if "/" in i)
    assert one.get("/v1/units/" + urllib.parse.quote(slashed, safe="/")).status == 404
    assert one.get("/v1/units/%zz").status == 404
    connection = http.client.HTTPConnection(one.url.removeprefix("http://"))
    connection.putrequest("GET", "/v1/units/a|b", skip_accept_encoding=True)
    connection.putheader("Authorization", f"Bearer {TOKEN}")
    connection.endheaders()
    assert connection.getresponse().status == 400
    connection.close()


def test_a_missing_record_can_be_answered_with_null(sim):
    answer = sim(missing="null").record("units", "unknown")
    assert answer.status == 200
    assert answer.results() is None


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer", TOKEN])
def test_without_the_token_the_answer_is_401(sim, header):
    one = sim()
    answer = fetch("GET", one.url + "/v1/units/", headers={"Authorization": header} if header else {})
    assert answer.status == 401
    assert set(answer.json()["error"]) == {"code", "message"}


def test_gzip_is_sent_only_to_those_who_offer_it(sim):
    one = sim()
    packed = one.get("/v1/units/", **{"Accept-Encoding": "gzip, br"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(packed.body))["results"]) == 40
    assert "Content-Encoding" not in one.get("/v1/units/").headers
    assert "Content-Encoding" not in sim(gzip="off").get("/v1/units/", **{"Accept-Encoding": "gzip"}).headers


# Lists


@pytest.mark.parametrize("key", sorted(STAMPS))
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_a_list_is_ordered_and_whole(sim, key, direction):
    one = sim(records=333, created_ties=7, ties="stable")
    records, metas = pages(one, "residents", f"&order-by={key}:{direction}", 50)
    assert {record["id"]: record for record in records} == one.truth("residents")
    assert len(records) == 333
    moments = [moment(record[key]) for record in records]
    assert moments == sorted(moments, reverse=direction == "desc")
    assert [meta["hasMore"] for meta in metas] == [True] * 6 + [False]
    assert {(meta["total"], meta["limit"]) for meta in metas} == {(333, 50)}


def test_ties_are_in_another_order_each_time(sim):
    one = sim(records=100, created_ties=100, models="units")
    first, second = ([record["id"] for record in one.get("/v1/units/").results()] for _ in range(2))
    assert first != second
    assert set(first) == set(second) == set(one.truth("units"))
    assert len({record["id"] for record in pages(one, "units", "", 10)[0]}) < 100


def test_filters_choose(sim):
    one = sim(records=90, integrations=4, ties="stable")
    residents = one.truth("residents")
    some = next(iter(residents.values()))
    for key in ("integration_id", "property_id", "x_id", "integration_vendor", "email_1", "phone_1"):
        own = [record for record in residents.values() if record["integration_id"] == some["integration_id"]]
        value = next(record[key] for record in own if record[key] is not None)
        wanted = {i for i, record in residents.items() if record[key] == value}
        records, metas = pages(one, "residents", f"&{key}={urllib.parse.quote(value, safe='')}", 7)
        assert {record["id"] for record in records} == wanted
        assert metas[0]["total"] == len(wanted) == len(records)
    query = f"&integration_id={some['integration_id']}&x_id={some['x_id']}&order-by=updated_at:asc"
    both, _ = pages(one, "residents", query, 5)
    assert [record["id"] for record in both] == [some["id"]]
    assert one.get("/v1/residents/?integration_id=unknown").json()["meta"]["total"] == 0
    active = one.get("/v1/properties/?is_active=true&limit=250").results()
    assert {r["id"] for r in active} == {i for i, r in one.truth("properties").items() if r["is_active"] is True}


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=251", "limit=x", "offset=-1", "order-by=created_at", "order-by=name:asc", "colour=red", "first_name=Mary",
     "updated_at_gte=2025-01-01T00:00:00Z", "location_id=x"],
)
def test_a_query_that_is_not_understood_is_refused(sim, query):
    assert sim().get(f"/v1/residents/?{query}").status == 400


def test_extended_filters_are_understood_when_switched_on(sim):
    one = sim(extended_filters="on", records=200, models="units")
    units = one.truth("units")
    middle = sorted(moment(record["updated_at"]) for record in units.values())[100]
    stamp = middle.isoformat() + "Z"
    later = {i for i, record in units.items() if moment(record["updated_at"]) >= middle}
    assert {record["id"] for record in one.get(f"/v1/units/?updated_at_gte={stamp}&limit=250").results()} == later
    earlier = one.get(f"/v1/units/?updated_at_lte={stamp}&limit=1").json()["meta"]["total"]
    assert earlier == sum(moment(record["updated_at"]) <= middle for record in units.values())
    assert one.get("/v1/units/?updated_at_gte=yesterday").status == 400
    assert one.get("/v1/units/?updated_at_gt=2025-01-01T00:00:00Z").status == 400


def test_a_list_without_its_last_slash_is_redirected(sim):
    answer = sim().get("/v1/units?limit=3&offset=2")
    assert answer.status == 308
    assert answer.headers["Location"] == "/v1/units/?limit=3&offset=2"


# Limit and latency


def test_the_limit_is_told_slows_and_refuses_until_the_minute_ends(sim):
    one = sim(limit_per_minute=10, minute_ms=4000, retry_after="on", models="units")
    began = time.monotonic()
    quick = [one.get("/v1/units/?limit=1") for _ in range(8)]
    assert [int(answer.headers["x-ratelimit-remaining"]) for answer in quick] == list(range(9, 1, -1))
    assert {answer.headers["x-ratelimit-limit"] for answer in quick} == {"10"}
    assert time.monotonic() - began < 2
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        before = time.monotonic()
        slow = [pool.submit(one.get, "/v1/units/?limit=1") for _ in range(2)]
        wait_for(lambda: one.stats()["requests"] == 10, "ten requests")
        refused = one.get("/v1/units/?limit=1")
        assert refused.status == 429
        assert refused.headers["x-ratelimit-remaining"] == "0"
        assert 1 <= int(refused.headers["Retry-After"]) <= 4
        assert [answer.result().status for answer in slow] == [200, 200]
        assert time.monotonic() - before >= 2
    wait_for(lambda: one.get("/v1/units/?limit=1").status == 200, "the next minute", 10)
    assert one.stats()["status_429"] >= 1


def test_each_minute_of_the_limit_is_accounted_for(sim):
    one = sim(limit_per_minute=4, minute_ms=6000, models="units")
    record_id = next(iter(one.truth("units")))
    before = time.time() * 1000
    statuses = [one.get(f"/v1/{path}").status for path in ("units/", "units/", "nothing/")]
    statuses += [one.record("units", record_id).status for _ in range(3)]
    (first,) = one.stats()["windows"]
    assert statuses == [200, 200, 404, 200, 429, 429] and first["number"] == 0
    assert [first[kind] for kind in ("id", "list", "diffs", "other", "limited")] == [1, 2, 0, 1, 2]
    assert before - 6000 < first["began_at"] < time.time() * 1000
    wait_for(lambda: one.get("/v1/admin/data-diffs/?limit=1").status != 429, "the next minute", 10)
    later = one.stats()["windows"][-1]
    assert later["number"] == 1 and later["began_at"] == first["began_at"] + 6000 and later["diffs"] == 1
    assert before < later["began_at"] < time.time() * 1000
    assert sum(window["limited"] for window in one.stats()["windows"]) == one.stats()["status_429"]


def test_only_the_last_sixty_minutes_are_accounted_for(sim):
    one = sim(limit_per_minute=0, minute_ms=10, models="units")
    wait_for(lambda: one.get("/v1/units/?limit=1") and len(one.stats()["windows"]) == 60, "60 windows")
    number = one.stats()["windows"][-1]["number"]
    wait_for(lambda: one.get("/v1/units/?limit=1") and one.stats()["windows"][-1]["number"] > number, "one more")
    numbers = [window["number"] for window in one.stats()["windows"]]
    assert len(numbers) == 60 and numbers == sorted(set(numbers))


def test_without_a_limit_no_limit_is_told(sim):
    assert "x-ratelimit-limit" not in sim().get("/v1/units/").headers


def test_thousands_of_delayed_answers_wait_at_once(sim):
    one = sim(latency_ms=3000, models="units", records=1)
    host, port = one.url.removeprefix("http://").split(":")
    request = f"GET /v1/units/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
    sockets = []
    for _ in range(2000):
        sockets.append(socket.create_connection((host, int(port)), timeout=60))
        sockets[-1].sendall(request)
    for connection in sockets:
        with connection, connection.makefile("rb") as stream:
            assert stream.readline().split()[1] == b"200"
            assert b'"total":1' in stream.read()
    assert one.stats()["max_in_flight"] > 1000


# Faults


def statuses(one, ids, model="units"):
    found = {}
    for record_id in ids:
        try:
            answer = one.record(model, record_id)
            kind = answer.status
            json.loads(answer.body)
        except (OSError, http.client.HTTPException) as error:
            kind = type(error).__name__
        found[kind] = found.get(kind, 0) + 1
    return found


def test_faults_come_by_chance_and_by_seed(sim):
    def run():
        one = sim(fault="500:20%,429:10%,404:10%,503:5%", models="units", records=200)
        return statuses(one, one.truth("units"))

    found = run()
    assert found == run()
    assert set(found) == {200, 500, 429, 404, 503}
    assert 80 < found[200] < 140


def test_broken_answers(sim):
    one = sim(models="units", records=20)
    ids = list(one.truth("units"))
    one.post("fault", {"spec": "reset:100%"})
    assert set(statuses(one, ids)) <= {"URLError", "RemoteDisconnected", "ConnectionResetError"}
    one.post("fault", {"spec": "truncate:100%"})
    assert set(statuses(one, ids)) == {"IncompleteRead"}
    one.post("fault", {"spec": "timeout:100%:300"})
    assert set(statuses(one, ids[:2])) <= {"URLError", "RemoteDisconnected", "ConnectionResetError"}
    one.post("fault", {"spec": "wrong-id:100%"})
    for record_id in ids:
        record, _ = without_sequence(one.record("units", record_id).results())
        assert record["id"] != record_id and record == one.truth("units")[record["id"]]
    one.post("fault", {"spec": "404:100%,500:0%"})
    assert set(statuses(one, ids)) == {404}
    assert one.get("/v1/units/").status == 200
    began = time.monotonic()
    one.post("fault", {"spec": "slow:100%:250"})
    assert one.record("units", ids[0]).status == 200
    assert time.monotonic() - began >= 0.25
    one.post("fault", {"spec": ""})
    assert statuses(one, ids) == {200: 20}
    assert one.stats()["status_none"] == 22


@pytest.mark.parametrize("spec", ["500", "500:x%", "500:5", "nothing:5%", "500:60%,503:60%", "500:5%503:5%", "500:101%"])
def test_a_fault_that_cannot_be_is_refused(sim, tmp_path, spec):
    sim().post("fault", {"spec": spec}, expected=400)
    ended = subprocess.run([BINARY, "--records", "1", "--fault", spec], capture_output=True, timeout=30)
    assert ended.returncode == 64


def test_the_first_read_after_a_change_may_be_stale_and_says_so_in_its_sequence(sim):
    one = sim(fault="stale-first:100%", models="units")
    record_id = next(iter(one.truth("units")))
    old, first = without_sequence(one.record("units", record_id).results())
    one.post("change", {"model": "units", "id": record_id, "fields": {"floor": "first change"}})
    one.post("change", {"model": "units", "id": record_id, "fields": {"floor": "second change"}})
    newest, listed = without_sequence(next(r for r in one.get("/v1/units/").results() if r["id"] == record_id))
    assert newest["floor"] == "second change"
    stale, second = without_sequence(one.record("units", record_id).results())
    assert stale["floor"] == "first change"
    fresh, third = without_sequence(one.record("units", record_id).results())
    assert fresh == newest == one.truth("units")[record_id]
    assert first < second < listed < third
    assert old["floor"] != "first change"


# The read sequence


def test_a_higher_read_sequence_never_shows_an_older_state(sim, receiver):
    sink = receiver()
    one = sim(records=5, rate=500, latency_ms=15, models="units", new_percent=0, fault="stale-first:20%,slow:20%:30")
    ids = list(one.truth("units"))
    one.post("start", {"webhook_url": sink.url, "changes": 2000})
    seen = queue.SimpleQueue()

    def read(number):
        for turn in range(60):
            if turn % 3 == 0:
                for record in one.get("/v1/units/?order-by=updated_at:desc&limit=5").results():
                    seen.put(without_sequence(record))
            else:
                seen.put(without_sequence(one.record("units", ids[(turn + number) % 5]).results()))

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(read, range(16)))
    one.post("stop")
    reads = [seen.get() for _ in range(seen.qsize())]
    assert len({record["last_seen"] for record, _ in reads}) > 50
    states = {}
    for record_id in ids:
        own = sorted((sequence, moment(record["last_seen"])) for record, sequence in reads if record["id"] == record_id)
        moments = [when for _, when in own]
        assert moments == sorted(moments)
        for record, sequence in reads:
            if record["id"] == record_id:
                assert states.setdefault((record_id, sequence), record) == record


# Command line


def test_help_lists_every_flag_and_the_readme_too():
    text = subprocess.run([BINARY, "--help"], capture_output=True, text=True, check=True, timeout=30).stdout
    flags = {line.split()[0] for line in text.splitlines() if line.startswith("  --")}
    assert {"--listen", "--token", "--webhook-url", "--webhook-secret", "--seed", "--records", "--integrations", "--models", "--rate",
            "--changes", "--shape", "--limit-per-minute", "--latency-ms", "--fault", "--drop-webhooks", "--help"} <= flags
    readme = (TOP / "tests" / "simulator" / "README.md").read_text()
    assert {flag for flag in flags if f"`{flag}" not in readme} == set()


@pytest.mark.parametrize(
    "arguments",
    [["--nothing"], ["units"], ["--records"], ["--records", "-1"], ["--records", "1.5"], ["--rate", "fast"], ["--models", "dragons"],
     ["--shape", "D"], ["--integrations", "0"], ["--late", "5"], ["--late", "5:"], ["--replay", "101:5"], ["--replay", "5:x"],
     ["--diff-updated-at", "some"]],
)
def test_a_wrong_command_line_ends_with_64(arguments):
    assert subprocess.run([BINARY, *arguments], capture_output=True, timeout=30).returncode == 64


def test_a_taken_address_ends_with_69(sim):
    listen = sim().url.removeprefix("http://")
    ended = subprocess.run([BINARY, "--records", "1", "--listen", listen], capture_output=True, timeout=30)
    assert ended.returncode == 69


def test_sigterm_ends_it_at_once_even_while_answers_and_webhooks_wait(sim):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        one = sim(latency_ms=60000, rate=0, webhook_url=f"http://127.0.0.1:{silent.getsockname()[1]}/", changes=50)
        host, port = one.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as waiting:
            waiting.sendall(b"GET /v1/units/ HTTP/1.1\r\nHost: x\r\n\r\n")
            wait_for(lambda: one.stats()["in_flight"] == 1, "the request")
            began = time.monotonic()
            assert one.stop() == 0
            assert time.monotonic() - began < 10
