"""Proxies between a process of the bridge and its brokers that know what each connection is for, so that one kind can be held.

    gate = Gate()                     # of all the proxies of a process
    proxies = [KafkaProxy(gate), ...]
    gate.hold(FETCHER, ANSWERS)       # what is fetched stays here; all else passes
    gate.hold_transactions()          # what the transactional producer sends, from the end of its transaction on
    gate.release(FETCHER, ANSWERS)
    gate.open()                       # all passes

Each of librdkafka's connections serves one purpose. Which one shows by its first requests: each begins with four bytes of
length and two that tell its kind (https://kafka.apache.org/protocol#protocol_api_keys).
"""

import asyncio
from weakref import WeakKeyDictionary

from harness.tcp_proxy import TcpProxy

MEMBER, FETCHER, PRODUCER = "member", "fetcher", "producer"
REQUESTS, ANSWERS = "requests", "answers"
KEY = slice(4, 6)  # of a request
INIT_PRODUCER, ADD_PARTITIONS, END_TRANSACTION = 22, 24, 26
KINDS = {
    1: FETCHER,  # Fetch
    11: MEMBER,  # JoinGroup
    12: MEMBER,  # Heartbeat
    14: MEMBER,  # SyncGroup
    0: PRODUCER,  # Produce
    INIT_PRODUCER: PRODUCER,
    ADD_PARTITIONS: PRODUCER,
    25: PRODUCER,  # AddOffsetsToTxn
    END_TRANSACTION: PRODUCER,
    28: PRODUCER,  # TxnOffsetCommit
}
LOOK_SECONDS = 0.005


class Gate:
    """What is held of the connections of one process. Each method is one step for the proxies' threads."""

    def __init__(self):
        self._held = frozenset()  # of (kind, direction)
        self.met = False  # the transactional producer has something that is held
        self._in_transaction = False
        self._hold_next = False

    def hold(self, kind, direction):
        self._held |= {(kind, direction)}

    def release(self, kind, direction):
        self._held -= {(kind, direction)}

    def hold_transactions(self):
        self._hold_next = self._in_transaction
        if not self._in_transaction:
            self.hold(PRODUCER, REQUESTS)

    def open(self):
        self._hold_next = self.met = False
        self._held = frozenset()

    def holds(self, kind, direction):
        return (kind, direction) in self._held

    def passed(self, key):
        """A request passes."""
        if key == ADD_PARTITIONS:
            self._in_transaction = True
        elif key in (INIT_PRODUCER, END_TRANSACTION):
            self._in_transaction = False
            if self._hold_next:
                self.hold_transactions()


class KafkaProxy(TcpProxy):
    def __init__(self, gate):
        super().__init__()
        self._gate = gate
        self._kinds = WeakKeyDictionary()  # by connection, once it is known

    async def _may_pass(self, data, client, is_answer):
        await super()._may_pass(data, client, is_answer)
        key = None if is_answer or len(data) < KEY.stop else int.from_bytes(data[KEY], "big")
        kind = self._kinds.get(client) or KINDS.get(key)
        if kind:
            self._kinds[client] = kind
        while self._gate.holds(kind, ANSWERS if is_answer else REQUESTS):
            self._gate.met |= kind == PRODUCER
            await asyncio.sleep(LOOK_SECONDS)
        if kind == PRODUCER:
            self._gate.passed(key)
