"""Fixtures: servers that all tests share, and programs that end with their test. See README.md."""

import re
import sys
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "bench"))
pytest.register_assert_rewrite("harness.simulated")

from harness import snapshots as snapshot_reader
from harness.bridge import Bridge
from harness.kafka import Kafka
from harness.process import TOP
from harness.registry import Registry
from harness.simulated import Receiver, Sim
from harness.simulator import SECRET, TOKEN, Simulator
from harness.wait import Failure

SHARED_KAFKA = pytest.StashKey()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    if not config.option.xmlpath:
        config.option.xmlpath = str(TOP / "build" / "e2e-results.xml")


@pytest.fixture(scope="session")
def kafka(request, tmp_path_factory):
    """A real Kafka, shared by all tests: a test's topics and groups begin with its `prefix`."""
    server = Kafka(tmp_path_factory.mktemp("kafka"))
    request.session.stash[SHARED_KAFKA] = server
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    """A real schema registry, shared by all tests."""
    server = Registry(tmp_path_factory.mktemp("registry"))
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture
def own_kafka(tmp_path):
    """A Kafka for one test alone, which may stop, kill or freeze it. Not started yet."""
    server = Kafka(tmp_path / "own-kafka")
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
def own_registry(tmp_path):
    """A schema registry for one test alone. Not started yet."""
    server = Registry(tmp_path / "own-registry")
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
def prefix(request):
    """A topic prefix of this test's own. What it named in the shared Kafka is deleted when the test ends."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name.removeprefix("test_")).strip("-")
    own = f"{words[:40]}-{uuid.uuid4().hex[:6]}"
    yield own
    shared = request.session.stash.get(SHARED_KAFKA, None)
    if shared is not None and shared.running:
        names = list(shared.topics(own))
        if names:
            shared.delete_topics(*names)


class Programs:
    """The programs of one test: each has its own label, so that its logs and configuration do not mix."""

    def __init__(self, directory):
        self.directory = directory
        self.started = []

    def label(self, name):
        count = sum(program.label.startswith(name) for program, _ in self.started)
        return f"{name}-{count + 1}" if count else name

    def add(self, program, exit_code=0):
        self.started.append((program, exit_code))
        return program

    def close(self):
        """Ends all, the last started first, and only then says what was wrong."""
        problems = []
        for program, exit_code in reversed(self.started):
            try:
                program.close(exit_code)
            except Failure as failure:
                problems.append(str(failure))
        if problems:
            raise Failure("\n\n".join(problems))


@pytest.fixture
def programs(tmp_path, prefix):
    """They end before `prefix` deletes their topics."""
    group = Programs(tmp_path)
    try:
        yield group
    finally:
        group.close()


@pytest.fixture
def simulator(programs):
    """simulator(records=100, models=["units"], ...) starts a simulated Propexo; the flags are the program's own."""

    def start(**flags):
        label = programs.label("propexo-sim")
        return programs.add(Simulator(directory=programs.directory, label=label, **flags)).start()

    return start


class Sims:
    """Simulators for tests of their own; the flags are the program's."""

    def __init__(self, directory):
        self.directory = directory
        self.started = []

    def start(self, **flags):
        self.started.append(Sim(self.directory / f"sim-{len(self.started)}.log", **flags))
        return self.started[-1]

    def close(self):
        codes = [one.stop() for one in self.started if one.process.poll() is None]
        assert set(codes) <= {0}, [one.log.read_text()[-3000:] for one in self.started]


@pytest.fixture
def sim(tmp_path):
    """sim(records=10, ...) starts a simulator that ends with the test."""
    group = Sims(tmp_path)
    yield group.start
    group.close()


@pytest.fixture(scope="module")
def sims(tmp_path_factory):
    """sims(records=10, ...) starts one that ends with the module."""
    group = Sims(tmp_path_factory.mktemp("sims"))
    yield group.start
    group.close()


@pytest.fixture
def receiver():
    """receiver([503, 200]) starts a receiver of webhooks that answers the first ones so, and 200 to the others."""
    started = []

    def start(statuses=()):
        started.append(Receiver(statuses))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def bridge(request, programs, prefix):
    """bridge("run", {"section.key": value}, simulator=..., registry=...) writes a configuration and starts the bridge.

    What the configuration does not say is chosen for a test: free ports, this test's prefix and group, the shared
    Kafka, the simulator's address and token, no request limit, four models. start=False leaves the start to the test;
    exit_code is what it must end with when the test's end stops it.
    """

    def make(
        command="run",
        config=None,
        *,
        simulator=None,
        registry=None,
        arguments=(),
        environment=None,
        start=True,
        exit_code=0,
    ):
        label = programs.label("propexo-bridge")
        chosen = {
            "bridge.models": ["residents", "leases", "units", "properties"],
            "bridge.instance": f"{prefix}-{label}",
            "receiver.listen": "127.0.0.1:0",
            "receiver.secret": SECRET,
            "admin.listen": "127.0.0.1:0",
            "topics.prefix": prefix,
            "enricher.group": prefix,
            "api.token": TOKEN,
            "api.requests_per_minute": 0,
        }
        if simulator is not None:
            chosen |= {
                "receiver.secret": simulator.secret,
                "api.base_url": simulator.url,
                "api.token": simulator.token,
            }
        if registry is not None:
            chosen["registry.url"] = registry.url
        if "kafka.bootstrap.servers" not in (config or {}):
            chosen["kafka.bootstrap.servers"] = request.getfixturevalue("kafka").bootstrap
        program = Bridge(
            command,
            chosen | (config or {}),
            directory=programs.directory,
            arguments=arguments,
            environment=environment,
            label=label,
        )
        programs.add(program, exit_code)
        return program.start_ready() if start else program

    return make


@pytest.fixture
def snapshots(kafka, prefix):
    """snapshots("units", registry=...) reads this test's snapshots of a model in topic order."""

    def read(model, registry=None, isolation="read_committed"):
        return snapshot_reader.read(kafka, prefix, model, registry, isolation)

    return read
