"""An enricher that was stopped, cut off or rebalanced away publishes nothing over the new owner of its work.

The judges: no key's read sequence ever falls, the last snapshot of each record equals it, and the log files show that nothing
that the old owner produced was committed until it had partitions again.
"""

import json
import time
from datetime import datetime

import pytest
from confluent_kafka import ConsumerGroupState

from harness.compare import differences, falling_sequences
from harness.kafka import Kafka
from harness.log_segments import batches
from harness.record_api import TOKEN, RecordApi
from harness.simulator import SECRET
from harness.snapshots import latest
from harness.tcp_proxy import TcpProxy
from harness.wait import Failure, wait_until

MODELS = ["residents", "units"]
PARTITIONS = 6
ALL = len(MODELS) * PARTITIONS
RECORDS = 20_000  # of each model: a backfill of all takes a while
KINDS = ["live", "backfill", "low"]
WITHIN_MS = 1000


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    """With a door for the instance that is slowed down or cut off."""
    server = Kafka(tmp_path_factory.mktemp("kafka-with-door"), doors=1)
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture
def proxy(kafka):
    with TcpProxy() as one:
        one.add_door(kafka.doors[0])
        yield one


class Pair:
    """Two enrichers that share the work of one simulated Propexo; the first one reaches Kafka through the proxy."""

    def __init__(self, kafka, prefix, proxy, bridge, propexo, changes):
        self.kafka, self.prefix, self.proxy, self.propexo, self.changes = kafka, prefix, proxy, propexo, changes
        config = {
            "bridge.models": MODELS,
            "enricher.commit_interval_ms": 10,
            "enricher.last_seen_max_delay_ms": 500,
            "kafka.consumer.session.timeout.ms": 6000,
            "kafka.consumer.heartbeat.interval.ms": 500,
        }
        self.receiver = bridge("receive", {"bridge.models": MODELS}, simulator=propexo)
        door = {"kafka.bootstrap.servers": kafka.doors[0].bootstrap}
        self.first = bridge("enrich", config | door, simulator=propexo)
        wait_until(lambda: owned(self.first) == ALL, 60, "all partitions")
        self.streams = 0
        self.change(100)
        self.wait_changes_done()
        wait_until(self.batches, 30, "snapshots of the first one")
        (self.producer,) = {batch.producer for batch in self.batches()}
        self.second = bridge("enrich", config, simulator=propexo)
        for one in (self.first, self.second):
            wait_until(lambda one=one: owned(one) == ALL / 2, 60, "half of the partitions")

    def work(self, kind):
        """Starts a stream of changes, or the reading of all lists."""
        if kind == "backfill":
            for integration in self.propexo.stats()["integrations"]:
                data = {"event": "FIRST_SYNC_COMPLETE", "integration_id": integration, "is_sync_finished": True}
                body = {"trigger": "FIRST_SYNC_COMPLETE", "data": data}
                assert self.receiver.post(body, secret=SECRET).status == 200
        else:
            self.change(self.changes)
        before = snapshots_of(self.first)
        wait_until(lambda: snapshots_of(self.first) > before + 500, 60, "snapshots of the first one")

    def change(self, count):
        self.streams += 1
        self.propexo.begin(self.receiver.receiver_url(), rate=300, changes=count)

    def wait_changes_done(self):
        wait_until(lambda: len(self.propexo.events("changes_done")) == self.streams, 180, "all changes", 0.1)

    def stop_within_a_transaction(self, stop, go_on):
        """Calls stop() at a moment at which Kafka holds an open transaction of the first one."""
        for _ in range(20):
            before = snapshots_of(self.first)
            wait_until(self.left_open, 60, "a transaction of the first one")
            stop()
            self.stopped_at = time.time()
            time.sleep(0.5)  # what was sent arrives
            self.left = self.left_open()
            self.last_event = self.first.events()[-1]
            if self.left:
                return
            go_on()
            wait_until(lambda before=before: snapshots_of(self.first) > before, 60, "snapshots again")
        raise Failure("it was never within a transaction")

    def left_open(self):
        """The batches of the first one's transaction, when one is open."""
        return [batch for batch in self.batches() if batch.producer == self.producer and batch.committed is None]

    def batches(self):
        return [one for model in MODELS for one in batches(self.kafka, f"{self.prefix}.snapshots.{model}")]

    def wait_taken_over(self, seconds):
        """The second one has all partitions, and has published on top of what it had; and so much time is over."""
        wait_until(lambda: owned(self.second) == ALL, 60, lambda: f"all partitions, not {owned(self.second)}", 0.1)
        before = snapshots_of(self.second)
        wait_until(lambda: snapshots_of(self.second) > before + 500, 60, "snapshots of the second one", 0.1)
        time.sleep(max(0, self.stopped_at + seconds - time.time()))

    def check(self, snapshots):
        """The first one goes on. It is to find out, to publish nothing of what it had, and to come back."""
        revoked = self.first.wait_event("revoked", 90, after=self.last_event)
        assigned = self.first.wait_event("assigned", 90, after=revoked)
        self.wait_changes_done()
        self.kafka.wait_consumed(self.prefix, f"{self.prefix}.events.", 180)
        its = [batch for batch in self.batches() if batch.producer == self.producer]
        places = {batch.place for batch in self.left}
        left = [batch for batch in its if batch.place in places]
        assert [batch.committed for batch in left] == [False] * len(self.left)
        later = [batch for batch in its if self.stopped_at < batch.time < moment(assigned)]
        assert [batch for batch in later if batch.committed] == []
        records = sum(self.compare(model, snapshots) for model in MODELS)
        counts = [sum(batch.count for batch in some) for some in (left, later)]
        print(f"unseen: {counts[0]} snapshots of the open transaction, {counts[1]} later ones; {records} records equal")
        print(dict(revoked), *map(dict, self.first.events("fenced")))
        assert int(revoked["ms"]) < WITHIN_MS

    def compare(self, model, snapshots):
        found = snapshots(model)
        assert falling_sequences(found) == []
        last = latest(found)
        truth = self.propexo.truth(model, changed=True)
        wrong = {key: said for key, record in truth.items() if (said := differences(last[key], record))}
        assert truth and not wrong, f"{model}: {len(wrong)} differ, such as {list(wrong.items())[:3]}"
        return len(truth)


