"""The load: the simulator's changes, numbered webhooks in order, and webhooks that nobody can route."""

import json
import random
import threading
import time
import uuid

from chaos.world import READ, SMALL_MESSAGE, SMALL_TOPIC, World
from harness.bridge import SIGNATURE_HEADER, sign
from harness.http_client import request
from harness.sequence import Sequence
from harness.simulator import SECRET

RATE = 40
HOT = 6  # records of each model that change all the time
HOT_RATE = 15
BURSTS = 3  # a second: records that change some times in a row, and then rest
BURST_CHANGES = 6
BURST_SECONDS = 0.25  # from one change to the next, at most
KEYS = 3  # numbered ones at each receiver
NUMBERED_RATE = 30
UNROUTABLE = "spaceships"
CODE = "unknown-model"


def post(url, body):
    """The status, or None for no answer."""
    data = json.dumps(body).encode()
    try:
        return request("POST", url, data, {SIGNATURE_HEADER: sign(data, SECRET)}, timeout=30).status
    except OSError:
        return None


class Load:
    def __init__(self, world: World, seed):
        self.world = world
        self.random = random.Random(seed + 1)
        self.letters = []  # marks of the unroutable webhooks that were answered 200
        self.syncs = {}  # by mark: the syncs that were answered 200
        # A sync makes good whatever was lost before, so half of the integrations have none but the first one.
        found = world.integrations
        self.busy, self.calm = found[::2], found[1::2]
        self._stop = threading.Event()
        self._threads = []
        owners = {
            (model, key): record["integration_id"]
            for model in READ
            for key, record in sorted(world.simulator.truth(model).items())
        }
        busy = [place for place, owner in owners.items() if owner in self.busy]
        self.hot = [place for model in READ for place in self.random.sample([one for one in busy if one[0] == model], HOT)]
        self.large_key = next(key for model, key in busy if model == SMALL_TOPIC and (model, key) not in self.hot)
        self._calm = [place for place, owner in owners.items() if owner in self.calm]
        self.random.shuffle(self._calm)
        # Order is kept by the one receiver that has taken them, so each key has one.
        self.sequences = [
            Sequence(
                f"http://127.0.0.1:{world.port(member)}/webhooks",
                SECRET,
                [f"numbered-{member.name}-{number}" for number in range(KEYS)],
                rate=NUMBERED_RATE,
            )
            for member in world.receivers
        ]

    def start(self):
        for integration in self.world.integrations:
            self.sync("FIRST_SYNC_COMPLETE", integration)
        self.world.simulator.begin(self.world.url, rate=RATE)
        for sequence in self.sequences:
            sequence.start()
        for work in (self._send_letters, self._change_hot, *[self._change_in_bursts] * BURSTS):
            self._threads.append(threading.Thread(target=work, daemon=True))
            self._threads[-1].start()
        return self

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for sequence in self.sequences:
            sequence.stop()
        # So that the last state of each of these has an event behind all others.
        for model, key in self.hot:
            self._change(model, key)
        self.world.simulator.end(240)

    @property
    def accepted(self):
        return sum(sequence.count for sequence in self.sequences) + len(self.letters) + len(self.syncs)

    def sync(self, kind, integration):
        """Sends one until it is answered 200, as Propexo does."""
        mark = uuid.uuid4().hex
        data = {"event": kind, "integration_id": integration, "vendor": "SAMPLE1", "is_sync_finished": True, "mark": mark}
        while post(self.world.url, {"trigger": kind, "data": data}) != 200:
            time.sleep(0.5)
        self.syncs[mark] = kind

    def _send_letters(self):
        while not self._stop.wait(0.5):
            mark = uuid.UUID(int=self.random.getrandbits(128)).hex
            data = {"event": "DATA_UPDATE", "integration_id": "letters", "object": UNROUTABLE, "record_id": mark}
            data["diff"] = {"new": {"a": 1}, "previous": {"a": 0}}
            if post(self.world.url, {"trigger": "DATA_UPDATE", "data": data}) == 200:
                self.letters.append(mark)

    def _change_hot(self):
        while not self._stop.wait(1 / HOT_RATE):
            self._change(*self.random.choice(self.hot))

    def _change_in_bursts(self):
        """Events of a record come while it is fetched, and none after them: the last one must be worth a fetch as well."""
        chance = random.Random(self.random.random())
        while not self._stop.wait(chance.uniform(0, 1)) and self._calm:
            place = self._calm.pop()
            for _ in range(BURST_CHANGES):
                self._change(*place)
                time.sleep(chance.uniform(0, BURST_SECONDS))

    def make_large(self):
        """A record becomes larger than Kafka takes for its topic."""
        fields = {"custom_data": {"text": "x" * SMALL_MESSAGE}}
        self.world.simulator.change(SMALL_TOPIC, self.large_key, fields, webhook=True)

    def make_small(self):
        """And small again."""
        self._change(SMALL_TOPIC, self.large_key)

    def _change(self, model, key):
        fields = {"custom_data": {"text": f"{self.random.random()}"}}
        self.world.simulator.change(model, key, fields, webhook=True)
