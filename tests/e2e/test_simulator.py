"""The simulated Propexo itself: what it answers, what it sends, and that its own account of both is true."""

import concurrent.futures
import copy
import gzip
import hashlib
import hmac
import http.client
import http.server
import json
import os
import queue
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("BRIDGE_BUILD", TOP / "build")).resolve() / "propexo-sim"
TOKEN = "test-token"
SECRET = "test-secret-0123"
MODELS = ("residents", "leases", "units", "properties")
STAMPS = {"created_at", "updated_at", "last_seen"}
EMBEDDED = {"leases_meta_data", "residents_meta_data", "pets", "vehicles", "services", "pet_types", "associated_owner_ids"}


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def results(self):
        return self.json()["results"]


def fetch(method, url, body=None, headers=None):
    request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
    try:
        with OPENER.open(request, timeout=60) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


def wait_for(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.01)
    return found


class Sim:
    def __init__(self, log, **flags):
        standard = {"listen": "127.0.0.1:0", "token": TOKEN, "webhook_secret": SECRET, "limit_per_minute": 0, "records": 40}
        flags = standard | flags
        arguments = [part for name, value in flags.items() for part in ("--" + name.replace("_", "-"), str(value))]
        self.log = log
        with open(log, "wb") as stderr:
            self.process = subprocess.Popen([BINARY, *arguments], stderr=stderr)
        line = wait_for(lambda: self.line("event=ready"), "event=ready", 30)
        self.url = "http://" + line.split("listen=")[1]

    def line(self, words):
        return next((line for line in self.log.read_text().splitlines() if words in line), None)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()

    def get(self, path, **headers):
        return fetch("GET", self.url + path, headers={"Authorization": f"Bearer {TOKEN}"} | headers)

    def record(self, model, record_id, **headers):
        return self.get(f"/v1/{model}/{urllib.parse.quote(record_id, safe='')}", **headers)

    def post(self, page, body=None, expected=200):
        answer = fetch("POST", f"{self.url}/_sim/{page}", json.dumps(body or {}).encode())
        assert answer.status == expected, answer.body
        return answer

    def truth(self, model, query=""):
        answer = fetch("GET", f"{self.url}/_sim/truth?model={model}{query}")
        assert answer.status == 200
        return {record["id"]: record for record in map(json.loads, answer.body.splitlines())}

    def stats(self):
        return fetch("GET", f"{self.url}/_sim/stats").json()

    def sent(self, limit=10000):
        return fetch("GET", f"{self.url}/_sim/sent?limit={limit}").json()


@pytest.fixture
def sim(tmp_path):
    """sim(records=10, ...) starts a simulator; the flags are its own."""
    started = []

    def start(**flags):
        started.append(Sim(tmp_path / f"sim-{len(started)}.log", **flags))
        return started[-1]

    yield start
    codes = [one.stop() for one in started if one.process.poll() is None]
    assert set(codes) <= {0}, [one.log.read_text()[-3000:] for one in started]


class Receiver:
    """A webhook's receiver; `statuses` says how to answer the first ones, 200 the others."""

    def __init__(self, statuses=()):
        self.bodies, self.signatures, self.statuses = [], [], list(statuses)
        receiver, lock = self, threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with lock:
                    receiver.bodies.append(body)
                    receiver.signatures.append(self.headers["propexo-signature"])
                    status = receiver.statuses.pop(0) if receiver.statuses else 200
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_):
                """A simulator that ends leaves its connections."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhooks"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    started = []

    def start(statuses=()):
        started.append(Receiver(statuses))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def without_sequence(record):
    """The record as the truth shows it, and the sequence of the read."""
    custom = dict(record["custom_data"])
    sequence = custom.pop("read_sequence")
    return record | {"custom_data": custom}, sequence


def event_of(body):
    """(model, record id, integration or None, kind, diff or payload, shape) of a webhook's body."""
    data = json.loads(body)
    if "data" in data:
        shape = "A" if "trigger" in data else "A0"
        inner, meta = data["data"], data.get("meta", {})
        assert data.get("trigger", inner["event"]) == inner["event"]
        assert meta.get("object", inner["object"]) == inner["object"]
        assert meta.get("integration_id") == inner.get("integration_id")
    else:
        shape, inner, meta = ("B" if "event" in data else "C"), data, data["meta"]
    is_new = "payload" in inner
    assert is_new != ("diff" in inner)
    assert inner.get("event", "DATA_NEW" if is_new else "DATA_UPDATE") == ("DATA_NEW" if is_new else "DATA_UPDATE")
    model = (inner.get("object") or meta["object"]).replace("-", "_")
    integration = inner.get("integration_id") or meta.get("integration_id")
    content = inner["payload"] if is_new else inner["diff"]
    return model, inner["record_id"], integration, "NEW" if is_new else "UPDATE", content, shape


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


