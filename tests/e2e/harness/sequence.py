"""Webhooks with numbers: each key's are sent one at a time, the next only after the answer to the one before."""

import http.client
import json
import threading
import time
from collections import Counter, defaultdict
from urllib.parse import urlsplit

from harness.bridge import SIGNATURE_HEADER, sign
from harness.wait import Failure

MODEL = "residents"


class Sequence:
    """One sender for each key, in a thread and over a connection of its own, until stop().

    `accepted[key]` are the numbers that were answered 200, in order; `statuses` counts the answers, None for none. What
    was not answered 200 is sent again with the same number, as Propexo does.
    """

    def __init__(self, url, secret, keys, *, rate=None, padding=0):
        """`url` is a text, or a function that gives it; `rate` is that of all keys together, None = as fast as answers."""
        self.url = url
        self.secret = secret
        self.interval = len(keys) / rate if rate else 0
        self.padding = "x" * padding
        self.accepted = {key: [] for key in keys}
        self.statuses = Counter()
        self.slowest = 0.0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(key,), daemon=True) for key in keys]

    def start(self):
        for thread in self._threads:
            thread.start()
        return self

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self

    @property
    def count(self):
        return sum(map(len, self.accepted.values()))

    def body(self, key, number):
        diff = {"new": {"first_name": f"{number}"}, "previous": {"first_name": f"{number - 1}{self.padding}"}}
        data = {"event": "DATA_UPDATE", "integration_id": key, "object": MODEL, "record_id": f"r-{key}", "diff": diff}
        return json.dumps({"trigger": "DATA_UPDATE", "data": data}).encode()

    def _run(self, key):
        connection = None
        number = 0
        due = time.monotonic()
        while not self._stop.is_set():
            body = self.body(key, number)
            begun = time.monotonic()
            try:
                connection = connection or self._connect()
                connection.request("POST", "/webhooks", body, {SIGNATURE_HEADER: sign(body, self.secret)})
                answer = connection.getresponse()
                answer.read()
                status = answer.status
            except (OSError, http.client.HTTPException, Failure):
                status = None
                if connection:
                    connection.close()
                connection = None
            with self._lock:
                self.statuses[status] += 1
                self.slowest = max(self.slowest, time.monotonic() - begun)
            if status == 200:
                self.accepted[key].append(number)
                number += 1
            else:
                self._stop.wait(0.1)
            due += self.interval
            self._stop.wait(max(0, due - time.monotonic()))

    def _connect(self):
        target = urlsplit(self.url() if callable(self.url) else self.url)
        return http.client.HTTPConnection(target.hostname, target.port, timeout=60)


def numbers(messages):
    """{key: [number, ...]} of such webhooks in topic order, repeats included."""
    found = defaultdict(list)
    for message in messages:
        body = json.loads(message.value)
        found[message.key.decode()].append(int(body["data"]["diff"]["new"]["first_name"]))
    return found


def faults(sequence, messages, by_last=False):
    """What is lost, and what comes first after a higher number: sentences, none when all is well.

    With by_last it is the last appearance of each number that must be in order, not the first.
    """
    found = numbers(messages)
    problems = []
    for key, accepted in sequence.accepted.items():
        there = found[key]
        lost = sorted(set(accepted) - set(there))
        if lost:
            problems.append(f"{key}: {len(lost)} of {len(accepted)} accepted webhooks are not there: {lost[:10]}")
        once = list(dict.fromkeys(reversed(there)))[::-1] if by_last else list(dict.fromkeys(there))
        early = [(a, b) for a, b in zip(once, once[1:]) if b < a]
        if early:
            problems.append(f"{key}: {len(early)} come after a later one: {early[:10]}")
    return problems
