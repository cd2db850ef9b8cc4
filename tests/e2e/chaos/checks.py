"""What must hold after everything is healed. Each check gives sentences, none when all is well."""

import hashlib
import json
import threading
import time
from collections import Counter

from confluent_kafka import OFFSET_BEGINNING, KafkaException, TopicPartition

from chaos.load import CODE, UNROUTABLE
from chaos.world import ASSEMBLED, GROUP, HONEST_ENDS, MODELS, PREFIX, READ
from harness.assembled import is_same, told
from harness.compare import differences, falling_sequences, read_sequence
from harness.sequence import MODEL, faults
from harness.snapshots import latest, read
from harness.wait import Failure, wait_until

MIB = 1024 * 1024
RECEIVER_MIB = 64
ENRICHER_MIB = 160
SETTLE_SECONDS = 180
QUIET_SECONDS = 3
REFUSAL_SECONDS = 45
LOOK_EVERY_SECONDS = 15
STILL_SECONDS = 75
EVENTS = f"{PREFIX}.events."
SNAPSHOTS = [f"{PREFIX}.snapshots.{model}" for model in [*READ, ASSEMBLED]]
TOO_LARGE = "too-large"


class LiveReader(threading.Thread):
    """A read_committed consumer that runs all the time, as a downstream service would."""

    def __init__(self, cluster):
        super().__init__(daemon=True, name="live-reader")
        self.cluster = cluster
        self.seen = []  # (topic, partition, offset, digest of the value)
        self._stop_asked = threading.Event()

    def run(self):
        consumer = self.cluster.client.consumer(
            "live-reader", **{"isolation.level": "read_committed", "enable.auto.commit": False}
        )
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for topic in SNAPSHOTS for number in range(6)])
        while not self._stop_asked.is_set():
            for message in consumer.consume(500, timeout=0.5):
                if message.error() is None:
                    self.seen.append((message.topic(), message.partition(), message.offset(), digest(message.value())))
        consumer.close()

    def stop(self):
        self._stop_asked.set()
        self.join()


def digest(value):
    return None if value is None else hashlib.sha256(value).hexdigest()


class Sent:
    """The simulator's deliveries: it keeps the last 10,000, so they are fetched from time to time."""

    def __init__(self, simulator):
        self.simulator = simulator
        self._delivered = {}  # by number: the digest of its body

    def fetch(self):
        for one in self.simulator._control("GET", "sent?limit=10000").json():
            if one["outcome"] == "ok":
                self._delivered[one["number"]] = digest(one["body"].encode())

    @property
    def bodies(self):
        return Counter(self._delivered.values())


class Hope:
    """Whether waiting may help. It may not when nothing at all has moved for longer than the program ever rests by itself (a
    minute between two tries), and when something was found, before or meanwhile, that no time makes good."""

    def __init__(self, world, load, found):
        self.world = world
        self.load = load
        self.found = found
        self.seen = None
        self.moved = self.looked = time.monotonic()

    def look(self):
        """False; fails when there is none."""
        now = time.monotonic()
        if now < self.looked + LOOK_EVERY_SECONDS:
            return False
        self.looked = now
        seen = self._everything()
        if seen != self.seen:
            self.seen, self.moved = seen, now
        if now > self.moved + STILL_SECONDS:
            raise Failure(f"nothing has moved for {STILL_SECONDS} s")
        if self.found or check_order(self.world) + check_letters(self.world, self.load) + check_processes(self.world):
            raise Failure("what was found already is not made good by waiting")
        return False

    def _everything(self):
        kafka = self.world.cluster.client
        reader = kafka.consumer("everything", **{"isolation.level": "read_uncommitted"})
        try:
            places = {topic: kafka._ends(reader, topic) for topic in kafka.topics(PREFIX)}
        finally:
            reader.close()
        return places, kafka.behind(GROUP, EVENTS), state(self.world)


