"""A client of the simulated Propexo for its own tests, and a receiver of its webhooks."""

import http.server
import json
import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime
from pathlib import Path

from harness.wait import TIMEOUT_FACTOR

TOP = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("BRIDGE_BUILD", TOP / "build")).resolve() / "propexo-sim"
TOKEN = "test-token"
SECRET = "test-secret-0123"
MODELS = ("residents", "leases", "units", "properties")
STAMPS = {"created_at", "updated_at", "last_seen"}


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
    end = time.monotonic() + seconds * TIMEOUT_FACTOR
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

    def told(self):
        answer = fetch("GET", f"{self.url}/_sim/told")
        assert answer.status == 200
        return [json.loads(line) for line in answer.body.splitlines()]

    def sent(self, limit=10000):
        return fetch("GET", f"{self.url}/_sim/sent?limit={limit}").json()


class Receiver:
    """A webhook's receiver; `statuses` says how to answer the first ones, 200 the others."""

    def __init__(self, statuses=()):
        self.bodies, self.signatures, self.times, self.statuses = [], [], [], list(statuses)
        receiver, lock = self, threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with lock:
                    receiver.bodies.append(body)
                    receiver.signatures.append(self.headers["propexo-signature"])
                    receiver.times.append(time.monotonic())
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


def catalogue():
    """Every model by its name, as the public description has it: list, get, query, fields, parents."""
    return json.loads((TOP / "schemas" / "models.json").read_text())["models"]


def deliver(one, receiver, seconds=60, **options):
    one.post("start", {"webhook_url": receiver.url} | options)
    wait_for(lambda: one.line("event=changes_done"), "event=changes_done", seconds)
