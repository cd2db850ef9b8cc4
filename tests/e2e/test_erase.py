"""`propexo-bridge erase` takes a record out of the topics, and keeps it out until it is lifted."""

import json

import pytest

from harness.snapshots import latest
from harness.wait import wait_until

FETCHED, ASSEMBLED = "residents", "crm_prospects"
MODELS = [ASSEMBLED, FETCHED]


@pytest.fixture
def house(simulator, bridge, kafka, prefix, snapshots):
    return House(simulator, bridge, kafka, prefix, snapshots)


class House:
    def __init__(self, simulator, bridge, kafka, prefix, snapshots):
        self.bridge, self.kafka, self.prefix, self.snapshots = bridge, kafka, prefix, snapshots
        self.propexo = simulator(models=MODELS, records=20, integrations=2, limit_per_minute=0)
        self.config = {"bridge.models": MODELS, "output.format": "json", "sync.grace_ms": 100}
        self.turn = 0
        self.integrations = self.propexo.stats()["integrations"]

    def start(self, command="run", **more):
        program = self.bridge(command, self.config | more, simulator=self.propexo)
        if command != "receive":
            program.wait_event("assigned", 30)
        return program

    def run(self, command, *arguments, code=0):
        program = self.bridge(command, self.config, simulator=self.propexo, arguments=arguments, start=False, exit_code=code)
        program.start()
        assert program.wait(120) == code, program.output() + program.log()
        return program.output() + program.log()

    def change_all(self):
        """Every record changes, and is published."""
        self.turn += 1
        for model in MODELS:
            for number, key in enumerate(sorted(self.propexo.truth(model))):
                self.propexo.change(model, key, {"first_name": f"Name {number} {self.turn}"}, True)
        self.settle()

    def settle(self):
        self.propexo.wait_delivered()
        self.kafka.wait_consumed(self.prefix, f"{self.prefix}.events.")

    def last(self, model):
        return latest(self.snapshots(model))

    def snapshots_of(self, model, key):
        """In the order of the topic, since a key is in one partition."""
        return [one for one in self.snapshots(model) if one.key == key]

    def states(self):
        """The states of assembled records that count."""
        found = {}
        for message in self.kafka.read(f"{self.prefix}.assembly"):
            found[message.key.decode()] = message.value
        return {key for key, value in found.items() if value is not None}


def send_to(house, running):
    """From now on webhooks go to its address."""
    house.propexo.begin(running.receiver_url(), rate=0, changes=1)
    house.settle()


def begin(house):
    running = house.start()
    send_to(house, running)
    house.change_all()
    return running, {model: sorted(house.propexo.truth(model))[3] for model in MODELS}


def test_it_is_gone_and_stays_away(house):
    """Whatever comes: changes, a backfill, a sync that finds it missing, a restart without a cache."""
    running, keys = begin(house)
    assert all(keys[model] in house.last(model) for model in MODELS)
    assert f"{ASSEMBLED}/{keys[ASSEMBLED]}" in house.states()
    for model in MODELS:
        said = house.run("erase", "--model", model, "--record", keys[model])
        assert f"{model} {keys[model]}: erased on 6 of 6 partitions" in said
    assert all(keys[model] not in house.last(model) for model in MODELS)
    assert f"{ASSEMBLED}/{keys[ASSEMBLED]}" not in house.states()
    assert all(len(house.last(model)) >= 19 for model in MODELS)

    def try_to_bring_it_back(running):
        house.change_all()
        house.propexo.change(FETCHED, keys[FETCHED], {"first_name": "Lost"}, False)
        for integration in house.integrations:
            house.run("backfill", "--integration", integration, "--model", FETCHED, "--follow")
            data = {"event": "SYNC_COMPLETE", "integration_id": integration}
            assert running.post({"trigger": "SYNC_COMPLETE", "data": data}, secret=house.propexo.secret).status == 200
        told = lambda: {
            value["integration_id"]
            for value in (json.loads(message.value) for message in house.kafka.read(f"{house.prefix}.activity"))
            if value.get("event") == "SYNC_SNAPSHOTS_COMPLETE"
        }
        wait_until(lambda: told() == set(house.integrations), 60, "both syncs' end")
        house.settle()
        assert all(keys[model] not in house.last(model) for model in MODELS)
        assert f"{ASSEMBLED}/{keys[ASSEMBLED]}" not in house.states()

    try_to_bring_it_back(running)
    metrics = running.metrics()
    assert metrics.sum("bridge_erased_copies_total") > 0 and metrics.sum("bridge_records_kept_out") == 12
    assert metrics.sum("bridge_records_erased_total") == 12
    running.kill()
    running.start_ready()
    running.wait_event("assigned", 30)
    send_to(house, running)
    assert running.metrics().sum("bridge_records_kept_out") == 12
    try_to_bring_it_back(running)
    assert house.kafka.read(f"{house.prefix}.dead-letters") == []
    ignored = [part for name in ("custom_data.read_sequence", "last_seen") for part in ("--ignore", name)]
    assert keys[FETCHED] not in house.run("verify", "--model", FETCHED, *ignored)  # it is not missed

    for model in MODELS:
        assert "let in again on 6 of 6" in house.run("erase", "--model", model, "--record", keys[model], "--lift")
    house.change_all()
    assert all(keys[model] in house.last(model) for model in MODELS)
    # It begins anew: nothing of before is known.
    assert set(house.last(ASSEMBLED)[keys[ASSEMBLED]]["fields"]) <= {"first_name", "updated_at", "last_seen"}


