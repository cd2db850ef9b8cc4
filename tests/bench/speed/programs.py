"""The bridge, the programs that it is held against, and the servers that all of them use."""

import json
import socket
import subprocess
from contextlib import closing, contextmanager
from pathlib import Path

from harness.bridge import Bridge
from harness.kafka import Kafka
from harness.ports import reserve_port
from harness.process import BUILD, Program, tail
from harness.simulator import SECRET
from harness.wait import Failure, wait_until

CONNECT = Path(__file__).resolve().parents[1] / "connect"
START_SECONDS = 60
PARTITIONS = 12
PREFIX = "propexo"


class MockKafka(Kafka):
    """librdkafka's mock cluster in a process of its own, read as a real one is."""

    def __init__(self, directory, models):
        own = ("activity", "dead-letters", "state", "assembly")
        topics = [f"{PREFIX}.{name}" for name in own]
        topics += [f"{PREFIX}.{kind}.{model}" for kind in ("events", "snapshots") for model in models]
        self.program = Program("mock_kafka", [PARTITIONS, *topics], directory=directory)
        self._admin = None

    def start(self, wait=True):
        self.program.start()
        self.bootstrap = first_word(self.program, "bootstrap")
        return self

    def remove(self):
        self.program.kill()


def receiving(kafka, models):
    """What a bridge that listens is configured with in all measurements."""
    return {
        "bridge.models": models,
        "receiver.listen": "127.0.0.1:0",
        "receiver.secret": SECRET,
        "admin.listen": "127.0.0.1:0",
        "kafka.bootstrap.servers": kafka.bootstrap,
        "topics.partitions": PARTITIONS,
        "topics.create": not isinstance(kafka, MockKafka),
    }


class Receiver(Bridge):
    """A `receive`, with a real Kafka or with the mock cluster."""

    def __init__(self, kafka, models, *, directory):
        super().__init__("receive", receiving(kafka, models), directory=directory, label="receive")
        if isinstance(kafka, MockKafka):
            self.path = self.path.with_name("bridge_on_mock")


@contextmanager
def serving(kafka):
    """Starts it, and leaves nothing of it behind."""
    try:
        kafka.start()
        yield kafka
    finally:
        kafka.remove()


def written(kafka, topic):
    """How many messages were ever written to a topic without transactions."""
    return sum(kafka.ends(topic).values())


def first_word(program, name):
    """The value of name=VALUE, which a program of ours prints when it can be used."""

    def find():
        if not program.running:
            raise Failure(f"{program.label} ended: {program.log()}")
        return next((line for line in program.output().splitlines() if line.startswith(f"{name}=")), None)

    return wait_until(find, START_SECONDS, f"{name} of {program.label}", interval=0.01).partition("=")[2]


def bare(name, *arguments):
    """Runs a bare program to its end; returns what it has measured."""
    command = [str(part) for part in (BUILD / name, *arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{name} ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


class Connect(Program):
    """Redpanda Connect by one of our configurations."""

    def __init__(self, config, *, directory, **variables):
        environment = {name.upper(): value for name, value in variables.items()}
        super().__init__(
            "bench/connect",
            ["run", CONNECT / f"{config}.yaml"],
            directory=directory,
            environment=environment,
            label=f"connect-{config}",
        )


class ConnectReceiver(Connect):
    def __init__(self, directory, bootstrap):
        self.port = reserve_port()
        listen = f"127.0.0.1:{self.port}"
        shared = {"secret": SECRET, "topics": PREFIX, "bootstrap": bootstrap, "listen": listen}
        super().__init__("receiver", directory=directory, **shared)
        self.url = f"http://{listen}/webhooks"

    def start(self):
        super().start()
        wait_until(self._listens, START_SECONDS, lambda: f"connect to listen\n{tail(self.output_path)}", interval=0.05)
        return self

    def _listens(self):
        if not self.running:
            raise Failure(f"Redpanda Connect ended\n{tail(self.output_path)}\n{tail(self.log_path)}")
        with closing(socket.socket()) as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def running(program, exit_code=0):
    """Ends it as its users do; whatever ends the body early kills it."""
    try:
        yield program
        program.close(exit_code)
    finally:
        if program.running:
            program.kill()
