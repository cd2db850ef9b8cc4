"""The admin port: metrics in both formats, probes, and what only a token may change."""

import os
import pathlib
import re
import subprocess

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families as read_text

from harness.http_client import request
from harness.process import TOP
from harness.simulator import SECRET
from harness.wait import wait_until

MODELS = ["residents", "units"]
OPEN = "application/openmetrics-text; version=1.0.0"
PROMTOOL = pathlib.Path(os.environ.get("PROMTOOL", TOP / "build/e2e/prometheus/usr/bin/promtool"))
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def scrape(running, accept="*/*"):
    answer = request("GET", running.admin_url("/metrics"), headers={"Accept": accept})
    assert answer.status == 200
    return answer


def start(bridge, simulator, registry, **config):
    propexo = simulator(records=50, integrations=3, models=MODELS, limit_per_minute=0, shape="A")
    running = bridge("run", {"bridge.models": MODELS} | config, simulator=propexo, registry=registry)
    running.wait_event("assigned", 30)
    return propexo, running


def test_metrics(simulator, bridge, kafka, registry, prefix):
    """Prometheus' own tool and two parsers of its project read what a busy bridge tells, and every name is in the README."""
    propexo, running = start(bridge, simulator, registry, **{"admin.integrations": 2})
    propexo.begin(running.receiver_url(), rate=200, changes=200)
    propexo.wait_changes_done()
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    wait_until(lambda: running.metrics().sum("bridge_kafka_brokers_up", client="enricher") == 1, 20, "librdkafka's figures")
    text = scrape(running)
    assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    made = subprocess.run([PROMTOOL, "check", "metrics"], input=text.text(), capture_output=True, text=True, check=False)
    assert (made.returncode, made.stdout + made.stderr) == (0, "")
    families = {family.name: family for family in read_text(text.text())}
    documented = set(re.findall(r"^\| `((?:bridge|process)_\w+)` \|", (TOP / "README.md").read_text(), re.M))
    assert {name.removesuffix("_total") for name in documented} == families.keys()
    opened = scrape(running, OPEN)
    assert opened.headers["content-type"].startswith("application/openmetrics-text")
    assert {family.name for family in read_open(opened.text())} == families.keys()
    metrics = running.metrics()
    kept = metrics.sum("bridge_webhooks_total", outcome="kept")
    assert kept >= 200 and metrics.sum("bridge_acknowledgement_seconds_count") == kept
    assert sum(metrics.sum("bridge_events_consumed_total", model=model) for model in MODELS) == kept
    assert metrics.sum("bridge_snapshots_total", kind="record") == metrics.sum("bridge_snapshots_total") > 50
    assert metrics.sum("bridge_snapshot_seconds_count") == metrics.sum("bridge_snapshots_total")
    assert 0 < metrics.sum("bridge_snapshot_seconds_sum") < 60 * metrics.sum("bridge_snapshot_seconds_count")
    assert metrics.sum("bridge_api_request_seconds_count") == metrics.sum("bridge_api_requests_total")
    assert metrics.sum("bridge_transaction_seconds_count") == metrics.sum("bridge_transactions_total", outcome="committed")
    assert metrics.sum("bridge_consumer_lag_events") == 0 and metrics.sum("bridge_oldest_uncommitted_seconds") == 0
    assert metrics.sum("bridge_partitions") == metrics.sum("bridge_partitions_owned") == 6 * len(MODELS)
    assert metrics.sum("bridge_events_retention_seconds") == 7 * 86400
    assert metrics.sum("bridge_kafka_sent_bytes_total", client="receiver") > 1000
    assert 1 << 20 < metrics.sum("process_resident_memory_bytes") < 1 << 30
    codes = (TOP / "README.md").read_text().split("| error_code | meaning |")[1].split("\n\n")[0]
    documented = {code for row in codes.splitlines()[2:] for code in re.findall(r"`([a-z-]+)`", row.split("|")[1])}
    assert {labels["code"] for name, labels, _ in metrics.samples if name == "bridge_dead_letters_total"} == documented
    of_integrations = [labels["integration"] for name, labels, _ in metrics.samples if name == "bridge_integration_events_total"]
    assert len(of_integrations) == 3 and of_integrations.count("other") == 1
    assert metrics.sum("bridge_integration_events_total") == kept
    assert metrics.sum("bridge_integration_snapshots_total") == metrics.sum("bridge_snapshots_total")


