"""What runs: three brokers, the simulator, two receivers behind one address, two enrichers.

Each of these four has a way of its own to each broker, and to the API.
"""

import threading
import time

from chaos.cluster import Cluster
from chaos.kafka_proxy import Gate, KafkaProxy
from harness.balancer import Balancer
from harness.bridge import Bridge
from harness.ports import reserve_port
from harness.simulator import SECRET, TOKEN, Simulator
from harness.tcp_proxy import TcpProxy
from harness.wait import Failure

NAMES = {"receive": "receiver", "enrich": "enricher"}
PREFIX = "chaos"
GROUP = "chaos"
READ = ["residents", "leases", "units"]
ASSEMBLED = "contracts"
MODELS = [*READ, ASSEMBLED]
PARTITIONS = 6 * len(MODELS)
SESSION_MS = 6000
SPOOL_AFTER_MS = 1000
# What a record may become: larger than a message of this topic may be (SMALL_TOPIC). The broker holds the limit against
# a batch of messages as a whole: this is the most that librdkafka makes of several (batch.size), so that nothing but a
# message that is too large by itself is refused.
SMALL_TOPIC = "units"
SMALL_MESSAGE = 1_000_000
# A webhook that tells of such a value may tell of the one before as well.
LARGEST_BODY = 4 * SMALL_MESSAGE
# 0: done; 69, 75: Kafka was away for too long, to be started again. Anything else is a violation.
HONEST_ENDS = {0, 69, 75}
SIMULATOR = {
    "models": MODELS,
    "records": 2400,
    "integrations": 8,
    "limit_per_minute": 0,
    "latency_ms": 150,
    "shape": "mixed",
    "last_seen_percent": 15,
    "late": "3:3000",
    "replay": "3:2000",
    "retry_ms": 6000,
}


class Way:
    """From one process to each broker: `proxies`, in the order of the doors."""

    def __init__(self, doors):
        self.gate = Gate()
        self.proxies = [KafkaProxy(self.gate) for _ in doors]
        for proxy, door in zip(self.proxies, doors):
            proxy.add_door(door)

    def cut(self):
        for proxy in self.proxies:
            proxy.cut()

    def stall(self):
        for proxy in self.proxies:
            proxy.stall()

    def delay(self, milliseconds):
        for proxy in self.proxies:
            proxy.delay(milliseconds)

    def heal(self):
        self.gate.open()
        for proxy in self.proxies:
            proxy.heal()

    def close(self):
        for proxy in self.proxies:
            proxy.close()


class Member:
    """One process of the bridge, its ways to Kafka and the API, and whoever starts it again when it ends."""

    def __init__(self, program, kafka, api):
        self.program = program
        self.kafka = kafka
        self.api = api
        self.lock = threading.Lock()  # held by the one fault that it has at a time
        self.wanted = True  # it should run
        self.memory = 0  # most anonymous bytes so far
        self.ends = []  # codes with which it ended by itself

    @property
    def name(self):
        return self.program.label

    def look(self):
        """Takes its memory; starts it again when it has ended by itself, as a supervisor would."""
        if not self.wanted:
            return
        if not self.program.running:
            self.ends.append(self.program.exit_code)
            self.program.start()
            return
        try:
            self.memory = max(self.memory, self.program.memory().get("RssAnon", 0))
        except (FileNotFoundError, ProcessLookupError):
            pass

    @property
    def partitions(self):
        """How many it has taken in charge."""
        return self._metric("partitions_owned")

    @property
    def snapshots(self):
        """How many it has committed since its start."""
        return self._metric("snapshots_total")

    def _metric(self, name):
        """0 when it does not say."""
        try:
            return int(self.program.metrics().sum(f"bridge_{name}"))
        except (OSError, Failure):
            return 0

    def kill(self):
        self.wanted = False
        self.program.kill()

    def revive(self):
        if not self.program.running:
            self.program.start()
        self.wanted = True


