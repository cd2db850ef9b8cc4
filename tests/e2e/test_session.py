"""What an enricher makes of a session in the group that timed out, and of another process of its name."""

import time

from harness.wait import wait_until

MODEL = "residents"
SESSION_SECONDS = 6
RETRY_CODES = (69, 75)
CONFIGURATION = 78


def test_a_session_that_timed_out_while_kafka_was_away_is_no_other_process(own_kafka, simulator, bridge, prefix):
    """The restarted coordinator still has the member, whose own clock says that its session is over."""
    own_kafka.start()
    propexo = simulator(models=[MODEL], records=200)
    config = {
        "bridge.models": [MODEL],
        "kafka.bootstrap.servers": own_kafka.bootstrap,
        "kafka.consumer.session.timeout.ms": SESSION_SECONDS * 1000,
        "kafka.consumer.heartbeat.interval.ms": 500,
    }
    receiver = bridge("receive", config, simulator=propexo)
    enricher = bridge("enrich", config, simulator=propexo)
    assigned = enricher.wait_event("assigned", 60)
    propexo.begin(receiver.receiver_url(), rate=100)
    wait_until(lambda: enricher.metrics().sum("bridge_snapshots_total") > 100, 30, "snapshots")
    began = time.monotonic()
    own_kafka.kill()
    enricher.freeze()
    own_kafka.start()
    time.sleep(max(0, began + SESSION_SECONDS + 1 - time.monotonic()))
    enricher.thaw()
    # Either it joins the group again, or it ends in a way that tells its supervisor to start it again.
    wait_until(lambda: not enricher.running or len(enricher.events("assigned")) > 1, 60, "its end, or partitions again")
    if not enricher.running:
        assert enricher.exit_code in RETRY_CODES, enricher.log()[-3000:]
        enricher.start_ready()
        enricher.wait_event("assigned", 60)
    assert assigned
    propexo.end()
    own_kafka.wait_consumed(prefix, f"{prefix}.events.")


def test_another_process_of_its_name_ends_it(kafka, simulator, bridge, prefix):
    propexo = simulator(models=[MODEL], records=20)
    config = {"bridge.models": [MODEL], "bridge.instance": f"{prefix}-twin", "kafka.consumer.heartbeat.interval.ms": 500}
    first = bridge("enrich", config, simulator=propexo, exit_code=CONFIGURATION)
    first.wait_event("assigned", 60)
    second = bridge("enrich", config, simulator=propexo)
    assert first.wait(60) == CONFIGURATION
    assert "the same bridge.instance" in first.log()
    second.wait_event("assigned", 60)
