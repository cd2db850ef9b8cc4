"""Starts programs, reads the events of their logs, and leaves none behind."""

import concurrent.futures
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

from harness import logfmt
from harness.wait import Failure, wait_until

TOP = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("BRIDGE_BUILD", TOP / "build")).resolve()

TAIL_LINES = 40
STOP_SECONDS = 30
SANITIZER_MARKS = (
    "ERROR: AddressSanitizer",
    "LeakSanitizer",
    "WARNING: ThreadSanitizer",
    "runtime error:",
)

# The kernel kills a child when the THREAD that started it ends: one thread starts them all and lives as long as we do.
_spawner = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


def spawn(arguments, *, stdout, stderr, environment=None, directory=None):
    """Starts a program that Ctrl-C does not reach and that is killed when this process dies, in whatever way."""
    command = ["setpriv", "--pdeathsig", "KILL", "--", *map(str, arguments)]
    return _spawner.submit(
        subprocess.Popen,
        command,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=environment,
        cwd=directory,
        start_new_session=True,
    ).result()


def tail(path, lines=TAIL_LINES):
    """The last lines of a log, for a failure's message."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return "(no log)"
    return "\n".join(text.splitlines()[-lines:]) or "(the log is empty)"


class Event(dict):
    """One line of a log: its keys and values (texts), and its place among the log's events."""

    def __init__(self, pairs, index):
        super().__init__(pairs)
        self.index = index


class Program:
    """A program of ours. It may be started again after its end; each start has a log of its own."""

    def __init__(self, name, arguments=(), *, directory, environment=None, label=None):
        """`name` is a file below the build folder; `directory` takes the logs; `environment` is added to ours."""
        self.path = BUILD / name
        self.arguments = list(arguments)
        self.label = label or name
        self.directory = Path(directory)
        self.environment = dict(environment or {})
        self.starts = 0
        self.process = None
        self._reading = threading.Lock()  # a test may have threads
        self._reset()

    def _reset(self):
        self._events = []
        self._read_until = 0
        self._killed = False

    # Start

    def start(self):
        if self.running:
            raise Failure(f"{self.label} runs already")
        if not self.path.exists():
            raise Failure(f"{self.path} is not there: run make")
        with self._reading:  # else a thread would add the end of the old log to the new one's events
            self._reset()
            self.starts += 1
            self.log_path = self.directory / f"{self.label}-{self.starts}.log"
            self.output_path = self.directory / f"{self.label}-{self.starts}.out"
            self.log_path.touch()
        with open(self.log_path, "wb") as log, open(self.output_path, "wb") as output:
            self.started_at = time.monotonic()
            self.process = spawn(
                [*os.environ.get("BRIDGE_WRAPPER", "").split(), self.path, *self.arguments],
                stdout=output,
                stderr=log,
                environment=self._full_environment(),
                directory=self.directory,
            )
        return self

    def _full_environment(self):
        """Ours, but for settings of the bridge, which a test makes itself."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGE_")}
        return inherited | {name: str(value) for name, value in self.environment.items()}

    # Log

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def output(self):
        """What it wrote on standard output."""
        return self.output_path.read_text(encoding="utf-8", errors="replace")

    def events(self, name=None, **fields):
        """The log's events so far, those of one name, or those that have these fields too."""
        self._read_log()
        wanted = {key: str(value) for key, value in fields.items()} | ({"event": name} if name else {})
        return [event for event in self._events if wanted.items() <= event.items()]

    def wait_event(self, name, timeout=10, *, after=None, **fields):
        """The first such event, of those behind `after` when given. Fails at once when the program has ended."""

        def find():
            ended = not self.running
            first = 0 if after is None else after.index + 1
            found = [event for event in self.events(name, **fields) if event.index >= first]
            if not found and ended:
                raise Failure(self._message(f"ended with {self.exit_code} before event={name} {fields or ''}"))
            return found[0] if found else None

        return wait_until(find, timeout, lambda: self._message(f"event={name} {fields or ''}"))

    def _read_log(self):
        with self._reading, open(self.log_path, "rb") as file:
            file.seek(self._read_until)
            text = file.read()
            whole = text[: text.rfind(b"\n") + 1]
            self._read_until += len(whole)
            for line in whole.decode("utf-8", "replace").splitlines():
                pairs = logfmt.parse(line)
                if pairs and "event" in pairs:
                    self._events.append(Event(pairs, len(self._events)))

    def _message(self, what):
        return f"{self.label}: {what}\n--- {self.log_path}\n{tail(self.log_path)}"

    # Signals and the end

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        return self.process.pid

    @property
    def exit_code(self):
        """None while it runs; minus the signal's number when a signal ended it."""
        return self.process.poll()

    def signal(self, number):
        self.process.send_signal(number)

    def terminate(self):
        self.signal(signal.SIGTERM)

    def kill(self):
        """SIGKILL, and it is gone on return."""
        self._killed = True
        self.signal(signal.SIGKILL)
        self.process.wait()

    def freeze(self):
        """SIGSTOP: it stands still and answers nobody until thaw()."""
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def wait(self, timeout=STOP_SECONDS):
        """Waits for its end; returns the exit code."""
        wait_until(lambda: not self.running, timeout, lambda: self._message("has not ended"))
        return self.exit_code

    def stop(self, timeout=STOP_SECONDS):
        """SIGTERM, then waits for its end; returns the exit code."""
        self.terminate()
        return self.wait(timeout)

    def close(self, exit_code=0):
        """For the end of a test: nothing runs on return. Fails after a bad end or a sanitizer's report."""
        if self.process is None:
            return
        problem = None
        if self.running:
            problem = self._end(exit_code)
        elif self.exit_code < 0 and not self._killed:
            problem = f"was ended by {signal.Signals(-self.exit_code).name}, which the test did not send"
        finding = self._sanitizer_finding()
        if finding:
            problem = f"a sanitizer found something\n{finding}"
        if problem:
            raise Failure(self._message(problem))

    def _end(self, exit_code):
        self.thaw()
        try:
            code = self.stop()
        except Failure:
            self.kill()
            return "does not end on SIGTERM"
        return None if code == exit_code else f"ended with {code} on SIGTERM, not {exit_code}"

    def _sanitizer_finding(self):
        """The report's beginning in any of its logs, or None."""
        for path in sorted(self.directory.glob(f"{self.label}-*.log")):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            for number, line in enumerate(lines):
                if any(mark in line for mark in SANITIZER_MARKS):
                    return "\n".join([str(path), *lines[number : number + 60]])
        return None

    # Resources

    def memory(self):
        """Its VmRSS, VmHWM, RssAnon and the like, in bytes."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            pairs = (line.split(":", 1) for line in file)
            return {key: int(value.split()[0]) * 1024 for key, value in pairs if value.endswith("kB\n")}