def pages(one, model, query, limit):
    offset, records, metas = 0, [], []
    while True:
        answer = one.get(f"/v1/{model}/?limit={limit}&offset={offset}{query}")
        assert answer.status == 200, answer.body
        meta = answer.json()["meta"]
        found = [without_sequence(record) for record in answer.results()]
        assert {sequence for _, sequence in found} <= {meta["read_sequence"]}
        records += [record for record, _ in found]
        metas.append(meta)
        offset += limit
        if not meta["hasMore"]:
            return records, metas


def moment(text):
    return datetime.min if text is None else datetime.fromisoformat(text).replace(tzinfo=None)


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


# Webhooks


def deliver(one, receiver, seconds=60, **options):
    one.post("start", {"webhook_url": receiver.url} | options)
    wait_for(lambda: one.line("event=changes_done"), "event=changes_done", seconds)


def test_webhooks_are_signed_and_tell_each_change_once(sim, receiver):
    one, sink = sim(records=60, rate=0, new_percent=20, webhook_concurrency=1), receiver()
    state = {model: one.truth(model) for model in MODELS}
    before = copy.deepcopy(state)
    deliver(one, sink, changes=600)
    shapes, kinds = set(), set()
    for body, signature in zip(sink.bodies, sink.signatures):
        assert signature == hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        model, record_id, integration, kind, content, shape = event_of(body)
        true = one.truth(model)[record_id] if kind == "NEW" else None
        shapes.add(shape)
        kinds.add(kind if kind == "NEW" or set(content["new"]) - STAMPS else "SEEN")
        if kind == "NEW":
            assert record_id not in state[model]
            assert content.keys() <= true.keys()
            state[model][record_id] = {}
        else:
            known = state[model][record_id]
            assert content["new"].keys() == content["previous"].keys()
            assert 1 <= len(set(content["new"]) - STAMPS) <= 3 or "last_seen" in content["new"]
            assert all(content["new"][name] != old for name, old in content["previous"].items())
            if record_id in before[model]:
                # The moments move with every change, but not every diff tells them.
                assert all(known[name] == old for name, old in content["previous"].items() if name not in STAMPS)
                assert known["integration_id"] == integration
            known.update(content["new"])
    assert shapes == {"A", "B", "C"} and kinds == {"NEW", "UPDATE", "SEEN"}
    silent = 0
    for model in MODELS:
        changed = one.truth(model, "&changed=1")
        for record_id, true in one.truth(model).items():
            if record_id not in before[model]:
                assert record_id in changed
                continue
            told = {name: value for name, value in state[model][record_id].items() if name not in STAMPS}
            unlike = {name for name, value in told.items() if value != true[name]}
            silent += len(unlike)
            assert unlike <= EMBEDDED
            assert (record_id in changed) == (true != before[model][record_id])
    assert silent > 0
    stats = one.stats()
    assert stats["changes"] == stats["webhooks_ok"] == len(sink.bodies) == 600
    assert stats["webhook_answers"] == {"200": 600}
    assert one.line("event=changes_done").endswith("changes=600 webhooks_ok=600 webhooks_lost=0")
    assert [entry["body"].encode() for entry in one.sent(50)] == sink.bodies[-50:]
    assert [entry["signature"] for entry in one.sent(50)] == sink.signatures[-50:]


@pytest.mark.parametrize("shape", ["A", "B", "C", "A0"])
def test_one_shape_alone_is_sent(sim, receiver, shape):
    one, sink = sim(rate=0, shape=shape), receiver()
    deliver(one, sink, changes=40)
    assert {event_of(body)[5] for body in sink.bodies} == {shape}


