"""Somebody else who spends requests of the same token, evenly."""

import concurrent.futures
import threading
import time


class OtherClient:
    """Asks for a list of one record so many times a minute, from now until close()."""

    def __init__(self, simulator, model, per_minute):
        self.statuses = []
        self._simulator = simulator
        self._path = f"/v1/{model}/?limit=1"
        self._interval = 60 / per_minute
        self._stopping = threading.Event()
        # An answer can take more than two seconds: several wait side by side, so that the beat is kept.
        self._pool = concurrent.futures.ThreadPoolExecutor(8)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        due = time.monotonic()
        while not self._stopping.wait(max(0, due - time.monotonic())):
            self._pool.submit(self._ask)
            due += self._interval

    def _ask(self):
        self.statuses.append(self._simulator.get(self._path).status)

    def close(self):
        """Returns when all its answers have come."""
        self._stopping.set()
        self._thread.join()
        self._pool.shutdown()
