"""Records that syncs do not see any more get a tombstone, when that is asked for."""

import json
from datetime import datetime, timedelta, timezone

from harness.http_client import request
from harness.snapshots import latest
from harness.wait import wait_until
from test_reconcile import FORMAT, change, sync
from test_verify import verify

MODELS = ["residents"]
DAYS = {"bridge.models": MODELS, "snapshots.expire_unseen_days": 30}


def seen(propexo, key, days, webhook=False):
    """The record was last seen so many days ago."""
    moment = (datetime.now(timezone.utc) - timedelta(days=days)).isoformat()
    body = {"model": "residents", "id": key, "fields": {"last_seen": moment}, "webhook": webhook}
    assert request("POST", f"{propexo.url}/_sim/change", json.dumps(body).encode()).status == 200


def expired(snapshots):
    found = snapshots("residents")
    return {snapshot.key for snapshot in found} - latest(found).keys()


def test_the_unseen_get_a_tombstone(simulator, bridge, kafka, prefix, snapshots):
    propexo = simulator(models=MODELS, records=600, integrations=1, limit_per_minute=0)
    running = bridge("run", FORMAT | DAYS, simulator=propexo)
    running.wait_event("assigned", 20)
    keys = sorted(propexo.truth("residents"))
    for key in keys:
        seen(propexo, key, 1)
    for key in keys[:300]:
        seen(propexo, key, 31)
    change(propexo, running, 1000, 20)
    alive = {key for key, record in propexo.truth("residents").items() if record["last_seen"] > cutoff()}
    sync(propexo, running, kafka, prefix)
    unseen = set(keys[:300]) - alive
    wait_until(lambda: expired(snapshots) == unseen, 30, lambda: f"{len(expired(snapshots))} of {len(unseen)}")
    assert running.metrics().sum("bridge_records_expired_total") == len(unseen)
    running.wait_event("expired", 30)
    pages = running.metrics().sum("bridge_api_requests_by_kind_total", kind="expiry")

    verify(bridge, propexo, **FORMAT, **DAYS)  # what has expired is no difference

    # Not again, and not for ever.
    back = sorted(unseen)[0]
    seen(propexo, back, 0, webhook=True)
    propexo.wait_delivered()
    wait_until(lambda: back not in expired(snapshots), 30, "it is back")
    sync(propexo, running, kafka, prefix, 2)
    wait_until(
        lambda: running.metrics().sum("bridge_api_requests_by_kind_total", kind="expiry") > pages, 30, "it looks again"
    )
    assert running.metrics().sum("bridge_records_expired_total") == len(unseen)
    assert expired(snapshots) == unseen - {back}


def cutoff():
    return (datetime.now(timezone.utc) - timedelta(days=30)).isoformat()


def test_no_record_was_seen_lately(simulator, bridge, kafka, prefix, snapshots):
    """An integration whose syncs do not move last_seen keeps its records."""
    propexo = simulator(models=MODELS, records=30, integrations=1, limit_per_minute=0)
    running = bridge("run", FORMAT | DAYS, simulator=propexo)
    running.wait_event("assigned", 20)
    for key in propexo.truth("residents"):
        seen(propexo, key, 40)
    sync(propexo, running, kafka, prefix)
    running.wait_event("expiry_not_sure", 20)
    assert expired(snapshots) == set()


def test_it_is_off_by_default(simulator, bridge, kafka, prefix, snapshots):
    propexo = simulator(models=MODELS, records=30, integrations=1, limit_per_minute=0)
    running = bridge("run", FORMAT | {"bridge.models": MODELS}, simulator=propexo)
    running.wait_event("assigned", 20)
    seen(propexo, sorted(propexo.truth("residents"))[0], 4000)
    sync(propexo, running, kafka, prefix)
    assert running.metrics().sum("bridge_api_requests_by_kind_total", kind="expiry") == 0
    assert expired(snapshots) == set()