class World:
    def __init__(self, directory, seed):
        self.directory = directory
        self.seed = seed
        self.members = []
        self.cluster = Cluster(directory, doors=4)
        self.balancer = None
        self.simulator = None

    def start(self):
        self.cluster.start()
        self.cluster.create_topic(
            f"{PREFIX}.snapshots.{SMALL_TOPIC}",
            6,
            {"cleanup.policy": "compact", "max.message.bytes": SMALL_MESSAGE, "delete.retention.ms": 604800000},
        )
        self.simulator = Simulator(directory=self.directory, seed=self.seed, **SIMULATOR).start()
        for number, command in enumerate(("receive", "receive", "enrich", "enrich")):
            self._add(number, command)
        self.receivers, self.enrichers = self.members[:2], self.members[2:]
        for member in self.members:
            member.program.start()
        for member in self.members:
            member.program.wait_ready(60)
        for member in self.enrichers:
            member.program.wait_event("assigned", 60)
        self.balancer = Balancer([self.port(member) for member in self.receivers])
        return self

    def _add(self, number, command):
        doors = self.cluster.doors(number)
        kafka, api = Way(doors), TcpProxy()
        port = api.add(int(self.simulator.url.rpartition(":")[2]))
        label = f"{NAMES[command]}-{number % 2 + 1}"
        config = self._config(label, ",".join(door.bootstrap for door in doors), f"http://127.0.0.1:{port}")
        program = Bridge(command, config, directory=self.directory, label=label)
        self.members.append(Member(program, kafka, api))

    def _config(self, label, bootstrap, api):
        spool = self.directory / f"spool-{label}"
        spool.mkdir()
        return {
            "bridge.models": MODELS,
            "bridge.instance": label,
            "receiver.listen": f"127.0.0.1:{reserve_port()}",
            "receiver.secret": SECRET,
            "receiver.max_body": LARGEST_BODY,
            "receiver.spool_dir": spool,
            "receiver.spool_after_ms": SPOOL_AFTER_MS,
            "kafka.bootstrap.servers": bootstrap,
            "kafka.consumer.session.timeout.ms": SESSION_MS,
            "kafka.consumer.heartbeat.interval.ms": 500,
            "topics.prefix": PREFIX,
            "output.format": "json",
            "api.base_url": api,
            "api.token": TOKEN,
            "api.requests_per_minute": 0,
            "api.timeout_ms": 4000,
            "enricher.group": GROUP,
            "enricher.max_delay_ms": 500,
            "enricher.last_seen_max_delay_ms": 1500,
            "backfill.max_running": 16,
            "backfill.min_interval_ms": 0,
            # It would make good what another part has lost; half of the seeds run with it.
            "sync.reconcile": self.seed % 2 == 0,
            "sync.grace_ms": 500,
            "admin.listen": "127.0.0.1:0",
        }

    @staticmethod
    def port(member):
        return int(member.program.config["receiver.listen"].rpartition(":")[2])

    @property
    def url(self):
        return f"http://127.0.0.1:{self.balancer.port}/webhooks"

    @property
    def integrations(self):
        return self.simulator.stats()["integrations"]

    def heal(self):
        """Everything runs and reaches everything."""
        self.simulator.set_faults("")
        for node in self.cluster.nodes:
            if node.running:
                node.thaw()
            else:
                node.start(wait=False)
        for member in self.members:
            member.kafka.heal()
            member.api.heal()
            if member.program.running:
                member.program.thaw()
            member.revive()
        for node in self.cluster.nodes:
            node.wait_ready()

    def close(self):
        for member in self.members:
            member.wanted = False
            if member.program.running:
                member.program.thaw()
                member.program.kill()
            member.kafka.close()
            member.api.close()
        if self.balancer:
            self.balancer.close()
        if self.simulator and self.simulator.running:
            self.simulator.kill()
        self.cluster.remove()


class Watch(threading.Thread):
    """Looks at every process twice a second."""

    def __init__(self, world):
        super().__init__(daemon=True, name="watch")
        self.world = world
        self._stop_asked = threading.Event()

    def run(self):
        while not self._stop_asked.wait(0.5):
            for member in self.world.members:
                if member.lock.acquire(blocking=False):
                    member.look()
                    member.lock.release()

    def stop(self):
        self._stop_asked.set()
        self.join()


def rest_until(deadline, seconds):
    """Sleeps so long, but not beyond the deadline."""
    time.sleep(max(0, min(seconds, deadline - time.monotonic())))