def test_orphans_are_mixed_in_on_demand(sim, receiver):
    one, sink = sim(rate=0, mixed_orphans=50), receiver()
    deliver(one, sink, changes=100)
    assert {event_of(body)[5] for body in sink.bodies} == {"A", "B", "C", "A0"}


def test_a_refused_webhook_comes_again_and_is_lost_after_ten_retries(sim, receiver):
    one, sink = sim(retry_ms=5, rate=0, models="units", webhook_concurrency=1), receiver([503, 302, 500])
    deliver(one, sink, changes=1)
    assert len(sink.bodies) == 4 and len(set(sink.bodies)) == 1
    assert one.stats()["webhook_answers"] == {"200": 1, "302": 1, "500": 1, "503": 1}
    assert one.stats()["webhooks_retried"] == 3
    other, closed = sim(retry_ms=5, rate=0, models="units"), receiver([500] * 11)
    deliver(other, closed, changes=1)
    assert len(closed.bodies) == 11
    assert other.line("event=changes_done").endswith("webhooks_ok=0 webhooks_lost=1")
    assert [(entry["outcome"], entry["attempts"], entry["status"]) for entry in other.sent()] == [("lost", 11, 500)]


def test_a_receiver_that_is_not_there_is_tried_again(sim, receiver):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    one = sim(retry_ms=20, rate=0, webhook_url=f"http://127.0.0.1:{port}/", changes=3)
    wait_for(lambda: one.stats()["webhook_answers"].get("none", 0) >= 3, "three attempts")
    sink = receiver()
    deliver(one, sink, changes=1)
    assert one.stats()["webhooks_ok"] == len(sink.bodies) == 4


def test_dropped_webhooks_are_changes_that_nobody_hears_of(sim, receiver):
    one, sink = sim(rate=0, drop_webhooks=30, records=200, new_percent=0), receiver()
    deliver(one, sink, changes=300)
    stats = one.stats()
    assert stats["webhooks_dropped"] > 30
    assert stats["webhooks_dropped"] + len(sink.bodies) == 300
    told = {event_of(body)[1] for body in sink.bodies}
    changed = {record_id for model in MODELS for record_id in one.truth(model, "&changed=1")}
    assert told < changed


def test_the_rate_is_kept_and_a_stop_stops(sim, receiver):
    one, sink = sim(), receiver()
    began = time.monotonic()
    deliver(one, sink, rate=200, changes=100)
    assert time.monotonic() - began >= 0.45
    one.post("start", {"rate": 0, "changes": 0})
    wait_for(lambda: one.stats()["changes"] > 200, "changes without end")
    one.post("stop")
    wait_for(lambda: one.stats()["webhooks_waiting"] == 0, "delivery")
    made = one.stats()["changes"]
    assert not one.stats()["running"]
    assert one.stats()["webhooks_ok"] == one.stats()["changes"] == made == len(sink.bodies)


@pytest.mark.parametrize("mover", ["all", "changes", "none"])
def test_what_moves_updated_at_is_chosen(sim, receiver, mover):
    one, sink = sim(records=30, rate=0, updated_at=mover, new_percent=0, last_seen_percent=50, models="units"), receiver()
    before = one.truth("units")
    deliver(one, sink, changes=15)
    fields = {i for _, i, _, _, content, _ in map(event_of, sink.bodies) if set(content["new"]) - STAMPS}
    changed = one.truth("units", "&changed=1")
    moved = {i for i, record in changed.items() if record["updated_at"] != before[i]["updated_at"]}
    assert moved == {"all": set(changed), "changes": fields, "none": set()}[mover]
    assert all(record["last_seen"] != before[i]["last_seen"] for i, record in changed.items())


def test_the_seed_decides_records_changes_and_shapes(sim, receiver):
    def run(seed):
        one, sink = sim(seed=seed, rate=0, webhook_concurrency=1), receiver()
        start = {model: one.truth(model) for model in MODELS}
        deliver(one, sink, changes=200)
        events = []
        for body in sink.bodies:
            model, record_id, integration, kind, content, shape = event_of(body)
            content = content["new"] if kind == "UPDATE" else content
            lasting = {name: value for name, value in content.items() if name not in STAMPS}
            events.append((model, record_id, integration, kind, lasting, shape))
        return start, events

    assert run(7) == run(7)
    assert run(8)[0] != run(7)[0]


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


