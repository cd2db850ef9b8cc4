"""Start, the embedded broker, topics, configuration errors, `check`."""

import time

import pytest

from harness.wait import wait_until


@pytest.mark.plain
def test_embedded_is_ready_within_half_a_second_and_small(simulator, bridge):
    sim = simulator(records=10, integrations=1, models=["units"], limit_per_minute=0)
    program = bridge(
        "run", {"kafka.bootstrap.servers": "embedded", "bridge.models": ""}, simulator=sim, start=False
    )
    config = program.config_path.read_text().replace("models = \n", "")
    program.config_path.write_text(config)
    began = time.monotonic()
    program.start()
    wait_until(lambda: "event=ready" in program.log(), 5, "event=ready", interval=0.005)
    took = time.monotonic() - began
    assigned = program.wait_event("assigned", 10)
    assert assigned["partitions"] == "84"
    time.sleep(1)
    resident = program.memory()["VmRSS"]
    print(f"ready after {took * 1000:.0f} ms, {resident / 1024 / 1024:.1f} MiB resident")
    assert took < 0.5
    assert resident < 40 * 1024 * 1024


def test_topics_plan_and_apply(bridge, kafka, prefix):
    plan, apply, again = (
        bridge("topics", {"bridge.models": ["units"]}, arguments=[word], start=False, exit_code=code)
        for word, code in (("plan", 1), ("apply", 0), ("plan", 0))
    )
    plan.start()
    assert plan.wait() == 1
    assert "5 missing" in plan.output() and not kafka.topics(prefix)
    apply.start()
    assert apply.wait() == 0
    assert kafka.topics(prefix) == {
        f"{prefix}.{name}": 6 for name in ("events.units", "snapshots.units", "activity", "state", "dead-letters")
    }
    snapshots = kafka.topic_config(f"{prefix}.snapshots.units")
    assert snapshots["cleanup.policy"] == "compact" and snapshots["max.compaction.lag.ms"] == str(86400 * 1000)
    events = kafka.topic_config(f"{prefix}.events.units")
    assert events["cleanup.policy"] == "delete" and events["retention.ms"] == str(7 * 86400 * 1000)
    again.start()
    assert again.wait() == 0


def test_drift_is_told_and_not_changed(bridge, kafka, prefix):
    kafka.create_topics(f"{prefix}.snapshots.units", partitions=6, config={"cleanup.policy": "delete"})
    apply = bridge("topics", {"bridge.models": ["units"]}, arguments=["apply"], start=False, exit_code=1)
    apply.start()
    assert apply.wait() == 1
    assert "cleanup.policy=delete (planned compact)" in apply.output()
    assert kafka.topic_config(f"{prefix}.snapshots.units")["cleanup.policy"] == "delete"


def test_unequal_partition_counts_refuse_to_start(bridge, kafka, prefix):
    kafka.create_topics(f"{prefix}.events.units", partitions=3)
    program = bridge("receive", {"bridge.models": ["units", "leases"]}, start=False, exit_code=78)
    program.start()
    assert program.wait() == 78
    assert "partitions" in program.log()


def test_missing_topics_without_create_refuse_to_start(bridge):
    program = bridge("receive", {"topics.create": False}, start=False, exit_code=78)
    program.start()
    assert program.wait() == 78
    assert "topics apply" in program.log()


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"receiver.max_bdoy": "1 MiB"}, "max_body"),
        ({"api.timeout_ms": "soon"}, "timeout_ms"),
        ({"kafka.acks": "1"}, "acks"),
        ({"kafka.no.such.property": "1"}, "no.such.property"),
        ({"bridge.models": "spaceships"}, "spaceships"),
    ],
)
def test_a_mistake_is_named_and_ends_with_78(bridge, config, told):
    program = bridge("receive", config, start=False, exit_code=78)
    program.start()
    assert program.wait() == 78
    assert told in program.log()


def test_check_says_what_is_wrong(simulator, bridge, registry):
    sim = simulator(records=10, integrations=1, models=["properties"], limit_per_minute=0)
    good = bridge("check", simulator=sim, registry=registry, start=False)
    good.start()
    assert good.wait() == 0, good.output()
    bad = bridge("check", {"api.token": "wrong"}, simulator=sim, registry=registry, start=False, exit_code=78)
    bad.start()
    assert bad.wait() == 78
    assert "api.token" in bad.output() and good.output().count(" ok ") == 3
    away = bridge("check", {"registry.url": "http://127.0.0.1:9"}, simulator=sim, start=False, exit_code=69)
    away.start()
    assert away.wait() == 69
    assert "registry" in away.output() and "FAILED" in away.output()
