"""Snapshots that Kafka refuses hold the others up for as long as it takes to find them, not for transactions' time-outs."""

import time

from harness.simulator import SECRET
from harness.wait import wait_until

MODEL = "units"
LARGE = 100_000  # less than a batch of ordinary ones: most of them are refused at first
SECONDS = 45  # 10 are usual; a transaction that is not acknowledged is given up after 15


def test_a_transaction_that_has_failed_is_not_waited_for(kafka, simulator, bridge, prefix):
    kafka.create_topics(f"{prefix}.snapshots.{MODEL}", partitions=6, config={"max.message.bytes": LARGE})
    propexo = simulator(models=[MODEL], records=3000, integrations=3, latency_ms=20)
    program = bridge("run", {"bridge.models": [MODEL]}, simulator=propexo)
    program.wait_event("assigned", 60)
    large = sorted(propexo.truth(MODEL))[1000]
    propexo.change(MODEL, large, {"custom_data": {"text": "x" * LARGE}})
    integrations = propexo.stats()["integrations"]
    began = time.monotonic()
    for integration in integrations:
        data = {"event": "FIRST_SYNC_COMPLETE", "integration_id": integration, "is_sync_finished": True}
        assert program.post({"trigger": "FIRST_SYNC_COMPLETE", "data": data}, secret=SECRET).status == 200
    wait_until(lambda: len(program.events("backfill", state="BACKFILL_COMPLETE")) == 3, 120, "all backfills")
    took = time.monotonic() - began
    reasons = [event["reason"] for event in program.events("transaction_aborted")]
    assert took < SECONDS, (took, reasons)
    assert any("too large" in reason for reason in reasons)
    assert "Kafka did not acknowledge the snapshots in time" not in reasons
