"""The load: the simulator's changes, numbered webhooks in order, and webhooks that nobody can route."""

import json
import random
import threading
import time
import uuid

from chaos.world import READ, SMALL_TOPIC, World
from harness.bridge import SIGNATURE_HEADER, sign
from harness.http_client import request
from harness.sequence import Sequence
from harness.simulator import SECRET

RATE = 40
HOT = 6  # records of each model that change all the time
HOT_RATE = 15
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
        self.syncs = 0
        self._stop = threading.Event()
        self._threads = []
        truth = {model: sorted(world.simulator.truth(model)) for model in READ}
        self.hot = [(model, key) for model in READ for key in self.random.sample(truth[model], HOT)]
        self.large_key = next(key for key in truth[SMALL_TOPIC] if (SMALL_TOPIC, key) not in self.hot)
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
        for work in (self._send_letters, self._change_hot):
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
        return sum(sequence.count for sequence in self.sequences) + len(self.letters) + self.syncs

    def sync(self, kind, integration):
        """Sends one until it is answered 200, as Propexo does."""
        data = {"event": kind, "integration_id": integration, "vendor": "SAMPLE1", "is_sync_finished": True}
        while post(self.world.url, {"trigger": kind, "data": data}) != 200:
            time.sleep(0.5)
        self.syncs += 1

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

    def _change(self, model, key):
        fields = {"custom_data": {"text": f"{self.random.random()}"}}
        self.world.simulator.change(model, key, fields, webhook=True)
