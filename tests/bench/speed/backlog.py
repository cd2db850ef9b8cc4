"""Events of the simulated Propexo that lie in Kafka, and the programs that make snapshots of them, each in turn."""

import json
import time
from contextlib import ExitStack
from functools import cached_property
from urllib.parse import quote

from confluent_kafka import TopicPartition

from harness import snapshots
from harness.bridge import Bridge
from harness.compare import READ_SEQUENCE, differences, falling_sequences
from harness.kafka import Kafka
from harness.registry import Registry
from harness.simulator import TOKEN, Simulator
from harness.snapshots import latest
from harness.wait import Failure, wait_until
from speed.measured import Meter, peak_mib
from speed.programs import PARTITIONS, PREFIX, Connect, bare, receiving, running, written

IN_FLIGHT = 16  # requests; the bridge's default
LINGER_MS = 5  # of the bridge's transactional producer
PAGE = 250
BODIES = 10_000  # records whose pages bare_publish repeats
LOOK_SECONDS = 0.05
DONE_SECONDS = 300
MODEL = "residents"
SNAPSHOTS = f"snapshots.{MODEL}"


class Backlog:
    """A Kafka, a registry, a simulator and what is to be done. Used as a context."""

    def __init__(self, directory, *, records, integrations=10, models=(MODEL,), events=True, **flags):
        """`records` of all models together."""
        self.directory, self.records, self.models, self.events = directory, records, models, events
        self.kafka = Kafka(directory / "kafka")
        self.registry = Registry(directory / "registry")
        shared = {"models": models, "limit_per_minute": 0, "new_percent": 0, "last_seen_percent": 0}
        shared |= {"updated_at": "all", "distinct": "on", "webhook_concurrency": 64}
        shared |= {"gzip": "off"}  # the bare programs do not ask for it, and inflate nothing
        shared |= {"records": records // len(models), "integrations": integrations}
        self.simulator = Simulator(directory=directory, **(shared | flags))
        self.groups = 0

    def __enter__(self):
        try:
            self.kafka.start()
            self.registry.start()
            self.simulator.start()
            self._fill()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.simulator.running:
            self.simulator.kill()
        self.registry.remove()
        self.kafka.remove()

    def _fill(self):
        """Each record changes once, and its webhook lies in Kafka; or only the topics are made."""
        receiver = self.bridge("receive")
        receiver.start_ready()
        with running(receiver):
            if self.events:
                self.simulator.begin(receiver.receiver_url(), rate=0, changes=self.records)
                self.simulator.wait_changes_done(DONE_SECONDS)
        stored = sum(written(self.kafka, f"{PREFIX}.events.{model}") for model in self.models)
        if stored != (self.records if self.events else 0):
            raise Failure(f"{stored} events lie in Kafka, not {self.records}")
        for topic in ("bare", "connect"):
            self.kafka.create_topics(f"{topic}.{SNAPSHOTS}", partitions=PARTITIONS)

    def bridge(self, command, label=None, **config):
        shared = receiving(self.kafka, self.models) | {
            "registry.url": self.registry.url,
            "api.base_url": self.simulator.url,
            "api.token": TOKEN,
            "api.requests_per_minute": 0,
            "api.max_concurrency": IN_FLIGHT,
        }
        return Bridge(command, shared | config, directory=self.directory, label=label or command)

    def _new_group(self):
        """All events are new to it."""
        self.groups += 1
        return f"bench-{self.groups}"

    # The contestants

    def enrich(self, count=1, **config):
        """So many of the bridge's enrichers take the whole backlog in."""
        config |= {"enricher.group": self._new_group()}
        programs = [self.bridge("enrich", f"enrich-{one}", **config | {"bridge.instance": f"{one}"}) for one in range(count)]
        before = self.simulator.stats()["requests"]
        with ExitStack() as stack:
            for program in programs:
                stack.enter_context(running(program.start()))
            for program in programs:
                program.wait_ready(60)
            figures = follow(programs, lambda: sum(map(committed, programs)), self.records)
        return figures | {"requests": self.simulator.stats()["requests"] - before}

    def backfill(self):
        """The bridge's enricher reads all lists."""
        program = self.bridge("enrich", **{"enricher.group": "bench-backfill"})
        order = self.bridge("backfill", **{"enricher.group": "bench-backfill"})
        order.arguments.append("--all")
        program.start_ready(60)
        before = committed(program)
        with running(program):
            order.start()
            if order.wait(60) != 0:
                raise Failure(f"backfill: {order.log()}")
            # Pages that overlap show some records twice.
            return follow([program], lambda: committed(program) - before, self.records, most=1.05 * self.records)

    def connect(self):
        """Redpanda Connect does the same, as far as it can."""
        shared = {"bootstrap": self.kafka.bootstrap, "topics": PREFIX, "api": self.simulator.url, "token": TOKEN}
        shared |= {"group": self._new_group(), "in_flight": str(IN_FLIGHT)}
        program = Connect("enricher", directory=self.directory, **shared)
        before = written(self.kafka, f"connect.{SNAPSHOTS}")
        program.start()
        with running(program):
            return follow([program], lambda: written(self.kafka, f"connect.{SNAPSHOTS}") - before, self.records)

    def fetch_by_id(self):
        return self._fetched(bare("bare_fetch", TOKEN, IN_FLIGHT, self._urls_by_id))

    def fetch_pages(self):
        return self._fetched(bare("bare_fetch", TOKEN, 1, self._urls_of_pages))

    def publish(self):
        """Parse, encode and produce alone, of what the API's pages show, with the bridge's headers."""
        return self._fetched(bare("bare_publish", *self._published, self.records))

    def _fetched(self, made):
        return {"cpu_us": made["cpu_us"] / self.records, "records_s": self.records * 1e6 / made["wall_us"]}

    # What the bare programs are given, made once

    @cached_property
    def _urls_by_id(self):
        return self._file("urls", (f"{self.simulator.url}/v1/{MODEL}/{quote(one, safe='')}" for one in self.simulator.truth(MODEL)))

    @cached_property
    def _urls_of_pages(self):
        return self._file("pages", (self.simulator.url + path for path in self._pages(self.records)))

    @cached_property
    def _published(self):
        bodies = (self.simulator.get(path).text().strip() for path in self._pages(min(self.records, BODIES)))
        example = one_message(self.kafka, f"{PREFIX}.{SNAPSHOTS}")
        headers = [[name, value.decode()] for name, value in example.headers()]
        message = {"topic": f"bare.{SNAPSHOTS}", "key": "", "value": "", "headers": headers}
        schema_id = int.from_bytes(example.value()[1:5], "big")
        files = self._file("message", [json.dumps(message)]), self._file("bodies", bodies)
        return self.kafka.bootstrap, LINGER_MS, MODEL, schema_id, *files

    @staticmethod
    def _pages(records):
        return [f"/v1/{MODEL}/?limit={PAGE}&offset={offset}" for offset in range(0, records, PAGE)]

    def _file(self, name, lines):
        path = self.directory / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    # Whether the work was done

    def check(self, *others):
        """Every record's last snapshot of the bridge's equals the truth, and so do those of the others: (prefix, registry)."""
        truth = self.simulator.truth(MODEL)
        found = snapshots.read(self.kafka, PREFIX, MODEL, self.registry)
        falling = falling_sequences(found)
        if falling or latest(found).keys() != truth.keys():
            raise Failure(f"{len(latest(found))} of {len(truth)} records have snapshots, and {len(falling)} went back")
        compare("bridge", latest(found), truth, equal_snapshots)
        for prefix, registry in others:
            same = equal_answers if registry is None else equal_snapshots
            compare(prefix, latest(snapshots.read(self.kafka, prefix, MODEL, registry)), truth, same)


def compare(name, last, truth, same):
    wrong = [key for key, record in last.items() if not same(record, truth[key])]
    if wrong or not last:
        raise Failure(f"{name}: {len(wrong)} of {len(last)} records differ, such as {wrong[:3]}")


def equal_snapshots(found, record):
    return not differences(found, record)


def equal_answers(found, record):
    """Whether the API's answer, as it came, shows the record; it numbers each read in custom_data."""
    stamped = {name: value for name, value in found["custom_data"].items() if name != READ_SEQUENCE}
    return found | {"custom_data": stamped} == record


def one_message(kafka, topic):
    consumer = kafka.consumer("example", isolation_level="read_committed")
    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        return wait_until(lambda: consumer.consume(1, timeout=1), 30, f"a message of {topic}")[0]
    finally:
        consumer.close()


def committed(program):
    """Snapshots that are visible."""
    return program.metrics().sum("bridge_snapshots_total")


def follow(programs, count, wanted, most=None):
    """What programs cost a snapshot, from the first ones that are there to the last one. `most`: of them, else `wanted`."""

    def look():
        for program in programs:
            if not program.running:
                raise Failure(f"{program.label} ended with {program.exit_code}: {program.log()[-2000:]}")
        return count()

    first = wait_until(look, DONE_SECONDS, "a first snapshot", interval=LOOK_SECONDS)
    meters = [Meter(program) for program in programs]
    wait_until(lambda: look() >= wanted, DONE_SECONDS, lambda: f"{count()} of {wanted} snapshots", interval=LOOK_SECONDS)
    costs = [meter.read() for meter in meters]
    if first > 0.9 * wanted:
        raise Failure(f"{first} of {wanted} were there at the first look: too few to measure")
    time.sleep(LOOK_SECONDS)
    if count() > (most or wanted):
        raise Failure(f"{count()} snapshots of {wanted} records")
    done = wanted - first
    return {
        "cpu_us": sum(cost.cpu_us for cost in costs) / done,
        "records_s": done * 1e6 / max(cost.wall_us for cost in costs),
        "peak_mib": max(map(peak_mib, programs)),
    }
