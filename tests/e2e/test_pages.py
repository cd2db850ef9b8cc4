"""Pages of lists bring what waits, also while the lists move under the reading."""

import pytest

from harness.truth import assert_equals_truth

MODELS = ["residents", "units"]


def requests_by_kind(running, kind):
    return running.metrics().sum("bridge_api_requests_by_kind_total", kind=kind)


def run_to_the_end(propexo, running, kafka, prefix, rate, changes):
    running.wait_event("assigned", 20)
    propexo.begin(running.receiver_url(), rate=rate, changes=changes)
    propexo.wait_changes_done()
    kafka.wait_consumed(prefix, f"{prefix}.events.")


def test_rows_that_move_between_pages(simulator, bridge, kafka, prefix, snapshots):
    """Live changes while pages are read, and another order of equal stamps on each page: no change is missed."""
    propexo = simulator(
        models=MODELS,
        records=3000,
        integrations=2,
        created_ties=3000,
        ties="shuffle",
        limit_per_minute=600,
        latency_ms=300,
        shape="mixed",
    )
    config = {"bridge.models": MODELS, "api.requests_per_minute": 600, "output.format": "json"}
    running = bridge("run", config, simulator=propexo)
    run_to_the_end(propexo, running, kafka, prefix, rate=400, changes=8000)
    records, total = assert_equals_truth(propexo, snapshots, MODELS)
    metrics = running.metrics()
    pages = requests_by_kind(running, "page") + requests_by_kind(running, "model_page")
    print(f"{records} records equal, {total} snapshots, {pages} pages, {metrics.sum('bridge_page_rows_total')} rows")
    assert pages > 15
    assert metrics.sum("bridge_page_rows_total", use="live") > 2 * requests_by_kind(running, "id")
    assert metrics.sum("bridge_page_rows_total", use="early") > 0  # rows older than an event that had come by then
    assert kafka.read(f"{prefix}.dead-letters") == []


def test_overlapping_requests_of_the_same_records(simulator, bridge, kafka, prefix, snapshots):
    """At least five under way at once, all of the same few records: what is published of each never goes back."""
    propexo = simulator(
        models=MODELS, records=300, integrations=1, limit_per_minute=600, latency_ms=1500, new_percent=0
    )
    config = {
        "bridge.models": MODELS,
        "api.requests_per_minute": 600,
        "enricher.max_delay_ms": 100,
        "output.format": "json",
    }
    running = bridge("run", config, simulator=propexo)
    run_to_the_end(propexo, running, kafka, prefix, rate=300, changes=4500)
    records, total = assert_equals_truth(propexo, snapshots, MODELS)
    stats = propexo.stats()
    metrics = running.metrics()
    print(f"{records} records equal, {total} snapshots, {stats['max_in_flight']} requests at once at most")
    assert stats["max_in_flight"] >= 5
    assert total > 2 * records
    assert metrics.sum("bridge_answers_stale_total") + metrics.sum("bridge_page_rows_total", use="early") > 0


@pytest.mark.parametrize("extended, result", [("on", "works"), ("off", None)])
def test_pages_are_narrowed_where_the_server_can(simulator, bridge, kafka, prefix, snapshots, extended, result):
    """One probe a process; where it is refused nobody hears of it, and pages are asked for as before."""
    propexo = simulator(
        models=MODELS,
        records=2000,
        integrations=1,
        limit_per_minute=600,
        latency_ms=50,
        new_percent=0,
        last_seen_percent=0,
        extended_filters=extended,
    )
    config = {"bridge.models": MODELS, "api.requests_per_minute": 600, "output.format": "json"}
    running = bridge("run", config, simulator=propexo)
    run_to_the_end(propexo, running, kafka, prefix, rate=200, changes=2000)
    assert_equals_truth(propexo, snapshots, MODELS)
    assert requests_by_kind(running, "probe") == 1
    assert requests_by_kind(running, "page") > 3
    assert [event.get("result") for event in running.events("probed")] == ([result] if result else [])
    rows = running.metrics().sum("bridge_page_rows_total", use="unasked")
    print(f"{rows} rows that nobody waited for")
    assert [event for event in running.events() if event["event"] in ("api_outage", "api_refused", "api_bad_answer")] == []