def owned(enricher):
    return enricher.metrics().sum("bridge_partitions_owned")


def snapshots_of(enricher):
    return enricher.metrics().sum("bridge_snapshots_total")


def moment(event):
    """When an event was logged, in seconds since the epoch."""
    return datetime.fromisoformat(event["ts"]).timestamp()


@pytest.fixture
def pair(kafka, prefix, proxy, bridge, simulator):
    """pair(kind, changes) starts it, with a Propexo that makes changes of that kind."""

    def start(kind, changes):
        percent = {"live": 0, "backfill": 10, "low": 100}[kind]
        flags = {"records": RECORDS, "integrations": 20, "models": MODELS, "limit_per_minute": 0}
        propexo = simulator(**flags, latency_ms=20, shape="mixed", last_seen_percent=percent, new_percent=0)
        return Pair(kafka, prefix, proxy, bridge, propexo, changes)

    return start


def check(pair, kind, snapshots, stop, go_on, seconds):
    """The first one is stopped until another one has taken over, for `seconds` at least."""
    pair.proxy.delay(10)  # its transactions take longer: they are easier to meet
    pair.work(kind)
    pair.stop_within_a_transaction(stop, go_on)
    if kind == "backfill":
        pair.change(pair.changes)
    pair.wait_taken_over(seconds)
    pair.proxy.heal()
    pair.first.thaw()
    pair.check(snapshots)


@pytest.mark.parametrize("kind", [KINDS[0], *(pytest.param(kind, marks=pytest.mark.long) for kind in KINDS[1:])])
def test_a_stopped_enricher(pair, kind, snapshots):
    one = pair(kind, 8000)
    check(one, kind, snapshots, one.first.freeze, one.first.thaw, 0)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_an_enricher_stopped_for_a_minute(pair, kind, snapshots):
    one = pair(kind, 25_000)
    check(one, kind, snapshots, one.first.freeze, one.first.thaw, 60)


def join_again(proxy):
    proxy.heal()
    proxy.delay(10)


@pytest.mark.long
def test_an_enricher_that_is_cut_off(pair, proxy, snapshots):
    check(pair("live", 8000), "live", snapshots, proxy.cut, lambda: join_again(proxy), 0)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["cut", "stall"])
def test_an_enricher_that_is_cut_off_for_a_minute(pair, proxy, kind, how, snapshots):
    check(pair(kind, 25_000), kind, snapshots, getattr(proxy, how), lambda: join_again(proxy), 60)


