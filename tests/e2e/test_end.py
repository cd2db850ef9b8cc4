"""The end: the first signal drains, a second leaves at once, and nothing that hangs can hold it up."""

import signal
import threading
import time

import pytest

from harness.record_api import TOKEN, RecordApi
from harness.simulator import SECRET
from harness.wait import wait_until
from test_restart import commits, event

MODELS = ["residents", "leases", "units"]
LEAVE_SECONDS = 25


def test_deleted_topics_do_not_hold_up_the_end(simulator, bridge, kafka, prefix):
    propexo = simulator(records=100, integrations=3, models=MODELS, limit_per_minute=0)
    running = bridge("run", {"bridge.models": MODELS}, simulator=propexo)
    propexo.begin(running.receiver_url(), rate=1000, changes=300)
    propexo.wait_changes_done()
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    kafka.delete_topics(*kafka.topics(prefix))
    wait_until(lambda: "partition count changed from 6 to 0" in running.log(), 20, "the client's notice of it")
    time.sleep(1)
    assert running.stop(LEAVE_SECONDS) == 0
    assert running.events("stopped", code=0)


def test_a_frozen_kafka_does_not_hold_up_the_end(simulator, bridge, own_kafka):
    own_kafka.start()
    propexo = simulator(records=1000, integrations=3, models=MODELS, limit_per_minute=0)
    config = {"bridge.models": MODELS, "kafka.bootstrap.servers": own_kafka.bootstrap, "enricher.commit_interval_ms": 10}
    running = bridge("run", config, simulator=propexo, exit_code=75)
    running.wait_event("assigned", 20)
    propexo.begin(running.receiver_url(), rate=1000, changes=20_000)
    wait_until(lambda: running.metrics().sum("bridge_snapshots_total") > 500, 30, "snapshots")
    own_kafka.freeze()
    time.sleep(1)
    assert running.stop(LEAVE_SECONDS + 3) == 75
    assert running.events("left_undrained")


def test_a_second_signal_leaves_at_once(bridge, own_kafka):
    own_kafka.start()
    program = bridge("receive", {"kafka.bootstrap.servers": own_kafka.bootstrap}, exit_code=75)
    own_kafka.freeze()
    waiting = threading.Thread(target=lambda: _ignore(lambda: program.post({}, secret=SECRET)))
    waiting.start()
    wait_until(lambda: program.metrics().sum("bridge_webhooks_waiting") == 1, 10, "a waiting request")
    program.signal(signal.SIGTERM)
    program.wait_event("draining", 5)
    time.sleep(0.2)
    assert program.running
    program.signal(signal.SIGTERM)
    assert program.wait(5) == 75
    waiting.join()


def _ignore(call):
    try:
        call()
    except OSError:
        pass


@pytest.mark.parametrize("slow", [False, True])
def test_the_last_transaction_commits(bridge, kafka, prefix, snapshots, slow):
    """What was answered before the end is published and committed, and only the rest is fetched by the next start.

    When it is slow, the answers that are under way come within the drain: they count as well.
    """
    topic = f"{prefix}.events.residents"
    kafka.create_topics(topic)
    ids = [f"r-{number}" for number in range(2000)]
    with RecordApi() as api:
        api.has_lists = False
        for identifier in ids:
            api.put("residents", identifier, "intg-1", {"id": identifier, "integration_id": "intg-1"})
        if slow:
            api.hold("residents", *ids[500:])
        reach = {"api.base_url": api.url, "api.token": TOKEN}
        config = {"bridge.models": ["residents"], "topics.partitions": 1, "enricher.max_delay_ms": 0}
        # A batch that is open at the signal would not be due for long: it must not wait.
        enricher = bridge("enrich", config | reach | {"enricher.commit_interval_ms": 5000})
        enricher.wait_event("assigned", 30)
        kafka.produce(topic, [event(identifier) for identifier in ids])
        # Of records, not of lists, which are refused.
        wait_until(lambda: len(api.asked_for("residents")) > 500, 60, "requests", interval=0.001)
        enricher.terminate()
        if slow:
            enricher.wait_event("draining", 5)
            time.sleep(0.3)
            under_way = api.asked_for("residents")
            time.sleep(0.3)  # nothing more is asked for
            api.release()
        assert enricher.wait(LEAVE_SECONDS) == 0

        published = {snapshot.key for snapshot in snapshots("residents")}
        asked = dict(api.asked_for("residents"))
        assert published == asked.keys() and set(asked.values()) == {1}
        assert not slow or asked == under_way
        assert 500 < len(published) < len(ids)
        ((watermark, runs),) = commits(kafka, prefix, topic).values()
        done = set(range(watermark)).union(*(range(first, last + 1) for first, last in runs))
        assert {ids[offset] for offset in done} == published

        enricher.start_ready()
        kafka.wait_consumed(prefix, topic, 60)
        assert enricher.stop() == 0
        assert api.asked_for("residents") == dict.fromkeys(ids, 1)
        assert sorted(snapshot.key for snapshot in snapshots("residents")) == sorted(ids)
