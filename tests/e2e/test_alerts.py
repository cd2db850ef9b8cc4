"""Faults, and the alerts that a real Prometheus raises: those that should, no others, and they go away by themselves.

The rules are the chart's, with each minute made a second, so that an alert that waits ten minutes fires in ten seconds.
"""

import re
import shlex
import socket
import subprocess
import threading
from pathlib import Path

import pytest
import yaml

from harness.process import TOP, Program
from harness.prometheus_server import Prometheus
from harness.sequence import Sequence
from harness.simulator import SECRET
from harness.snapshots import latest
from harness.wait import wait_until

pytestmark = pytest.mark.long

RULES = TOP / "helm/propexo-bridge/files/rules.yaml"
MODELS = ["residents", "leases", "units"]
ALERT_SECONDS = 90


def quickened(text):
    """Ranges, waiting times and the ages that are asked for, in seconds instead of minutes."""
    text = re.sub(r"\[(\d+)m\]", r"[\1s]", text)
    text = re.sub(r"\[(\d+)h\]", lambda match: f"[{int(match[1]) * 60}s]", text)
    text = re.sub(r"^(\s+for: \d+)m$", r"\1s", text, flags=re.M)
    text, ages = re.subn(r"> (300|900)$", lambda match: f"> {int(match[1]) // 60}", text, flags=re.M)
    assert ages == 2
    return text


def config(folder, targets, rules):
    folder.mkdir(exist_ok=True)
    (folder / "rules.yaml").write_text(rules)
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(folder / "rules.yaml")],
            "scrape_configs": [
                {"job_name": "propexo-bridge", "static_configs": [{"targets": targets, "labels": {"namespace": "pms"}}]}
            ],
        }
    )


@pytest.fixture
def watch(tmp_path):
    """watch(bridge, ...) starts a Prometheus that scrapes them, and returns when it has seen them well for a while."""
    started = []

    def start(*bridges):
        targets = [one.wait_ready()["admin"] for one in bridges]
        folder = tmp_path / "prometheus"
        started.append(Prometheus(folder, config(folder, targets, quickened(RULES.read_text()))).start())
        wait_until(lambda: started[-1].query("min(count_over_time(bridge_build_info[1h])) >= 5"), 30, "five scrapes")
        assert started[-1].alerts("firing") == set()
        return started[-1]

    yield start
    for one in started:
        one.stop()


def expect(prometheus, alerts):
    wait_until(lambda: prometheus.alerts("firing") >= alerts, ALERT_SECONDS, lambda: f"{alerts} in {prometheus.alerts('firing')}")


def expect_well(prometheus, alerts):
    """All is well again, and of all alerts these alone have fired."""
    wait_until(lambda: not prometheus.alerts("firing"), ALERT_SECONDS, lambda: f"{prometheus.alerts('firing')} to go away")
    fired = prometheus.query('count by (alertname) (max_over_time(ALERTS{alertstate="firing"}[1h]))')
    assert {labels["alertname"] for labels, _ in fired} == alerts
    assert {rule["health"] for rule in prometheus.rules()} == {"ok"}


def test_kafka_is_down(simulator, bridge, own_kafka, watch):
    propexo = simulator(models=MODELS, records=200, limit_per_minute=0)
    own_kafka.start()
    running = bridge("run", {"bridge.models": MODELS, "kafka.bootstrap.servers": own_kafka.bootstrap}, simulator=propexo)
    running.wait_event("assigned", 30)
    propexo.begin(running.receiver_url(), rate=10)
    prometheus = watch(running)
    own_kafka.freeze()
    expect(prometheus, {"BridgeNotReady", "BridgeWebhooksUnavailable"})
    own_kafka.thaw()
    propexo.end()
    expect_well(prometheus, {"BridgeNotReady", "BridgeWebhooksUnavailable"})


def test_the_api_refuses_the_token(simulator, bridge, watch):
    propexo = simulator(models=MODELS, records=200, limit_per_minute=0)
    running = bridge("run", {"bridge.models": MODELS}, simulator=propexo)
    running.wait_event("assigned", 30)
    propexo.begin(running.receiver_url(), rate=10)
    prometheus = watch(running)
    propexo.set_faults("401:100%")
    expect(prometheus, {"BridgeApiUnauthorized"})
    propexo.set_faults("")
    propexo.end()
    expect_well(prometheus, {"BridgeApiUnauthorized"})


def test_the_budget_is_used_up(simulator, bridge, watch):
    """400 changes a second are 96 pages of 250 a minute, and the budget buys 60."""
    propexo = simulator(models=MODELS, records=30_000, integrations=20, limit_per_minute=60)
    running = bridge("run", {"bridge.models": MODELS, "api.requests_per_minute": 60}, simulator=propexo)
    running.wait_event("assigned", 30)
    prometheus = watch(running)
    propexo.begin(running.receiver_url(), rate=400)
    expect(prometheus, {"BridgeBudgetExhausted", "BridgeChangesLate"})
    propexo.end()
    expect_well(prometheus, {"BridgeBudgetExhausted", "BridgeChangesLate"})


