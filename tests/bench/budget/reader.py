"""Reads the snapshots as a data platform does, while they are committed, and notes when each became visible."""

import json
import threading
import time
import uuid

from confluent_kafka import KafkaException, TopicPartition

from harness.compare import read_sequence
from harness.wait import Failure

POLL_SECONDS = 0.01


class Reader:
    """seen[(model, record id)] is a list of (milliseconds since 1970, read sequence) in the topic's order."""

    def __init__(self, kafka, prefix, models):
        self.seen = {}
        self.count = 0
        self.last_at = None
        self._problem = None
        self._models = {f"{prefix}.snapshots.{model}": model for model in models}
        self._consumer = kafka.consumer(
            f"bench-{uuid.uuid4()}",
            isolation_level="read_committed",
            enable_auto_commit=False,
            fetch_wait_max_ms=10,
            fetch_message_max_bytes=16 * 1024 * 1024,
        )
        topics = kafka.topics(f"{prefix}.snapshots.")
        places = [TopicPartition(topic, number, 0) for topic in self._models for number in range(topics[topic])]
        self._consumer.assign(places)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def check(self):
        """Fails when the reading has failed."""
        if self._problem is not None:
            raise Failure(f"the snapshots cannot be read: {self._problem!r}") from self._problem

    def close(self):
        self._stopping.set()
        self._thread.join()
        self._consumer.close()

    def _run(self):
        try:
            while not self._stopping.is_set():
                for message in self._consumer.consume(1000, timeout=POLL_SECONDS):
                    self._take(message)
        except Exception as problem:  # the thread that measures reports it, see check()
            self._problem = problem

    def _take(self, message):
        now = time.time() * 1000
        if message.error():
            raise KafkaException(message.error())
        key = self._models[message.topic()], message.key().decode()
        sequence = read_sequence(json.loads(message.value())) if message.value() is not None else None
        if sequence is None:
            raise Failure(f"{key} says nothing of the read that it comes from: {message.value()!r:.200}")
        # No list is ever seen empty by the thread that measures.
        if key in self.seen:
            self.seen[key].append((now, sequence))
        else:
            self.seen[key] = [(now, sequence)]
        self.last_at = now
        self.count += 1