# Steering


def test_one_particular_change_with_unknown_fields_and_types(sim, receiver):
    sink = receiver()
    one = sim(models="units", webhook_url=sink.url)
    record_id, before = next(iter(one.truth("units").items()))
    fields = {"floor": "7", "square_feet": "not a number", "later": {"x": 1}}
    fields["custom_data"] = {"read_sequence": 1, "a": [1, {"b": None}]}
    one.post("change", {"model": "units", "id": record_id, "fields": fields})
    one.post("change", {"model": "units", "id": record_id, "fields": {"later": [2], "other": "ü\"\n"}})
    one.post("change", {"model": "units", "id": record_id, "fields": {"city": "unheard"}, "webhook": False})
    after = one.truth("units")[record_id]
    assert after["floor"] == "7" and after["square_feet"] == "not a number" and after["city"] == "unheard"
    assert after["custom_data"] == {"a": [1, {"b": None}]}
    assert after["later"] == [2] and after["other"] == "ü\"\n"
    assert moment(after["updated_at"]) > moment(before["updated_at"])
    record, _ = without_sequence(one.record("units", record_id).results())
    assert record == after
    wait_for(lambda: len(sink.bodies) == 2, "two webhooks")
    diff = next(content for *_, content, _ in map(event_of, sink.bodies) if "floor" in content["new"])
    assert diff["new"] == {"floor": "7", "square_feet": "not a number", "custom_data": {"a": [1, {"b": None}]}}
    assert diff["previous"] == {name: before[name] for name in diff["new"]}
    one.post("change", {"model": "units", "id": record_id, "fields": {"last_seen": "2020-01-01T00:00:00Z"}})
    assert one.get("/v1/units/?order-by=last_seen:asc&limit=250").results()[-1]["id"] != record_id
    assert one.truth("units")[record_id]["last_seen"] == "2020-01-01T00:00:00Z"


def test_a_deleted_record_is_unknown_from_then_on(sim, receiver):
    sink = receiver()
    one = sim(records=300, models="units", webhook_url=sink.url)
    record_id = next(i for i in one.truth("units") if "/" in i)
    one.post("delete?" + urllib.parse.urlencode({"model": "units", "id": record_id}))
    assert one.record("units", record_id).status == 404
    assert record_id not in one.truth("units")
    total = one.get("/v1/units/?limit=1").json()["meta"]["total"]
    assert total == one.stats()["records"]["units"] == len(one.truth("units"))
    assert one.stats()["deleted"] == 1
    wait_for(lambda: any(event_of(body)[1] == record_id for body in sink.bodies), "its webhook")
    content = next(event_of(body)[4] for body in sink.bodies if event_of(body)[1] == record_id)
    assert set(content["new"]) == set(content["previous"]) == {"last_seen"}
    one.post("delete?" + urllib.parse.urlencode({"model": "units", "id": record_id}), expected=404)


def test_steering_refuses_what_it_does_not_know(sim):
    one = sim(models="units")
    record_id = next(iter(one.truth("units")))
    for page, body, status in [
        ("start", {"speed": 1}, 400),
        ("start", {"shape": "D"}, 400),
        ("start", {"rate": -1}, 400),
        ("start", {"webhook_url": ""}, 400),
        ("start", [], 400),
        ("change", {"model": "units", "id": record_id, "fields": {"id": "x"}}, 400),
        ("change", {"model": "units", "id": record_id, "fields": {"updated_at": "today"}}, 400),
        ("change", {"model": "units", "id": "unknown", "fields": {}}, 404),
        ("change", {"model": "leases", "id": record_id, "fields": {}}, 404),
        ("delete?model=units&id=unknown", {}, 404),
        ("nothing", {}, 404),
        ("stats", {}, 405),
    ]:
        answer = fetch("POST", f"{one.url}/_sim/{page}", json.dumps(body).encode())
        assert (page, answer.status) == (page, status)
    assert fetch("GET", f"{one.url}/_sim/truth?model=leases").status == 404
    assert one.stats()["changes"] == 0


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
     ["--shape", "D"], ["--integrations", "0"]],
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
