"""A real Prometheus that scrapes bridges and evaluates rules, as Debian ships it."""

import json
from urllib.parse import quote

from harness.http_client import request
from harness.ports import reserve_port
from harness.process import TOP, spawn, tail
from harness.wait import Failure, wait_until

FOLDER = TOP / "build/e2e/prometheus/usr/bin"
START_SECONDS = 30
STOP_SECONDS = 20


class Prometheus:
    """`config` is prometheus.yml as a text; the folder takes it, the data and the log."""

    def __init__(self, directory, config):
        self.directory = directory
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "prometheus.yml").write_text(config)
        self.log_path = self.directory / "prometheus.log"
        self.url = f"http://127.0.0.1:{reserve_port()}"

    def start(self):
        arguments = [
            FOLDER / "prometheus",
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]
        with open(self.log_path, "wb") as log:
            self.process = spawn(arguments, stdout=log, stderr=log, directory=self.directory)
        wait_until(self._answers, START_SECONDS, lambda: f"Prometheus answers:\n{tail(self.log_path)}")
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise Failure(f"Prometheus ended with {self.process.returncode}:\n{tail(self.log_path)}")
        try:
            return request("GET", f"{self.url}/-/ready", timeout=2).status == 200
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait(STOP_SECONDS)

    def _get(self, path):
        answer = request("GET", f"{self.url}/api/v1/{path}")
        if answer.status != 200:
            raise Failure(f"Prometheus: {path}: {answer.status} {answer.text()}")
        return json.loads(answer.text())["data"]

    def query(self, expression):
        """[(labels, value)] of an instant query."""
        found = self._get(f"query?query={quote(expression)}")["result"]
        return [(sample["metric"], float(sample["value"][1])) for sample in found]

    def targets(self):
        """What is scraped: its health ("up", "down", "unknown") and the last error, by URL."""
        return {one["scrapeUrl"]: (one["health"], one["lastError"]) for one in self._get("targets")["activeTargets"]}

    def rules(self):
        """Every rule: {"name", "health", "type", "state" of an alert, ...}."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def alerts(self, *states):
        """The names of the alerts in one of these states ("firing", "pending"): a set."""
        return {alert["labels"]["alertname"] for alert in self._get("alerts")["alerts"] if alert["state"] in states}