def test_an_answer_that_is_under_way(house):
    """A request that was sent before the order is answered after it."""
    running, keys = begin(house)
    house.propexo.set_faults("slow:100%:3000")
    key = keys[FETCHED]
    before = len(house.snapshots_of(FETCHED, key))
    house.propexo.change(FETCHED, key, {"first_name": "Slow"}, True)
    wait_until(lambda: running.metrics().sum("bridge_api_requests_in_flight") > 0, 30, "the request")
    assert "erased on 6 of 6" in house.run("erase", "--model", FETCHED, "--record", key)
    house.settle()
    house.propexo.set_faults("")
    after = house.snapshots_of(FETCHED, key)[before:]
    assert [one.record for one in after] == [None] * 6
    assert {one.headers["trigger"] for one in after} == {"ERASED"}


def test_nobody_carries_it_out(house):
    """It is ordered, and done when somebody comes; an order that is no order is a dead letter."""
    running, keys = begin(house)
    running.terminate()
    assert running.wait() == 0
    key = keys[FETCHED]
    program = house.bridge(
        "erase", house.config, arguments=("--model", FETCHED, "--record", key), start=False
    )
    program.start()
    topic = f"{house.prefix}.events.{FETCHED}"
    wait_until(lambda: any(m.header("erase") for m in house.kafka.read(topic)), 30, "the order")
    house.kafka.produce(topic, [(b"x", b'{"erase":"set"}', [("erase", b"set")])])
    running.start_ready()
    assert program.wait(70) == 0 and "erased on 6 of 6" in program.output()
    assert key not in house.last(FETCHED)
    (letter,) = house.kafka.read(f"{house.prefix}.dead-letters")
    assert letter.header("error_code") == "no-kind"


@pytest.mark.long
def test_nothing_is_lifted_before_all_have_erased(house):
    """Else who is behind would publish a tombstone after the record has been published again."""
    running, keys = begin(house)
    key = keys[FETCHED]
    assert "erased on 6 of 6" in house.run("erase", "--model", FETCHED, "--record", key)
    running.terminate()
    assert running.wait() == 0
    said = house.run("erase", "--model", FETCHED, "--record", key, "--lift", code=75)
    assert "asked on 0 of 6" in said and "nothing is lifted" in said
    running.start_ready()
    send_to(house, running)
    house.change_all()
    assert key not in house.last(FETCHED)
    assert "let in again on 6 of 6" in house.run("erase", "--model", FETCHED, "--record", key, "--lift")
    house.change_all()
    assert key in house.last(FETCHED)


def test_what_it_does_not_take(house):
    house.run("topics", "apply")
    assert "--model MODEL and --record ID" in house.run("erase", "--record", "x", code=64)
    assert "--model MODEL and --record ID" in house.run("erase", "--model", FETCHED, code=64)
    assert "not in bridge.models" in house.run("erase", "--model", "units", "--record", "x", code=64)
