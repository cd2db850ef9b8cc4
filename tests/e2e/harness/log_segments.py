"""What lies in a topic's log files: batches with their producers, and the markers that end transactions.

Consumers are told neither who produced a message nor what became of a transaction. The files' format is that of a record
batch in Kafka's protocol (magic 2), https://kafka.apache.org/documentation/#recordbatch.
"""

import struct
from dataclasses import dataclass

HEAD = struct.Struct(">qiibIhiqqqhii")
TRANSACTIONAL, CONTROL = 0x10, 0x20
COMMIT = 1


@dataclass
class Batch:
    topic: str
    partition: int
    offset: int  # of its first message
    count: int
    producer: int  # its id
    epoch: int
    time: float  # of its last message, in seconds since the epoch, as the producer says
    committed: bool | None = None  # None: its transaction is open

    @property
    def place(self):
        return self.topic, self.partition, self.offset


def _read(data):
    """(head, the bytes behind it) of each batch."""
    place = 0
    while place + HEAD.size <= len(data):
        head = HEAD.unpack_from(data, place)
        end = place + 12 + head[1]  # the length counts from behind itself
        if end > len(data):
            return  # it is being written
        yield head, data[place + HEAD.size : end]
        place = end


def _marker(record):
    """The kind of a control record: its length, attributes and deltas are one byte each; then a key of two numbers."""
    return struct.unpack_from(">hh", record, 5)[1]


def batches(kafka, topic):
    """The transactional batches of a topic, by partition and offset. Kafka may run."""
    found = []
    for folder in sorted(kafka.data.glob(f"{topic}-*")):
        partition = folder.name.removeprefix(f"{topic}-")
        if partition.isdigit():
            found += _batches(folder, topic, int(partition))
    return found


def _batches(folder, topic, partition):
    found, open_ones = [], {}
    for path in sorted(folder.glob("*.log")):
        for head, records in _read(path.read_bytes()):
            offset, _, _, magic, _, attributes, _, _, latest, producer, epoch, _, count = head
            assert magic == 2, f"{path}: a batch of magic {magic}"
            if attributes & CONTROL:
                for batch in open_ones.pop(producer, ()):
                    batch.committed = _marker(records) == COMMIT
            elif attributes & TRANSACTIONAL:
                batch = Batch(topic, partition, offset, count, producer, epoch, latest / 1000)
                open_ones.setdefault(producer, []).append(batch)
                found.append(batch)
    return found