def settle(world, load, found):
    """Returns when nothing is under way any more; sentences when that does not come. `found`: violations known already."""
    kafka = world.cluster.client
    problems = []

    def metrics(name):
        return sum(member.program.metrics().sum(name) for member in world.members)

    def quiet():
        try:
            return metrics("bridge_spool_events") == 0 and metrics("bridge_waiting_records") == 0
        except (OSError, Failure):
            return False

    hope = Hope(world, load, found)

    def wait(condition, what, interval):
        wait_until(lambda: condition() or hope.look(), SETTLE_SECONDS, what, interval)

    try:
        wait(quiet, "an empty spool and no waiting records", 0.5)
        wait(lambda: not kafka.behind(GROUP, EVENTS), lambda: f"(end, committed): {kafka.behind(GROUP, EVENTS)}", 0.2)
        wait(lambda: not kafka.unsettled(f"{PREFIX}.snapshots."), "the end of all transactions", 0.1)
        wait(lambda: backfilled(world), lambda: f"backfills: {open_backfills(world)}", 2)
        wait(lambda: at_rest(kafka), "snapshots that stay as they are", 0.1)
    except (Failure, KafkaException) as failure:
        problems.append(f"settle: {failure}; {state(world)}")
    return problems


def state(world):
    """What each process says of itself that may tell why it does not come to rest."""
    names = ("spool_events", "waiting_records", "partitions_owned", "partitions_paused", "api_breaker_open")
    found = {}
    for member in world.members:
        try:
            metrics = member.program.metrics()
            found[member.name] = {name: int(metrics.sum(f"bridge_{name}")) for name in names}
        except (OSError, Failure) as failure:
            found[member.name] = str(failure)
    return found


def at_rest(kafka):
    before = ends(kafka)
    time.sleep(QUIET_SECONDS)
    return ends(kafka) == before


def ends(kafka):
    reader = kafka.consumer("ends")
    try:
        return {topic: kafka._ends(reader, topic) for topic in SNAPSHOTS}
    finally:
        reader.close()


def open_backfills(world):
    """(integration, model) of which a backfill has begun and not ended."""
    state = {}
    for message in world.cluster.client.read(f"{PREFIX}.activity"):
        value = json.loads(message.value)
        event = value.get("event", "")
        if event.startswith("BACKFILL_"):
            state.setdefault((value["integration_id"], value["model"]), {})[value["order"]] = event
    expected = {(integration, model) for integration in world.integrations for model in READ}
    never = expected - state.keys()
    started = {
        place: events
        for place, events in state.items()
        if not any(event == "BACKFILL_COMPLETE" for event in events.values())
    }
    return {place: "never" for place in never} | started


def backfilled(world):
    return not open_backfills(world)


def check_accepted(world, load, sent):
    """(a) Every webhook that was answered 200 is in the events topics or the dead letters."""
    kafka = world.cluster.client
    problems = []
    events = {model: kafka.read(f"{PREFIX}.events.{model}") for model in MODELS}
    numbered = [message for message in events[MODEL] if message.key and message.key.startswith(b"numbered-")]
    for sequence in load.sequences:
        problems += [f"(a) {problem}" for problem in faults(sequence, numbered)]
    letters = {json.loads(m.value)["data"]["record_id"] for m in dead_letters(world) if m.header("error_code") == CODE}
    lost = set(load.letters) - letters
    if lost:
        problems.append(f"(a) {len(lost)} of {len(load.letters)} unroutable webhooks are no dead letters: {sorted(lost)[:3]}")
    problems += check_syncs(kafka, load, events)
    there = Counter(digest(message.value) for model in MODELS for message in events[model])
    bodies = sent.bodies
    lost = [body for body, count in bodies.items() if there[body] < count]
    if lost:
        problems.append(f"(a) {len(lost)} of {len(bodies)} delivered webhooks are in no events topic: {lost[:3]}")
    return problems


def check_syncs(kafka, load, events):
    """A sync is in `activity`, and a barrier in each model's events."""
    topics = {f"{PREFIX}.events.{model}": found for model, found in events.items()}
    topics[f"{PREFIX}.activity"] = kafka.read(f"{PREFIX}.activity")
    problems = []
    for topic, found in topics.items():
        lost = load.syncs.keys() - {mark for mark in map(mark_of, found) if mark}
        if lost:
            problems.append(f"(a) {len(lost)} of {len(load.syncs)} syncs are not in {topic}: {sorted(lost)[:3]}")
    return problems


def mark_of(message):
    """Of a sync that the load has sent; None for anything else."""
    data = json.loads(message.value).get("data") if b'"mark"' in (message.value or b"") else None
    return data.get("mark") if isinstance(data, dict) else None


def dead_letters(world):
    return world.cluster.client.read(f"{PREFIX}.dead-letters")


