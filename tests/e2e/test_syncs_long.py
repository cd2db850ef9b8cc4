"""Many syncs in a row, as downstream sees them."""

import json
import time
from urllib.parse import urlsplit

import pytest

from harness.balancer import Balancer
from harness.truth import assert_equals_truth
from harness.wait import wait_until
from test_syncs import complete_sync, told

pytestmark = pytest.mark.long

MODELS = ["residents", "units", "leases"]
SYNCS = 50
LATE_MS = 5000


@pytest.fixture
def balanced():
    balancers = []

    def make(*receivers):
        balancers.append(Balancer([urlsplit(receiver.receiver_url()).port for receiver in receivers]))
        return f"http://127.0.0.1:{balancers[0].port}/webhooks"

    yield make
    for balancer in balancers:
        balancer.close()


def finished(kafka, prefix):
    return {value["sync"]: value for value in told(kafka, prefix, "SYNC_SNAPSHOTS_COMPLETE")}


def test_fifty_syncs(simulator, bridge, kafka, prefix, snapshots, balanced):
    """Two receivers, two enrichers, a third that joins in the middle, 2 % of the webhooks refused once and late."""
    propexo = simulator(
        models=MODELS, records=900, integrations=3, limit_per_minute=2400, latency_ms=20, late=f"2:{LATE_MS}"
    )
    config = {"bridge.models": MODELS, "output.format": "json", "sync.grace_ms": 500, "api.requests_per_minute": 2400}
    receivers = [bridge("receive", config | {"bridge.instance": f"{prefix}-r{i}"}, simulator=propexo) for i in (1, 2)]
    enrichers = [bridge("enrich", config | {"bridge.instance": f"{prefix}-e{i}"}, simulator=propexo) for i in (1, 2)]
    wait_until(
        lambda: sum(each.metrics().sum("bridge_partitions_owned") for each in enrichers) == 6 * len(MODELS)
        and all(each.metrics().sum("bridge_partitions_owned") for each in enrichers),
        60,
        "both enrichers own partitions",
    )
    url = balanced(*receivers)
    integrations = propexo.stats()["integrations"]
    compared = 0
    for number in range(1, SYNCS + 1):
        propexo.begin(url, rate=600, changes=150)
        wait_until(lambda: not propexo.stats()["running"], 30, "the changes' end", interval=0.02)
        time.sleep(0.2)
        for i, integration in enumerate(integrations):
            complete_sync(receivers[(number + i) % 2], propexo, integration)
        if number == SYNCS // 2:
            enrichers.append(bridge("enrich", config | {"bridge.instance": f"{prefix}-e3"}, simulator=propexo))
        wait_until(
            lambda: len(finished(kafka, prefix)) >= number * len(integrations),
            90,
            lambda: f"sync {number}: {finished(kafka, prefix)}",
            interval=0.05,
        )
        compared += assert_equals_truth(propexo, snapshots, MODELS)[0]
    milestones = finished(kafka, prefix).values()
    assert len(milestones) == SYNCS * len(integrations)
    assert [one for one in milestones if not one["reconciled"]] == []
    assert wait_until(lambda: all(each.metrics().sum("bridge_partitions_owned") for each in enrichers), 30, "a third")
    stats = propexo.stats()
    missed, unverified = (sum(one[name] for one in milestones) for name in ("missed", "unverified"))
    print(
        f"{SYNCS} syncs of {len(integrations)} integrations: {compared} comparisons, {stats['webhooks_late']} webhooks late, "
        f"{missed} records missed, {unverified} unverified, {json.dumps(stats['requests'])}"
    )
    assert missed > stats["webhooks_late"] * 0.5
    propexo.wait_delivered()
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    assert kafka.read(f"{prefix}.dead-letters") == []
