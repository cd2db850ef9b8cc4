"""Two enrichers of one name. What is not taken for that, a session that timed out or a joining that the group has lost: tests/unit/test_consumer.c."""

import time

MODEL = "residents"
CONFIGURATION = 78
SESSION_MS = 3000


def test_another_process_of_its_name_ends_it(kafka, simulator, bridge, prefix):
    propexo = simulator(models=[MODEL], records=20)
    config = {"bridge.models": [MODEL], "bridge.instance": f"{prefix}-twin", "kafka.consumer.heartbeat.interval.ms": 500}
    config["kafka.consumer.session.timeout.ms"] = SESSION_MS
    first = bridge("enrich", config, simulator=propexo, exit_code=CONFIGURATION)
    first.wait_event("assigned", 60)
    time.sleep(SESSION_MS / 1000 + 0.5)  # Before that the group may not be certain who has the name.
    second = bridge("enrich", config, simulator=propexo)
    assert first.wait(60) == CONFIGURATION
    assert "the same bridge.instance" in first.log()
    second.wait_event("assigned", 60)
