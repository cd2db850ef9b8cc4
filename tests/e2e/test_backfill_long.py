"""The first sync of a large customer."""

import collections
import random
import re
import time
from pathlib import Path

import pytest
from test_backfill import assert_whole, milestones, order, wait_complete

from harness.wait import wait_until

pytestmark = pytest.mark.long
MODELS = ["residents"]
RECORDS = 200_000
# The API shuffles rows of equal stamps on every page, and about a hundred share one: pages overlap by as many.
SHUFFLED, STABLE = 1.35, 1.02


def anonymous_mib(program):
    text = Path(f"/proc/{program.pid}/smaps_rollup").read_text()
    return int(re.search(r"^Anonymous: +(\d+) kB", text, re.MULTILINE)[1]) / 1024


def offsets(program):
    """Of the pages that it asked for since it was started."""
    return [int(event["offset"]) for event in program.events("backfill_page")]


def pages(program):
    return program.metrics().sum("bridge_api_requests_by_kind_total", kind="backfill")


@pytest.mark.parametrize("ties, most", [("stable", STABLE), ("shuffle", SHUFFLED)])
def test_a_large_first_sync(simulator, bridge, kafka, prefix, snapshots, ties, most):
    propexo = simulator(
        models=MODELS, records=RECORDS, integrations=1, created_ties=5000, ties=ties, limit_per_minute=0, latency_ms=5
    )
    running = bridge("run", {"bridge.models": MODELS, "output.format": "json"}, simulator=propexo)
    running.wait_event("assigned", 20)
    (integration,) = propexo.stats()["integrations"]
    propexo.begin(running.receiver_url(), rate=50, changes=1500)
    order(running, propexo, integration)
    wait_until(lambda: pages(running) >= 40, 60, "10,000 records", interval=0.02)
    before = anonymous_mib(running)
    peak = before
    while not milestones(kafka, prefix, "BACKFILL_COMPLETE"):
        peak = max(peak, anonymous_mib(running))
        time.sleep(0.5)
    propexo.wait_changes_done()
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    (told,) = milestones(kafka, prefix, "BACKFILL_COMPLETE").values()
    print(f"{told}\n{pages(running)} pages, anonymous memory {before:.1f} MiB at 10,000, {peak:.1f} MiB at most")
    assert_whole(propexo, snapshots, MODELS, {integration})
    assert told["missing"] == 0
    assert pages(running) <= most * RECORDS / 250
    assert peak - before < 16


def test_ten_kills(simulator, bridge, kafka, prefix, snapshots):
    propexo = simulator(
        models=MODELS, records=50_000, integrations=1, created_ties=5000, ties="stable", limit_per_minute=0, latency_ms=100
    )
    receiver = bridge("receive", {"bridge.models": MODELS}, simulator=propexo)
    config = {
        "bridge.models": MODELS,
        "output.format": "json",
        "bridge.instance": f"{prefix}-enricher",
        "log.level": "debug",
    }
    enricher = bridge("enrich", config, simulator=propexo)
    enricher.wait_event("assigned", 30)
    (integration,) = propexo.stats()["integrations"]
    order(receiver, propexo, integration)
    chance = random.Random(3)
    asked_for = collections.Counter()
    for _ in range(10):
        wait_until(lambda: pages(enricher) >= 2, 30, "pages", interval=0.02)
        # The first commit of a process that follows a killed one takes Kafka nearly a second.
        time.sleep(chance.uniform(1, 3))
        enricher.kill()
        asked_for.update(offsets(enricher))
        enricher.start_ready()
    wait_complete(kafka, prefix, 1, timeout=120)
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    asked_for.update(offsets(enricher))
    twice = sum(count > 1 for count in asked_for.values())
    print(f"{sum(asked_for.values())} pages asked for, {twice} of them twice")
    assert_whole(propexo, snapshots, MODELS, {integration})
    assert sum(asked_for.values()) >= 50_000 / 250
    assert [offset for offset, count in asked_for.items() if count > 2 and offset > 0] == []
    assert asked_for[0] <= 2 + 1  # and once more at the end, for what changed meanwhile
