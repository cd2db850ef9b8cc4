"""`bridge.models` changes, and the same instance is back within its session: the group keeps its former partitions for it."""


from harness.wait import wait_until

PARTITIONS = 6


def change(running, model, number):
    data = {"event": "DATA_UPDATE", "object": model, "record_id": f"r-{number}", "integration_id": f"intg-{number}"}
    body = {"trigger": "DATA_UPDATE", "data": data | {"diff": {"new": {"x": 1}, "previous": {"x": 0}}}}
    assert running.post(body, secret=running.config["receiver.secret"]).status == 200


def owned(running):
    """How many partitions it owned last."""
    told = running.events("assigned")
    return int(told[-1]["partitions"]) if told else -1


STEPS = [["residents"], ["residents", "units"], ["leases"], ["leases", "residents"]]


def test_one_instance(simulator, bridge, kafka, prefix):
    propexo = simulator(models=["leases", "residents", "units"], records=20, integrations=1, limit_per_minute=0)
    for number, models in enumerate(STEPS):
        running = bridge("run", {"bridge.models": models, "bridge.instance": prefix}, simulator=propexo)
        wait_until(lambda: owned(running) == PARTITIONS * len(models), 20, lambda: f"{models}: {running.log()}")
        for model in models:
            change(running, model, number)
        kafka.wait_consumed(prefix, f"{prefix}.events.", 20)
        assert bool(running.events("assignment_anew")) == (number > 0)
        assert running.events("assignment_incomplete") == []
        running.terminate()
        assert running.wait() == 0


def test_two_instances_one_after_the_other(simulator, bridge, kafka, prefix):
    propexo = simulator(models=["residents", "units"], records=20, integrations=1, limit_per_minute=0)
    names = [f"{prefix}-a", f"{prefix}-b"]

    def start(name, models):
        return bridge("run", {"bridge.models": models, "bridge.instance": name}, simulator=propexo)

    running = {name: start(name, ["residents"]) for name in names}
    wait_until(lambda: sum(map(owned, running.values())) == PARTITIONS, 30, "the first partitions")
    for name in names:
        running[name].terminate()
        assert running[name].wait() == 0
        running[name] = start(name, ["residents", "units"])
        running[name].wait_event("assigned", 20)
    wait_until(lambda: sum(map(owned, running.values())) == 2 * PARTITIONS, 30, "all partitions")
    for number in range(20):
        for model in ("residents", "units"):
            change(running[names[number % 2]], model, number)
    kafka.wait_consumed(prefix, f"{prefix}.events.", 30)
