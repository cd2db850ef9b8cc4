"""A steady load of webhooks over connections that are kept alive, of which every single one is accounted for."""

import http.client
import json
import random
import select
import threading
import time
from collections import Counter

from harness.bridge import SIGNATURE_HEADER, sign

ANSWER_SECONDS = 30
REFUSED_PAUSE_SECONDS = 0.05


class Sender(threading.Thread):
    """Sends one webhook after the other, each for a record of its own, over one connection as long as that lasts.

    As any pool of connections does, it looks whether the server has ended the connection before it uses it again. A
    refused connection is tried again: nothing was sent. Whatever else is no answer is a broken request.
    """

    def __init__(self, load, name, port, pause):
        super().__init__(name=name, daemon=True)
        self.load, self.port, self.pause = load, port, pause
        self.random = random.Random(name)
        self.connection = None
        self.kept = []  # ids whose webhooks were answered 200
        self.statuses = Counter()
        self.refused = 0
        self.broken = []

    def run(self):
        number = 0
        while not self.load.ending.is_set():
            number += 1
            self.send(f"{self.name}-{number}")
            time.sleep(self.random.random() * 2 * self.pause)
        if self.connection:
            self.connection.close()

    def connect(self):
        while self.connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
            try:
                connection.connect()
            except ConnectionRefusedError:
                self.refused += 1
                time.sleep(REFUSED_PAUSE_SECONDS)
            else:
                self.connection = connection

    def send(self, identifier):
        body = self.load.body(identifier)
        if self.connection and select.select([self.connection.sock], [], [], 0)[0]:
            self.drop()
        self.connect()
        try:
            headers = {SIGNATURE_HEADER: sign(body, self.load.secret), "Content-Type": "application/json"}
            self.connection.request("POST", "/webhooks", body, headers)
            answer = self.connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.broken.append(f"{time.strftime('%H:%M:%S')} {identifier}: {error!r}")
            self.drop()
            return
        self.statuses[answer.status] += 1
        if answer.status == 200:
            self.kept.append(identifier)
        if self.connection.sock is None:  # the answer said so
            self.drop()

    def drop(self):
        self.connection.close()
        self.connection = None


class WebhookLoad:
    """Ends with stop(); then the sums can be asked for."""

    def __init__(self, secret, model="residents", integration="intg-1"):
        self.secret, self.model, self.integration = secret, model, integration
        self.ending = threading.Event()
        self.senders = []

    def body(self, identifier):
        meta = {"object": self.model, "integration_id": self.integration}
        diff = {"previous": {"first_name": "Sarah"}, "new": {"first_name": "Mary"}}
        return json.dumps({"meta": meta, "record_id": identifier, "diff": diff}).encode()

    def start(self, name, port, count, pause):
        """So many senders to a port, each of which rests for `pause` seconds between requests, on the average."""
        new = [Sender(self, f"{name}{number}", port, pause) for number in range(count)]
        self.senders += new
        for sender in new:
            sender.start()

    def stop(self):
        self.ending.set()
        for sender in self.senders:
            sender.join(2 * ANSWER_SECONDS)
            assert not sender.is_alive(), f"{sender.name} hangs"

    def statuses(self):
        return sum((sender.statuses for sender in self.senders), Counter())

    def kept(self):
        return [identifier for sender in self.senders for identifier in sender.kept]

    def broken(self):
        return [line for sender in self.senders for line in sender.broken]

    def refused(self):
        return sum(sender.refused for sender in self.senders)
