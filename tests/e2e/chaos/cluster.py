"""Three brokers that are controllers as well, each with a door for every process that comes through a proxy."""

from confluent_kafka.admin import NewTopic

from harness.kafka import LOGGING, LIBRARIES, Kafka
from harness.ports import reserve_port
from harness.wait import Failure

NODES = 3
CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw"
SETTINGS = {
    "default.replication.factor": NODES,
    "min.insync.replicas": 2,
    "offsets.topic.replication.factor": NODES,
    "transaction.state.log.replication.factor": NODES,
    "transaction.state.log.min.isr": 2,
    # A broker that is gone, or stands still, is noticed within seconds.
    "broker.session.timeout.ms": 4000,
    "broker.heartbeat.interval.ms": 500,
    "replica.lag.time.max.ms": 4000,
    "controller.quorum.election.timeout.ms": 1000,
    "controller.quorum.fetch.timeout.ms": 2000,
}


class Node(Kafka):
    def __init__(self, directory, number, controllers, doors):
        self.number = number
        self._controllers = controllers
        super().__init__(directory, SETTINGS | {"node.id": number}, doors)
        self.name = f"kafka-{number}"
        self.log_path = self.directory / f"{self.name}.log"

    def _controller(self):
        return self._controllers[self.number]

    def _quorum(self, controller):
        voters = ",".join(f"{number}@{address}" for number, address in self._controllers.items())
        return {"controller.quorum.voters": voters}

    def _java(self, *arguments):
        return ["-Xmx256m", f"-Dlog4j2.configurationFile={LOGGING}", "-cp", f"{LIBRARIES}/*", *arguments]

    def _format(self):
        tool = ("kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config", self._properties)
        if self.run(self._java(*tool)).wait() != 0:
            raise Failure(self._message("cannot format its log folder"))


class Cluster:
    def __init__(self, directory, doors):
        controllers = {number: f"127.0.0.1:{reserve_port()}" for number in range(1, NODES + 1)}
        self.nodes = [Node(directory / f"kafka-{number}", number, controllers, doors) for number in controllers]
        self.bootstrap = ",".join(node.bootstrap for node in self.nodes)
        # Any node's methods that read topics and groups serve for all of them.
        self.client = self.nodes[0]
        self.client.bootstrap = self.bootstrap

    def start(self):
        for node in self.nodes:
            node.start(wait=False)
        for node in self.nodes:
            node.wait_ready()
        return self

    def doors(self, number):
        return [node.doors[number] for node in self.nodes]

    def create_topic(self, name, partitions, config):
        new = NewTopic(name, partitions, NODES, config=config)
        self.client._finish(self.client.admin().create_topics([new]))

    def remove(self):
        for node in self.nodes:
            node.remove()
