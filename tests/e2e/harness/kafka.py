"""A real Apache Kafka: one node that is broker and controller, and what tests ask of it by Confluent's client."""

import shutil
import uuid
from dataclasses import dataclass

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from harness.java import JavaServer
from harness.ports import reserve_port
from harness.process import TOP
from harness.wait import Failure, wait_until

LIBRARIES = TOP / "build/e2e/kafka/lib"
LIBRARIES_3_9 = TOP / "build/e2e/kafka-3.9/lib"
LOGGING = TOP / "tests/e2e/kafka/log4j2.properties"
ISOLATIONS = ("read_committed", "read_uncommitted")
ANSWER_SECONDS = 30
NOT_THERE_YET = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError._DESTROY_BROKER,  # the client has just heard of other brokers
)

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    # One node cannot hold more copies.
    "offsets.topic.replication.factor": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    # Few partitions and threads: a quicker start.
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.num.partitions": 4,
    "num.network.threads": 2,
    "num.io.threads": 4,
    # Nothing waits longer than it must.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    "broker.session.timeout.ms": 3000,
    "broker.heartbeat.interval.ms": 500,
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
    "log.segment.delete.delay.ms": 1000,
    # Many tests, many topics: a partition's index files are mapped into memory.
    "log.index.size.max.bytes": 1024 * 1024,
    # A topic that the bridge forgot to create must show.
    "auto.create.topics.enable": "false",
}


@dataclass(frozen=True)
class Message:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple  # of (name, bytes), in order
    timestamp: int  # milliseconds since the epoch

    def header(self, name):
        """The value of the first header of that name as text, or None."""
        return next((value.decode() for found, value in self.headers if found == name), None)


@dataclass(frozen=True)
class Door:
    """A listener of the broker for clients that come through a proxy: it tells them the proxy's address as its own."""

    inner: int  # the broker's port
    outer: int  # the proxy's

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.outer}"