def test_integrations_are_not_told_unless_asked(simulator, bridge, kafka, registry, prefix):
    propexo, running = start(bridge, simulator, registry)
    propexo.begin(running.receiver_url(), rate=100, changes=20)
    propexo.wait_changes_done()
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    assert not [name for name, _, _ in running.metrics().samples if name.startswith("bridge_integration_")]


def test_the_trace_of_a_slow_webhook(simulator, bridge, kafka, registry, prefix):
    """From the sender's header over the event's and the snapshot's to the exemplar of each histogram."""
    propexo, running = start(bridge, simulator, registry)
    record = next(iter(propexo.truth("units").values()))
    body = {
        "trigger": "DATA_UPDATE",
        "data": {"event": "DATA_UPDATE", "object": "units", "record_id": record["id"], "diff": {"new": {}, "previous": {}}},
        "meta": {"integration_id": record["integration_id"]},
    }
    sent = f"00-{TRACE}-00f067aa0ba902b7-01"
    assert running.post(body, secret=SECRET, headers=[("traceparent", sent)]).status == 200
    assert running.post(body, secret=SECRET, headers=[("traceparent", "none")]).status == 200
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    events = [dict(message.headers)["traceparent"].decode() for message in kafka.read(f"{prefix}.events.units")]
    assert events[0] == sent
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", events[1]) and TRACE not in events[1]
    exemplars = {
        (family.name, sample.exemplar.labels["trace_id"])
        for family in read_open(scrape(running, OPEN).text())
        for sample in family.samples
        if sample.exemplar
    }
    other = events[1].split("-")[1]
    assert {("bridge_acknowledgement_seconds", TRACE), ("bridge_acknowledgement_seconds", other)} & exemplars
    assert {name for name, _ in exemplars} == {"bridge_acknowledgement_seconds", "bridge_snapshot_seconds"}
    assert {trace for _, trace in exemplars} <= {TRACE, other}


def test_the_level_of_the_log(bridge, kafka):
    """Only with the token, and only to a level."""

    def put(running, level, token=None, method="PUT"):
        headers = {"Authorization": token} if token else {}
        return request(method, running.admin_url("/log/level"), level.encode(), headers).status

    bare = bridge("receive", {"bridge.models": MODELS})
    assert put(bare, "debug") == 403 and put(bare, "debug", "Bearer ") == 403
    running = bridge("receive", {"bridge.models": MODELS, "admin.token": "a token"})
    for token in (None, "Bearer", "Bearer ", "Bearer a toke", "Bearer a token ", "Basic a token", "a token"):
        assert put(running, "debug", token) == 401, token
    assert put(running, "debug", "Bearer a token", "GET") == 405
    assert put(running, "loud", "Bearer a token") == put(running, "", "Bearer a token") == 400
    assert not running.events("log_level")
    assert put(running, "debug", "Bearer a token") == 200
    running.wait_event("log_level", 5, level="debug")
    assert put(running, "error\n", "bearer a token") == 200
    running.wait_event("log_level", 5, level="error")
    assert "a token" not in running.log().replace("a token ", "")


def test_what_is_not_there(bridge, kafka):
    running = bridge("receive", {"bridge.models": MODELS})
    assert request("GET", running.admin_url("/nothing")).status == 404
    answer = request("POST", running.admin_url("/metrics"), b"")
    assert answer.status == 405 and answer.headers["allow"] == "GET"


def test_probes(bridge, own_kafka):
    """Alive while its loops turn; not ready while Kafka takes nothing, and from the first moment of its end."""
    own_kafka.start()
    config = {"bridge.models": MODELS, "kafka.bootstrap.servers": own_kafka.bootstrap, "receiver.secret": "", "receiver.allow_unsigned": True}
    running = bridge("receive", config | {"kafka.producer.delivery.timeout.ms": 1500, "kafka.producer.request.timeout.ms": 1000})

    def ready():
        answer = request("GET", running.admin_url("/readyz"))
        return answer.status, answer.json()["conditions"]["receiver"]["reason"]

    assert request("GET", running.admin_url("/healthz")).status == 200
    assert ready() == (200, "")
    body = {"data": {"event": "DATA_NEW", "object": "units", "record_id": "u1", "payload": {}}, "meta": {"integration_id": "i1"}}
    own_kafka.freeze()
    assert running.post(body).status == 503
    assert ready() == (503, "Kafka does not acknowledge events")
    own_kafka.thaw()
    wait_until(lambda: ready() == (200, ""), 30, "readiness")
    assert running.post(body).status == 200