def test_dead_letters(simulator, bridge, kafka, prefix, watch):
    propexo = simulator(models=MODELS, records=200, limit_per_minute=0)
    running = bridge("run", {"bridge.models": MODELS}, simulator=propexo)
    running.wait_event("assigned", 30)
    prometheus = watch(running)
    propexo.set_faults("wrong-id:100%")
    propexo.begin(running.receiver_url(), rate=0, changes=1)
    propexo.wait_changes_done()
    expect(prometheus, {"BridgeDeadLetters"})
    propexo.set_faults("")
    assert len(kafka.read(f"{prefix}.dead-letters")) == 1
    expect_well(prometheus, {"BridgeDeadLetters"})


def test_an_event_grows_old(simulator, bridge, kafka, prefix, watch):
    """Kafka keeps events for a minute here, and the API keeps failing."""
    kafka.create_topics(
        *(f"{prefix}.events.{model}" for model in MODELS),
        partitions=6,
        config={"retention.ms": "60000", "cleanup.policy": "delete", "max.message.bytes": str(9 * 2**20)},
    )
    propexo = simulator(models=MODELS, records=200, limit_per_minute=0)
    running = bridge("run", {"bridge.models": MODELS}, simulator=propexo)
    running.wait_event("assigned", 30)
    prometheus = watch(running)
    assert prometheus.query("bridge_events_retention_seconds")[0][1] == 60
    propexo.set_faults("500:100%")
    propexo.begin(running.receiver_url(), rate=20, changes=100)
    alerts = {"BridgeEventsNearRetention", "BridgeApiFailing", "BridgeChangesLate"}
    expect(prometheus, alerts)
    propexo.set_faults("")
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    expect_well(prometheus, alerts)


def test_the_spool_fills(bridge, own_kafka, tmp_path, watch):
    own_kafka.start()
    spool = tmp_path / "spool"
    spool.mkdir()
    settings = {
        "kafka.bootstrap.servers": own_kafka.bootstrap,
        "receiver.spool_dir": spool,
        "receiver.spool_after_ms": 500,
        "receiver.spool_max_mb": 2,
    }
    running = bridge("receive", settings)
    prometheus = watch(running)
    load = Sequence(running.receiver_url(), SECRET, [f"intg-{number}" for number in range(8)]).start()
    own_kafka.freeze()
    expect(prometheus, {"BridgeSpoolFilling"})
    load.stop()
    own_kafka.thaw()
    expect_well(prometheus, {"BridgeSpoolFilling"})


class Manager(threading.Thread):
    """systemd's side of its notification socket."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.told = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.start()

    def run(self):
        while True:
            self.told += self.socket.recv(4096).decode().splitlines()


class Installed(Program):
    """The bridge that `make install` put below a prefix, by the command line of its unit."""

    def __init__(self, prefix, config_path, directory, environment):
        unit = (prefix / "lib/systemd/system/propexo-bridge.service").read_text()
        words = shlex.split(re.search(r"^ExecStart=(.*)$", unit, re.M)[1])
        super().__init__(words[0], words[1:], directory=directory, environment=environment, label="installed")
        place = words.index("/etc/propexo-bridge/bridge.conf") - 1
        self.arguments[place] = str(config_path)


@pytest.mark.plain  # it runs in the filter of system calls
def test_as_installed(simulator, bridge, programs, registry, kafka, snapshots, prefix, tmp_path):
    """From `make install` to a Prometheus with the chart's own rules: systemd is told, the flow flows, no alert."""
    place = tmp_path / "prefix"
    subprocess.run(["make", "-s", "install", f"PREFIX={place}"], cwd=TOP, check=True, stdout=subprocess.DEVNULL)
    propexo = simulator(models=MODELS, records=200, limit_per_minute=0, latency_ms=5)
    written = bridge("run", {"bridge.models": MODELS}, simulator=propexo, registry=registry, start=False)
    manager = Manager(tmp_path / "notify")
    environment = {"NOTIFY_SOCKET": tmp_path / "notify", "WATCHDOG_USEC": 60_000_000}
    running = programs.add(Installed(place, written.config_path, tmp_path, environment)).start()
    ready = running.wait_event("ready", 30)
    wait_until(lambda: "READY=1" in manager.told, 30, "systemd to be told")
    running.wait_event("assigned", 30)
    prometheus = Prometheus(tmp_path / "prometheus", config(tmp_path / "prometheus", [ready["admin"]], RULES.read_text())).start()
    try:
        propexo.begin(f"http://{ready['receiver']}/webhooks", rate=50, changes=500)
        propexo.wait_changes_done()
        kafka.wait_consumed(prefix, f"{prefix}.events.")
        assert propexo.truth("units", changed=True).keys() <= latest(snapshots("units", registry)).keys()
        wait_until(lambda: prometheus.query('sum(bridge_webhooks_total{outcome="kept"}) >= 500'), 30, "500 webhooks")
        wait_until(lambda: prometheus.query("namespace:bridge_snapshots:rate5m"), 30, "the recorded rules")
        assert prometheus.query("sum(ALERTS)") == []
        assert {rule["health"] for rule in prometheus.rules()} == {"ok"}
        assert len(prometheus.rules()) > 20
    finally:
        prometheus.stop()
    version = subprocess.run([place / "bin/propexo-bridge", "version"], capture_output=True, text=True, check=True).stdout
    manual = Path(place / "share/man/man1/propexo-bridge.1").read_text()
    assert version.split()[1] in manual
    assert (place / "share/propexo-bridge/schemas/units.avsc").exists()
    assert manager.told.count("WATCHDOG=1") > 3
    assert running.stop() == 0
    wait_until(lambda: "STOPPING=1" in manager.told, 10, "systemd to be told of the end")
