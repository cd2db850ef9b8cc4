"""The simulated Propexo: its API, its webhooks and its true state."""

import json
from urllib.parse import quote

from harness.http_client import request
from harness.process import Program
from harness.wait import Failure, wait_until

TOKEN = "e2e-api-token"
SECRET = "e2e-webhook-secret"


def _flag(name, value):
    text = ",".join(value) if isinstance(value, (list, tuple)) else str(value)
    return ["--" + name.replace("_", "-"), text]


class Simulator(Program):
    def __init__(self, *, directory, label="propexo-sim", **flags):
        """`flags` are the program's own: records=100, models=["units"], limit_per_minute=0."""
        all_flags = {"listen": "127.0.0.1:0", "token": TOKEN, "webhook_secret": SECRET} | flags
        arguments = [part for name, value in all_flags.items() for part in _flag(name, value)]
        super().__init__("propexo-sim", arguments, directory=directory, label=label)
        self.token = all_flags["token"]
        self.secret = all_flags["webhook_secret"]

    def start(self):
        super().start()
        self.url = f"http://{self.wait_event('ready')['listen']}"
        return self

    def get(self, path, **headers):
        """A request to the simulated API, with its token."""
        return request("GET", self.url + path, headers={"Authorization": f"Bearer {self.token}"} | headers)

    def call(self, method, path, body=None):
        """The same with any method; a body is sent as JSON."""
        data = None if body is None else json.dumps(body).encode()
        return request(method, self.url + path, data, {"Authorization": f"Bearer {self.token}"})

    def webhooks(self):
        """The webhooks that were asked for, secrets too, the oldest first."""
        return self._control("GET", "webhooks").json()

    def set_faults(self, spec):
        """From now on; empty = none."""
        self._control("POST", "fault", json.dumps({"spec": spec}).encode())

    def truth(self, model, changed=False):
        """The records of a model by id: all, or those that changed since the start."""
        answer = self._control("GET", f"truth?model={model}" + ("&changed=1" if changed else ""))
        records = (json.loads(line) for line in answer.text().splitlines())
        return {record["id"]: record for record in records}

    def change(self, model, record_id, fields, webhook=False):
        """One change by hand; without a webhook nobody is told."""
        body = {"model": model, "id": record_id, "fields": fields, "webhook": webhook}
        self._control("POST", "change", json.dumps(body).encode())

    def delete(self, model, record_id):
        """The record is unknown from now on."""
        self._control("POST", f"delete?model={model}&id={quote(record_id, safe='')}", b"")

    def stats(self):
        return self._control("GET", "stats").json()

    def begin(self, webhook_url, **options):
        """(Re)starts the stream of changes: rate=20, changes=1000."""
        self._control("POST", "start", json.dumps({"webhook_url": webhook_url} | options).encode())

    def end(self, timeout=60):
        """Stops the changes and returns when every webhook has been delivered."""
        self._control("POST", "stop", b"{}")
        self.wait_delivered(timeout)

    def wait_delivered(self, timeout=60):
        wait_until(
            lambda: self.stats()["webhooks_waiting"] == 0,
            timeout,
            lambda: f"webhooks_waiting=0 in {self.stats()}",
            interval=0.1,
        )

    def wait_changes_done(self, timeout=120):
        """Returns when all --changes were made and delivered."""
        return self.wait_event("changes_done", timeout)

    def _control(self, method, path, body=None):
        answer = request(method, f"{self.url}/_sim/{path}", body)
        if answer.status != 200:
            raise Failure(f"{method} /_sim/{path}: {answer.status} {answer.text()}")
        return answer
