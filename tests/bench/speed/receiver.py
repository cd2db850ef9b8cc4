"""The receiver beside a bare HTTP handler, a bare producer and the two put together, on the mock cluster; beside Redpanda Connect, on Kafka.

Redpanda Connect's client does not understand librdkafka's mock cluster, so that pair meets at a real broker.
"""

import json
from contextlib import contextmanager
from functools import partial

from bars import at_least, at_most
from harness.kafka import Kafka
from harness.process import Program
from harness.simulator import SECRET
from harness.wait import Failure
from speed.contest import contest, ratio
from speed.load import Webhooks, send
from speed.measured import Meter, peak_mib
from speed.programs import PREFIX, ConnectReceiver, MockKafka, Receiver, bare, first_word, running, serving

CONNECTIONS = 256
MANY_CONNECTIONS = 1000
WARM_SECONDS = 1
LINGER_MS = 3  # the bridge's own

class Receivers:
    """Starts each of them anew, loads it, and holds what lies in Kafka afterwards against what was sent."""

    def __init__(self, kafka, directory, seconds, models=("residents",), **webhooks):
        self.kafka, self.directory, self.seconds, self.models = kafka, directory, seconds, models
        self.mocked = isinstance(kafka, MockKafka)
        self.webhooks = Webhooks(directory, models=models, **webhooks)
        self.expected = self.webhooks.messages()

    @contextmanager
    def bridge(self):
        program = Receiver(self.kafka, self.models, directory=self.directory)
        program.start_ready()
        with running(program):
            yield program, program.receiver_url()

    @contextmanager
    def handler(self):
        program = Program("bare_handler", directory=self.directory).start()
        with running(program):
            yield program, f"http://{first_word(program, 'listen')}/webhooks"

    @contextmanager
    def bare_receiver(self, messages):
        program = Program("bare_receiver", [self.kafka.bootstrap, LINGER_MS, SECRET, messages], directory=self.directory).start()
        with running(program):
            yield program, f"http://{first_word(program, 'listen')}/webhooks"

    @contextmanager
    def connect(self):
        program = ConnectReceiver(self.directory, self.kafka.bootstrap).start()
        with running(program):
            yield program, program.url

    def load(self, started, stores=True, connections=CONNECTIONS, pause_ms=0):
        """One run of one of them."""
        before = self.begin()
        with started() as (program, url):
            warm = send(url, self.webhooks, seconds=WARM_SECONDS, connections=connections, pause_ms=pause_ms)
            meter = Meter(program)
            sent = send(url, self.webhooks, seconds=self.seconds, connections=connections, pause_ms=pause_ms)
            cost = meter.read()
            peak = peak_mib(program)
        if stores:
            # What was under way when wrk ended was kept, and its answer not counted.
            self.check(before, warm["requests"] + sent["requests"], 2 * connections)
        return {
            "cpu_us": cost.cpu_us / sent["requests"],
            "requests_s": sent["requests"] * 1e6 / sent["duration_us"],
            "p50_ms": sent["p50_us"] / 1000,
            "p99_ms": sent["p99_us"] / 1000,
            "peak_mib": peak,
        }

    def begin(self):
        """Where the topics end before a run; a real broker forgets what is there."""
        there = [topic for topic in self.topics() if topic in self.kafka.topics()]
        for topic in there:
            if not self.mocked:
                self.kafka.cut(topic)
        return self.kafka.ends(*there)

    def topics(self):
        return [f"{PREFIX}.events.{model}" for model in self.models]

    def check(self, before, answered, more):
        stored = sum(self.kafka.ends(*self.topics()).values()) - sum(before.values())
        if not answered <= stored <= answered + more:
            raise Failure(f"{answered} were answered, {stored} are in Kafka")
        new = [one for one in self.newest() if one.offset >= before.get((one.topic, one.partition), 0)]
        found = {(one.topic.rpartition(".")[2], one.key, one.value) for one in new}
        # The mock cluster keeps a few MiB of each partition: what it has forgotten cannot be looked for.
        missing = self.expected - found if len(new) == stored else set()
        if found - self.expected or missing:
            raise Failure(f"{len(found - self.expected)} messages in Kafka were never sent, {len(missing)} are not there")

    def newest(self):
        """What is there."""
        return self.kafka.read_all(self.topics(), isolation="read_uncommitted")

    def messages(self):
        """A file of messages as the bridge wrote them, for whoever writes the same."""
        path = self.directory / "messages"
        with open(path, "w", encoding="utf-8") as file:
            for message in self.newest()[: len(self.expected)]:
                headers = [[name, value.decode()] for name, value in message.headers]
                line = {"topic": message.topic, "key": message.key.decode(), "value": message.value.decode()}
                file.write(json.dumps(line | {"headers": headers}) + "\n")
        return path

    def producer(self, path, count):
        made = bare("bare_producer", self.kafka.bootstrap, LINGER_MS, path, count)
        return {"cpu_us": made["cpu_us"] / made["done"], "requests_s": made["done"] * 1e6 / made["wall_us"]}


class OnMock:
    """The ceilings, and what a receiver can do at half of its load and with many connections."""

    bars = (
        at_most("cpu_of_handler", 2.0),
        at_most("half_load.p99_ms", 25.0),
        at_most("connections_1000.peak_mib", 40.0),
    )

    @staticmethod
    def measure(directory, quick):
        rounds, seconds = (3, 3) if quick else (7, 8)
        with serving(MockKafka(directory, ["residents"])) as kafka:
            receivers = Receivers(kafka, directory, seconds)
            receivers.load(receivers.bridge)
            messages = receivers.messages()
            made = contest(
                {
                    "bridge": partial(receivers.load, receivers.bridge),
                    "handler": partial(receivers.load, receivers.handler, stores=False),
                    "bare_receiver": partial(receivers.load, partial(receivers.bare_receiver, messages)),
                    "producer": partial(receivers.producer, messages, 100_000 * seconds),
                },
                rounds,
            )
            # Each connection rests as long as makes half of what the bridge can answer.
            pause_ms = round(2 * CONNECTIONS * 1000 / made["bridge"]["requests_s"])
            half = receivers.load(receivers.bridge, pause_ms=pause_ms)
            many = receivers.load(receivers.bridge, connections=MANY_CONNECTIONS)
        return {
            "cpu_of_handler": ratio(made, "bridge", "handler", "cpu_us"),
            "cpu_of_bare_receiver": ratio(made, "bridge", "bare_receiver", "cpu_us"),
            "bare_receiver_of_handler": ratio(made, "bare_receiver", "handler", "cpu_us"),
            "rate_of_handler": ratio(made, "bridge", "handler", "requests_s"),
            "cpu_of_producer": ratio(made, "bridge", "producer", "cpu_us"),
            "half_load": half,
            "connections_1000": many,
            "contestants": made,
        }


class BesideConnect:
    bars = (at_least("cpu", 3.0), at_least("memory", 5.0))

    @staticmethod
    def measure(directory, quick):
        rounds, seconds = (1, 5) if quick else (5, 10)
        with serving(Kafka(directory / "kafka")) as kafka:
            receivers = Receivers(kafka, directory, seconds)
            receivers.load(receivers.bridge)  # makes the topics
            made = contest(
                {
                    "bridge": partial(receivers.load, receivers.bridge),
                    "connect": partial(receivers.load, receivers.connect),
                },
                rounds,
            )
        return {
            "cpu": ratio(made, "connect", "bridge", "cpu_us"),
            "memory": ratio(made, "connect", "bridge", "peak_mib"),
            "rate": ratio(made, "connect", "bridge", "requests_s"),
            "contestants": made,
        }
