"""Two enrichers of one name. What is not taken for that, a session that timed out or a joining that the group has lost: tests/unit/test_consumer.c."""

import time

import pytest

MODEL = "residents"
CONFIGURATION, UNAVAILABLE = 78, 69
SESSION_MS = 3000


@pytest.mark.parametrize(("session_ms", "settled_s", "code"), [(SESSION_MS, SESSION_MS / 1000 + 0.5, CONFIGURATION), (30000, 0, UNAVAILABLE)], ids=["settled", "new"])
def test_another_process_of_its_name_ends_it(kafka, simulator, bridge, prefix, session_ms, settled_s, code):
    """Within a session of its joining the group may not be certain who has the name: then it may be started again."""
    propexo = simulator(models=[MODEL], records=20)
    config = {"bridge.models": [MODEL], "bridge.instance": f"{prefix}-twin", "kafka.consumer.heartbeat.interval.ms": 500}
    config["kafka.consumer.session.timeout.ms"] = session_ms
    first = bridge("enrich", config, simulator=propexo, exit_code=code)
    first.wait_event("assigned", 60)
    time.sleep(settled_s)
    second = bridge("enrich", config, simulator=propexo)
    assert first.wait(60) == code
    assert "the same bridge.instance" in first.log()
    second.wait_event("assigned", 60)