@pytest.fixture
def fleet(bridge, kafka, prefix):
    """fleet() starts an enricher with an API of its own, whose records say whose they are and are held at first."""
    apis = []
    owners = {f"r-{number}": f"intg-{number % 40}" for number in range(400)}
    topic = f"{prefix}.events.residents"

    def start():
        if not apis:
            kafka.create_topics(topic, partitions=PARTITIONS)
            kafka.produce(topic, [event(identifier, owner) for identifier, owner in owners.items()])
        api = RecordApi()
        apis.append(api.__enter__())
        api.has_lists = False
        for identifier, owner in owners.items():
            record = {"id": identifier, "integration_id": owner, "first_name": f"api-{len(apis) - 1}"}
            api.put("residents", identifier, owner, record)
        api.hold("residents", *owners)
        config = {
            "bridge.models": ["residents"],
            "enricher.max_delay_ms": 0,
            "api.base_url": api.url,
            "api.token": TOKEN,
            "kafka.consumer.heartbeat.interval.ms": 500,
        }
        return bridge("enrich", config), api

    yield start
    for api in apis:
        api.__exit__()


def event(identifier, owner):
    body = {"meta": {"object": "residents", "integration_id": owner}, "record_id": identifier}
    return owner, json.dumps(body | {"diff": {"previous": {}, "new": {"email": "a@b.c"}}})


def wait_shares(members):
    """The partitions are shared evenly, and each has as many requests under way as it may have."""
    for one, _ in members:
        wait_until(lambda one=one: owned(one) == PARTITIONS / len(members), 60, "its share")
        wait_until(lambda one=one: one.metrics().sum("bridge_api_requests_in_flight") == 16, 30, "requests")


def test_work_that_is_rebalanced_away(fleet, kafka, prefix, snapshots):
    """It is abandoned within a second: its requests, and its answers, which come when another one has asked for all again."""
    members = []
    for _ in range(3):
        members.append(fleet())
        wait_shares(members)
    for _, api in members:
        api.release()
    kafka.wait_consumed(prefix, f"{prefix}.events.")

    for number, (one, api) in enumerate(members):
        times = list(api.times)
        revocations = one.events("revoked")
        assert len(revocations) == 2 - number
        for revoked in revocations:
            assert int(revoked["ms"]) < WITHIN_MS and int(revoked["requests"]) == 16
            assigned = one.wait_event("assigned", 1, after=revoked)
            assert [asked for asked in times if moment(revoked) < asked < moment(assigned)] == []
    # Who asked for a record last owns it, and what the others asked for was not published when they were answered.
    found = {snapshot.key: snapshot.record["first_name"] for snapshot in snapshots("residents")}
    last = {}
    for number, (_, api) in enumerate(members):
        asked_for = ((path.rpartition("/")[2], asked) for path, asked in zip(api.requests, api.times))
        for identifier, asked in (pair for pair in asked_for if pair[0] in found):
            last[identifier] = max(last.get(identifier, (0, "")), (asked, f"api-{number}"))
    assert len(found) == len(snapshots("residents")) == 400
    assert found == {identifier: name for identifier, (_, name) in last.items()}
    assert len(set(found.values())) == 3


def test_work_without_a_committed_offset_is_fenced_all_the_same(simulator, bridge, kafka, prefix, snapshots):
    """A backfill goes on although the group was deleted and its order has left the topic; each transaction has offsets."""
    propexo = simulator(records=3000, integrations=1, models=["residents"], limit_per_minute=0, latency_ms=100)
    config = {"bridge.models": ["residents"], "kafka.consumer.session.timeout.ms": 6000}
    running = bridge("run", config, simulator=propexo)
    (integration,) = propexo.stats()["integrations"]
    data = {"event": "FIRST_SYNC_COMPLETE", "integration_id": integration, "is_sync_finished": True}
    assert running.post({"trigger": "FIRST_SYNC_COMPLETE", "data": data}, secret=SECRET).status == 200
    wait_until(lambda: snapshots_of(running) >= 500, 30, "some pages")
    running.kill()
    topic = f"{prefix}.events.residents"
    before = len(snapshots("residents"))
    assert 500 <= before < 3000
    wait_until(lambda: kafka.group(prefix).state == ConsumerGroupState.EMPTY, 30, "the member is gone", 0.1)
    kafka.delete_group(prefix)
    kafka.cut(topic)

    running.start_ready()
    running.wait_event("backfill", 60, state="BACKFILL_COMPLETE")
    assert {snapshot.key for snapshot in snapshots("residents")} == propexo.truth("residents").keys()
    committed = {place: offset for place, (offset, _) in kafka.committed(prefix).items() if offset >= 0}
    assert set(committed.values()) == {0}