def check_truth(world):
    """(b) The committed snapshots' last state is the truth."""
    problems = []
    kafka, simulator = world.cluster.client, world.simulator
    for model in READ:
        last = latest(read(kafka, PREFIX, model))
        truth = simulator.truth(model)
        missing = sorted(truth.keys() - last.keys())
        wrong = {key: differences(last[key], record) for key, record in truth.items() if key in last}
        wrong = [(key, found[0][:200], read_sequence(last[key])) for key, found in wrong.items() if found]
        if missing:
            problems.append(f"(b) {model}: {len(missing)} records without a snapshot: {missing[:3]}")
        if wrong:
            problems.append(f"(b) {model}: {len(wrong)} of {len(truth)} records differ: {wrong[:3]}")
    last = latest(read(kafka, PREFIX, ASSEMBLED))
    truth = simulator.truth(ASSEMBLED, changed=True)
    missing = sorted(truth.keys() - last.keys())
    if missing:
        problems.append(f"(b) {ASSEMBLED}: {len(missing)} records without a snapshot: {missing[:3]}")
    wrong = [
        (key, name, value, truth[key].get(name))
        for key in truth.keys() & last.keys()
        for name, value in told(last[key]).items()
        if not is_same(name, value, truth[key].get(name))
    ]
    if wrong:
        problems.append(f"(b) {ASSEMBLED}: {len(wrong)} fields differ: {wrong[:3]}")
    return problems


def check_order(world):
    """(c) Per key the simulator's read sequence never falls in topic order."""
    problems = []
    for model in READ:
        falling = falling_sequences(read(world.cluster.client, PREFIX, model))
        if falling:
            problems.append(f"(c) {model}: {len(falling)} went back: {falling[:3]}")
    return problems


def check_isolation(world, reader):
    """(d) The live reader saw what a fresh one sees: no aborted snapshot, each committed one, once."""
    kafka = world.cluster.client
    committed = {place(message) for topic in SNAPSHOTS for message in kafka.read(topic)}
    everything = {place(message) for topic in SNAPSHOTS for message in kafka.read(topic, "read_uncommitted")}
    seen = Counter(reader.seen)
    problems = []
    for what, found in (
        ("aborted snapshots were seen", seen.keys() - committed),
        ("committed snapshots were not seen", committed - seen.keys()),
        ("snapshots were seen twice", {one for one, count in seen.items() if count > 1}),
    ):
        if found:
            problems.append(f"(d) {len(found)} {what}: {sorted(map(str, found))[:3]}")
    return problems, len(everything - committed), len(committed)


def place(message):
    return message.topic, message.partition, message.offset, digest(message.value)


def check_refusal(world, load):
    """A record that its topic does not take becomes a dead letter, and holds up nobody: also in the batch of others."""

    def told():
        return [m for m in dead_letters(world) if m.header("error_code") == TOO_LARGE]

    before = len(told())
    load.make_large()
    try:
        wait_until(lambda: len(told()) > before, REFUSAL_SECONDS, "its dead letter", interval=0.5)
        problems = []
    except Failure:
        problems = [f"(e) a record that is too large is no dead letter after {REFUSAL_SECONDS} s"]
    load.make_small()
    return problems


def check_letters(world, load):
    """(e) No dead letter comes of a transient fault, and each has its reason."""
    bad = []
    for message in dead_letters(world):
        code = message.header("error_code")
        unroutable = code == CODE and UNROUTABLE.encode() in (message.value or b"")
        large = code == TOO_LARGE and message.header("record_id") == load.large_key
        if not message.header("error_message") or not (unroutable or large):
            where = f"partition {message.partition}, offset {message.offset}"
            bad.append((code, message.header("error_message"), message.header("record_id"), where))
    return [f"(e) {len(bad)} dead letters that should not be: {bad[:3]}"] if bad else []


def check_processes(world):
    """(f) Memory stayed under its bound, and no process ended in a way that it should not."""
    problems = []
    for member in world.members:
        bound = RECEIVER_MIB if member in world.receivers else ENRICHER_MIB
        if member.memory > bound * MIB:
            problems.append(f"(f) {member.name}: {member.memory / MIB:.1f} MiB of anonymous memory, more than {bound}")
        if set(member.ends) - HONEST_ENDS:
            problems.append(f"(f) {member.name} ended with {member.ends}")
    return problems