class Kafka(JavaServer):
    name = "kafka"
    libraries = LIBRARIES

    def __init__(self, directory, settings=None, doors=0):
        """`settings` are broker properties that join or replace those above; `doors` is a number of `Door`s."""
        super().__init__(directory)
        self.port = reserve_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.doors = [Door(reserve_port(), reserve_port()) for _ in range(doors)]
        self.data = self.directory / "data"
        self._properties = self.directory / "server.properties"
        self._write_properties(settings or {})
        self._admin = None

    def _write_properties(self, extra):
        controller = self._controller()
        listeners = self._listeners()
        inner = [f"{name}://127.0.0.1:{port}" for name, port, _, _ in listeners]
        outer = [f"{name}://{told}" for name, _, told, _ in listeners]
        protocols = [f"{name}:{protocol}" for name, _, _, protocol in listeners]
        settings = SETTINGS | {
            "listeners": ",".join([*inner, f"CONTROLLER://{controller}"]),
            "advertised.listeners": ",".join(outer),
            "listener.security.protocol.map": ",".join([*protocols, "CONTROLLER:PLAINTEXT"]),
            "log.dirs": self.data,
        }
        lines = [f"{key}={value}\n" for key, value in (settings | self._quorum(controller) | extra).items()]
        self._properties.write_text("".join(lines), encoding="utf-8")

    def _listeners(self):
        """Of each its name, port, the address that it tells as its own, and its security protocol."""
        doors = [(f"DOOR{number}", door.inner, door.bootstrap, "PLAINTEXT") for number, door in enumerate(self.doors)]
        return [("PLAINTEXT", self.port, self.bootstrap, "PLAINTEXT"), *doors]

    def _controller(self):
        return f"127.0.0.1:{reserve_port()}"

    def _quorum(self, controller):
        return {"controller.quorum.bootstrap.servers": controller}

    # Start and stop

    def _java(self, *arguments):
        return ["-Xmx512m", f"-Dlog4j2.configurationFile={LOGGING}", "-cp", f"{self.libraries}/*", *arguments]

    def _command(self):
        return self._java("kafka.Kafka", self._properties)

    def start(self, wait=True):
        if not self.data.exists():
            self._format()
        return super().start(wait)

    def _format(self):
        cluster = str(uuid.uuid4())
        tool = ("kafka.tools.StorageTool", "format", "--standalone", *self._first_records())
        process = self.run(self._java(*tool, "--cluster-id", cluster, "--config", self._properties))
        if process.wait() != 0:
            raise Failure(self._message("cannot format its log folder"))

    def _first_records(self):
        """Arguments for what the cluster is to know from its first start on."""
        return ()

    def _answers(self):
        """True when it lists its topics: the broker is out of its recovery and knows its controller."""
        try:
            return bool(self.admin().list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    def remove(self):
        """Ends it and deletes its data; the log stays."""
        self.kill()
        self._admin = None
        shutil.rmtree(self.data, ignore_errors=True)

    # Topics

    def admin(self):
        if self._admin is None:
            # While the broker starts, failed connections are no news and must not be waited for.
            quick = {"log_level": 0, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100}
            self._admin = AdminClient({"bootstrap.servers": self.bootstrap} | quick)
        return self._admin

    def create_topics(self, *names, partitions=1, config=None):
        """Returns when the broker, which hears of them from its controller, lists them."""
        new = [NewTopic(name, partitions, 1, config=config or {}) for name in names]
        self._finish(self.admin().create_topics(new))
        wait_until(lambda: self.topics().keys() >= set(names), ANSWER_SECONDS, f"the topics {names}")

    def delete_topics(self, *names):
        self._finish(self.admin().delete_topics(list(names)))

    def topics(self, prefix=""):
        """Names (that begin so) and their partition counts."""
        found = self.admin().list_topics(timeout=ANSWER_SECONDS).topics.values()
        return {topic.topic: len(topic.partitions) for topic in found if topic.topic.startswith(prefix)}

    def topic_config(self, name):
        """All settings of a topic as texts, defaults included."""
        resource = ConfigResource(ConfigResource.Type.TOPIC, name)
        entries = self._finish(self.admin().describe_configs([resource]))[resource]
        return {key: entry.value for key, entry in entries.items()}

    @staticmethod
    def _finish(futures):
        return {key: future.result(timeout=ANSWER_SECONDS) for key, future in futures.items()}

    # Messages

    def producer(self, **properties):
        """A producer with properties of its own, for transactions and the like: transactional_id="a"."""
        return Producer(self._client_properties(properties))

    def consumer(self, group, **properties):
        return Consumer(self._client_properties({"group.id": group} | properties))

    def _client_properties(self, properties):
        dotted = {key.replace("_", "."): value for key, value in properties.items()}
        return {"bootstrap.servers": self.bootstrap, "log_level": 0} | dotted

    def produce(self, topic, messages, **properties):
        """Writes (key, value) or (key, value, headers) in order; returns when all are acknowledged."""
        producer = self.producer(**({"enable.idempotence": True, "partitioner": "murmur2_random"} | properties))
        failures = []

        def delivered(error, _):
            if error:
                failures.append(error)

        for key, value, *headers in messages:
            produce_one(producer, topic, key, value, headers[0] if headers else None, delivered)
        remaining = producer.flush(ANSWER_SECONDS)
        if remaining or failures:
            raise Failure(f"{topic}: {remaining} messages without an answer, refused: {failures[:3]}")

    def read(self, topic, isolation="read_committed", timeout=120):
        """The messages of a topic from its beginning to its end at the time of the call, by partition and offset.

        With read_committed the end is the last stable offset: what an open transaction holds back is not waited for.
        """
        return self.read_all([topic], isolation, timeout)

    def read_all(self, topics, isolation="read_committed", timeout=120):
        """The same for several topics by one consumer, which takes far less time than one for each."""
        consumer = self.consumer(
            f"reader-{uuid.uuid4()}",
            **{
                "isolation.level": isolation,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,
                "message.max.bytes": 64 * 1024 * 1024,
                "fetch.message.max.bytes": 16 * 1024 * 1024,
            },
        )
        try:
            return self._read_to_end(consumer, topics, timeout)
        finally:
            consumer.close()

    def _read_to_end(self, consumer, topics, timeout):
        ends = {(topic, number): ends for topic in topics for number, ends in self._ends(consumer, topic).items()}
        open_places = {place for place, (low, high) in ends.items() if low < high}
        consumer.assign([TopicPartition(*place, ends[place][0]) for place in open_places])
        messages = []

        def read_some():
            for message in consumer.consume(1000, timeout=0.05) if open_places else ():
                place = message.topic(), message.partition()
                if message.error() is None and message.offset() < ends[place][1]:
                    messages.append(_from_client(message))
                elif message.error() and message.error().code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(message.error())
                if message.offset() >= ends[place][1] - 1:
                    open_places.discard(place)
            return not open_places

        wait_until(read_some, timeout, lambda: f"the end of {sorted(open_places)}", interval=0)
        return sorted(messages, key=lambda message: (message.topic, message.partition, message.offset))

    def ends(self, *topics):
        """{(topic, partition): the offset behind the last message}."""
        partitions = self.topics()
        places = [(topic, number) for topic in topics for number in range(partitions[topic])]
        consumer = self.consumer(f"ends-{uuid.uuid4()}")
        try:
            return {place: self._watermarks(consumer, *place)[1] for place in places}
        finally:
            consumer.close()

    def _ends(self, consumer, topic):
        partitions = self.admin().list_topics(topic, timeout=ANSWER_SECONDS).topics[topic].partitions
        if not partitions:
            raise Failure(f"there is no topic {topic}")
        return {partition: self._watermarks(consumer, topic, partition) for partition in partitions}

    def _watermarks(self, consumer, topic, partition):
        """A topic that was just made may not have its leader yet: that is waited for."""
        found = []

        def ask():
            try:
                place = TopicPartition(topic, partition)
                found[:] = consumer.get_watermark_offsets(place, timeout=ANSWER_SECONDS)
            except KafkaException as error:
                if error.args[0].code() not in NOT_THERE_YET:
                    raise
            return bool(found)

        wait_until(ask, ANSWER_SECONDS, f"the leader of {topic} [{partition}]", interval=0.05)
        return tuple(found)

    # Groups

    def committed(self, group):
        """What a group has committed: {(topic, partition): (offset, metadata)}."""
        request = [ConsumerGroupTopicPartitions(group)]
        result = self._finish(self.admin().list_consumer_group_offsets(request))[group]
        return {(place.topic, place.partition): (place.offset, place.metadata) for place in result.topic_partitions}

    def behind(self, group, prefix):
        """The partitions of topics whose names begin so in which messages lie behind what the group has committed."""
        committed = self.committed(group)
        consumer = self.consumer(f"reader-{uuid.uuid4()}")
        try:
            ends = {
                (topic, partition): (high, max(low, committed.get((topic, partition), (low, None))[0]))
                for topic in self.topics(prefix)
                for partition, (low, high) in self._ends(consumer, topic).items()
            }
        finally:
            consumer.close()
        behind = {place: (high, reached) for place, (high, reached) in ends.items() if high > reached}
        return {place: ends for place, ends in behind.items() if self._has_messages(place, ends[1])}

    def _has_messages(self, place, offset):
        """Behind this offset lie messages, and not only a transaction's marker, which no consumer is given."""
        consumer = self.consumer(f"reader-{uuid.uuid4()}", **{"enable.partition.eof": True, "fetch.wait.max.ms": 20})
        try:
            consumer.assign([TopicPartition(*place, offset)])
            found = []
            wait_until(lambda: found.extend(consumer.consume(1, timeout=0.05)) or found, ANSWER_SECONDS, "an answer", 0)
            return found[0].error() is None or found[0].error().code() != KafkaError._PARTITION_EOF
        finally:
            consumer.close()

    def wait_consumed(self, group, prefix, timeout=120):
        """Returns when the group has committed all messages of the topics whose names begin so."""
        wait_until(
            lambda: not self.behind(group, prefix),
            timeout,
            lambda: f"{group} has not committed all of {prefix}*: (end, committed) = {self.behind(group, prefix)}",
            interval=0.2,
        )
        wait_until(
            lambda: not self.unsettled(prefix.partition("events.")[0] + "snapshots."),
            timeout,
            lambda: f"open transactions: {self.unsettled(prefix.partition('events.')[0] + 'snapshots.')}",
            interval=0.05,
        )

    def unsettled(self, prefix):
        """The partitions of topics whose names begin so that end in a transaction without its marker: (stable, end).

        The markers of a transaction reach its partitions one by one: that of the group's offsets may be there before
        those of the messages are.
        """
        readers = [self.consumer(f"ends-{uuid.uuid4()}", isolation_level=level) for level in ISOLATIONS]
        try:
            found = {}
            for topic in self.topics(prefix):
                stable, ends = (self._ends(reader, topic) for reader in readers)
                found |= {(topic, number): (stable[number][1], ends[number][1]) for number in ends}
        finally:
            for reader in readers:
                reader.close()
        return {place: (stable, end) for place, (stable, end) in found.items() if stable < end}

    def delete_group(self, name):
        """The group has no members; what it has committed is gone on return."""
        self._finish(self.admin().delete_consumer_groups([name]))

    def cut(self, topic):
        """Deletes what lies in a topic now, as retention does."""
        ends = [TopicPartition(*place, end) for place, end in self.ends(topic).items()]
        self._finish(self.admin().delete_records(ends))

    def group(self, name):
        """Confluent's description of a consumer group: state, members and their assignments."""
        return self._finish(self.admin().describe_consumer_groups([name]))[name]


def produce_one(producer, topic, key, value, headers, delivered):
    """Waits for room in the producer's queue where there is none."""

    def try_once():
        try:
            producer.produce(topic, value, key, headers=headers, on_delivery=delivered)
            return True
        except BufferError:
            producer.poll(0.05)
            return False

    wait_until(try_once, ANSWER_SECONDS, f"room for a message to {topic}", interval=0)


def _from_client(message):
    return Message(
        message.topic(),
        message.partition(),
        message.offset(),
        message.key(),
        message.value(),
        tuple(message.headers() or ()),
        message.timestamp()[1],
    )
