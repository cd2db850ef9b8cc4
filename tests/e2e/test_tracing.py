"""Spans: what a collector gets of a webhook that was sampled, and that it holds nothing up. The collector here takes the
bytes apart by itself; a real one stands in test_collector.py, which takes minutes."""

import pytest

from harness.otlp import Collector
from harness.simulator import SECRET
from harness.wait import wait_until

MODELS = ["units", "residents"]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def collector():
    server = Collector()
    yield server
    server.close()


def update(record, model="units"):
    data = {"event": "DATA_UPDATE", "object": model, "record_id": record["id"], "diff": {"new": {}, "previous": {}}}
    return {"trigger": "DATA_UPDATE", "data": data, "meta": {"integration_id": record["integration_id"]}}


def test_one_webhook(simulator, bridge, kafka, prefix, collector):
    """From the sender's span down to the API's request and the snapshot; with ids, times, and nothing of a record."""
    propexo = simulator(records=20, integrations=1, models=MODELS, limit_per_minute=0)
    config = {"bridge.models": MODELS, "output.format": "json", "tracing.endpoint": collector.url, "tracing.token": "for the collector"}
    running = bridge("run", config, simulator=propexo)
    running.wait_event("assigned", 30)
    record = next(iter(propexo.truth("units").values()))
    sent = ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01")
    assert running.post(update(record), secret=SECRET, headers=[sent]).status == 200
    wait_until(lambda: len(collector.spans()) >= 3, 30, "three spans")
    path, headers, body = collector.requests[0]
    headers = {name.lower(): value for name, value in headers.items()}
    assert path == "/v1/traces" and headers["content-type"] == "application/json"
    assert headers["authorization"] == "Bearer for the collector"
    resource = {note["key"]: note["value"]["stringValue"] for note in body["resourceSpans"][0]["resource"]["attributes"]}
    assert resource["service.name"] == "propexo-bridge" and resource["service.instance.id"] == running.config["bridge.instance"]
    spans = {span["name"]: span for span in collector.spans()}
    webhook, snapshot = spans.pop("webhook"), spans.pop("snapshot")
    (fetch,) = spans.values()
    assert {span["traceId"] for span in (webhook, snapshot, fetch)} == {TRACE}
    assert webhook["parentSpanId"] == "00f067aa0ba902b7" and webhook["kind"] == 2
    assert snapshot["parentSpanId"] == webhook["spanId"] and snapshot["kind"] == 4
    assert fetch["kind"] == 3 and fetch["parentSpanId"] in (webhook["spanId"], snapshot["spanId"])
    assert webhook["notes"] == {"http.response.status_code": "200", "propexo.model": "units", "propexo.dead_letter": ""}
    assert snapshot["notes"]["propexo.record_id"] == record["id"] and snapshot["notes"]["propexo.events"] == "1"
    for span in (webhook, snapshot, fetch):
        assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
        assert span["status"]["code"] == 0
    assert int(snapshot["startTimeUnixNano"]) <= int(fetch["startTimeUnixNano"]) <= int(fetch["endTimeUnixNano"]) <= int(snapshot["endTimeUnixNano"])
    (event,) = kafka.read(f"{prefix}.events.units")
    (made,) = kafka.read(f"{prefix}.snapshots.units")
    assert dict(event.headers)["traceparent"].decode() == f"00-{TRACE}-{webhook['spanId']}-01"
    assert dict(made.headers)["traceparent"].decode() == f"00-{TRACE}-{snapshot['spanId']}-01"
    assert running.metrics().sum("bridge_spans_total", outcome="sent") == 3


def test_only_what_is_sampled(simulator, bridge, kafka, prefix, collector):
    """The sender decides for its own traces, tracing.sample_per_million for those that begin here."""
    propexo = simulator(records=20, integrations=1, models=MODELS, limit_per_minute=0)
    config = {"bridge.models": MODELS, "output.format": "json", "tracing.endpoint": collector.url, "tracing.sample_per_million": 1_000_000}
    running = bridge("run", config, simulator=propexo)
    running.wait_event("assigned", 30)
    first, second = list(propexo.truth("units").values())[:2]
    unsampled = ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-00")
    assert running.post(update(first), secret=SECRET, headers=[unsampled]).status == 200
    assert running.post(update(second), secret=SECRET).status == 200
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    wait_until(lambda: len(collector.spans()) >= 3, 30, "three spans")
    assert running.stop() == 0
    assert len(collector.spans()) == 3 and TRACE not in {span["traceId"] for span in collector.spans()}


@pytest.mark.parametrize("status", [None, 400, 503], ids=["silent", "refuses", "busy"])
def test_a_sick_collector_holds_nothing_up(simulator, bridge, kafka, prefix, collector, status):
    collector.status = status
    propexo = simulator(records=20, integrations=1, models=MODELS, limit_per_minute=0)
    config = {"bridge.models": MODELS, "output.format": "json", "tracing.endpoint": collector.url, "tracing.sample_per_million": 1_000_000}
    running = bridge("run", config, simulator=propexo)
    running.wait_event("assigned", 30)
    propexo.begin(running.receiver_url(), rate=200, changes=200)
    propexo.wait_changes_done()
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    wait_until(lambda: collector.requests, 10, "an attempt")
    if status == 400:
        wait_until(lambda: running.metrics().sum("bridge_spans_total", outcome="dropped") > 0, 10, "dropped spans")
        assert running.events("spans_dropped")
    assert running.metrics().sum("bridge_spans_total", outcome="sent") == 0
    assert running.stop() == 0
