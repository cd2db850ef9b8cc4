"""A server in Java that the tests start, stop and start again on the same ports and data."""

import os
import signal
import time
from pathlib import Path

from harness.process import spawn, tail
from harness.wait import Failure, wait_until

START_SECONDS = 90
STOP_SECONDS = 60

# A small heap, and no optimising compiler or parallel collector: they start in less time, which is what counts here.
JAVA_FLAGS = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData")


def java():
    home = os.environ.get("JAVA_HOME")
    return Path(home, "bin", "java") if home else "java"


class JavaServer:
    """The parts that a broker and a registry share. A subclass says how to start it and whether it answers."""

    name = ""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log_path = self.directory / f"{self.name}.log"
        self.process = None
        self.start_seconds = None

    def _command(self):
        raise NotImplementedError

    def _answers(self):
        raise NotImplementedError

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def run(self, arguments):
        """Starts java with these arguments; its output joins the log."""
        flags = [*JAVA_FLAGS, f"-Djava.io.tmpdir={self.directory}"]
        with open(self.log_path, "ab") as log:
            return spawn([java(), *flags, *arguments], stdout=log, stderr=log, directory=self.directory)

    def start(self, wait=True):
        """Starts it. With wait=False, wait_ready() is for the caller to call."""
        self._started_at = time.monotonic()
        self.process = self.run(self._command())
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        """Returns when it answers; start_seconds then says how long that took."""
        wait_until(self._ready, START_SECONDS, lambda: self._message("does not answer"), interval=0.05)
        self.start_seconds = time.monotonic() - self._started_at

    def _ready(self):
        if not self.running:
            raise Failure(self._message(f"ended with {self.process.poll()}"))
        return self._answers()

    def _message(self, what):
        return f"{self.name}: {what}\n--- {self.log_path}\n{tail(self.log_path)}"

    def stop(self):
        """SIGTERM: it ends in good order. Nothing happens when it does not run."""
        self._end(signal.SIGTERM)

    def kill(self):
        """SIGKILL, as when a machine loses power."""
        self._end(signal.SIGKILL)

    def _end(self, number):
        if not self.running:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(number)
        try:
            wait_until(lambda: not self.running, STOP_SECONDS, lambda: self._message("has not ended"))
        finally:
            self.process.kill()
            self.process.wait()

    def restart(self):
        """Stops it and starts it on the same ports and data."""
        self.stop()
        self.start()

    def freeze(self):
        """SIGSTOP: connections stay open and nobody answers."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)
