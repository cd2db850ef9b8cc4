"""Spans through a real OpenTelemetry collector: what it hands on is what it understood of them."""

import pytest
import yaml

from harness.image import make
from harness.otlp import Collector
from harness.ports import reserve_port
from harness.process import TOP, spawn, tail
from harness.simulator import SECRET
from harness.wait import wait_until

pytestmark = pytest.mark.long

MODELS = ["units", "residents"]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PROGRAM = TOP / "build/e2e/collector/collector"


@pytest.fixture
def behind():
    """What the real collector sends on."""
    server = Collector()
    yield server
    server.close()


@pytest.fixture
def endpoint(tmp_path, behind):
    """The address of a real collector."""
    make(str(PROGRAM.relative_to(TOP)))
    address = f"127.0.0.1:{reserve_port()}"
    config = {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": address}}}},
        "exporters": {"otlphttp": {"endpoint": behind.url, "encoding": "json", "compression": "none"}},
        "service": {
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["otlphttp"]}},
            "telemetry": {"metrics": {"level": "none"}},
        },
    }
    (tmp_path / "collector.yaml").write_text(yaml.safe_dump(config))
    path = tmp_path / "collector.log"
    with open(path, "wb") as log:
        process = spawn([PROGRAM, "--config", tmp_path / "collector.yaml"], stdout=log, stderr=log, directory=tmp_path)
    wait_until(lambda: "Everything is ready" in path.read_text(), 30, lambda: f"the collector is ready:\n{tail(path)}")
    yield f"http://{address}"
    process.terminate()
    assert process.wait(30) == 0, tail(path)


def test_every_span_arrives_as_it_was_meant(simulator, bridge, kafka, prefix, endpoint, behind):
    propexo = simulator(records=50, integrations=2, models=MODELS, limit_per_minute=0, latency_ms=5)
    config = {"bridge.models": MODELS, "output.format": "json", "tracing.endpoint": endpoint, "tracing.sample_per_million": 1_000_000}
    running = bridge("run", config, simulator=propexo)
    running.wait_event("assigned", 30)
    record = next(iter(propexo.truth("units").values()))
    data = {"event": "DATA_UPDATE", "object": "units", "record_id": record["id"], "diff": {"new": {}, "previous": {}}}
    body = {"trigger": "DATA_UPDATE", "data": data, "meta": {"integration_id": record["integration_id"]}}
    sent = ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01")
    assert running.post(body, secret=SECRET, headers=[sent]).status == 200
    wait_until(lambda: len(behind.spans()) >= 3, 30, "three spans")
    spans = {span["name"]: span for span in behind.spans()}
    webhook, snapshot = spans.pop("webhook"), spans.pop("snapshot")
    (fetch,) = spans.values()
    assert {span["traceId"] for span in (webhook, snapshot, fetch)} == {TRACE}
    assert webhook["parentSpanId"] == "00f067aa0ba902b7" and snapshot["parentSpanId"] == webhook["spanId"]
    assert [span["kind"] for span in (webhook, snapshot, fetch)] == [2, 4, 3]
    assert webhook["notes"]["http.response.status_code"] == "200" and webhook["notes"]["propexo.model"] == "units"
    assert snapshot["notes"]["propexo.record_id"] == record["id"]
    for span in (webhook, snapshot, fetch):
        assert 0 < int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
    resource = behind.requests[0][2]["resourceSpans"][0]["resource"]["attributes"]
    names = {note["key"]: note["value"]["stringValue"] for note in resource}
    assert names["service.name"] == "propexo-bridge" and names["service.instance.id"] == running.config["bridge.instance"]

    propexo.begin(running.receiver_url(), rate=200, changes=400)
    propexo.wait_changes_done()
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    assert running.stop() == 0
    ended = running.events("stopped")
    assert ended and not running.events("spans_dropped")
    webhooks = [span for span in behind.spans() if span["name"] == "webhook"]
    assert len(webhooks) == 1 + propexo.stats()["webhooks_ok"]
    assert len({span["spanId"] for span in behind.spans()}) == len(behind.spans())
