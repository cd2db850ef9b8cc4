"""Two enrichers of one name. That a session which timed out is not taken for that: tests/unit/test_consumer.c."""

MODEL = "residents"
CONFIGURATION = 78


def test_another_process_of_its_name_ends_it(kafka, simulator, bridge, prefix):
    propexo = simulator(models=[MODEL], records=20)
    config = {"bridge.models": [MODEL], "bridge.instance": f"{prefix}-twin", "kafka.consumer.heartbeat.interval.ms": 500}
    first = bridge("enrich", config, simulator=propexo, exit_code=CONFIGURATION)
    first.wait_event("assigned", 60)
    second = bridge("enrich", config, simulator=propexo)
    assert first.wait(60) == CONFIGURATION
    assert "the same bridge.instance" in first.log()
    second.wait_event("assigned", 60)
