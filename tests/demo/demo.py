#!/usr/bin/env python3
"""The demo behind `make demo`: webhooks with partial diffs become whole snapshots, before your eyes.

Starts a simulated Propexo and the bridge with its embedded Kafka on free ports, lets the simulator change its data for
DEMO_SECONDS (30; 0 = until Ctrl-C), and shows what flows. At the end it compares the last snapshot of every record with
the simulator's own state, field by field. Exit code: 0 when they are equal, 1 when not, 70 when something failed.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "e2e"))

from harness import compare
from harness.bridge import Bridge
from harness.process import BUILD
from harness.simulator import SECRET, TOKEN, Simulator
from harness.wait import Failure, wait_until

SECONDS = int(os.environ.get("DEMO_SECONDS", "30"))
MODELS = ["residents", "leases", "units", "properties"]
RECORDS = 200
INTEGRATIONS = 3
CHANGES_A_SECOND = 20
UNENDING = 10**9
SETTLE_SECONDS = 60
KCAT_SECONDS = 60

LEFT_WIDTH = 44
RIGHT_WIDTH = 52
ROWS = 22
COLUMNS = (("second", 8), ("webhooks in", 14), ("waiting", 10), ("snapshots out", 16), ("API requests", 15))


def say(text=""):
    print(text, flush=True)


def columns(character):
    """How many columns of a terminal a character takes."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fit(text, width):
    """The text in exactly that many columns: cut or filled up; what a terminal would obey is shown as a dot."""
    text = "".join(character if character.isprintable() else "·" for character in text)
    cut = ""
    while sum(map(columns, text + cut)) > width:
        text, cut = text[:-1], "…"
    return text + cut + " " * (width - sum(map(columns, text + cut)))


# Start


def start_simulator(directory):
    return Simulator(
        directory=directory,
        seed=1,
        records=RECORDS,
        integrations=INTEGRATIONS,
        models=MODELS,
        shape="mixed",
        limit_per_minute=0,
        latency_ms=20,
    )


def make_bridge(directory, simulator):
    settings = {
        "bridge.models": ",".join(MODELS),
        "kafka.bootstrap.servers": "embedded",
        "receiver.listen": "127.0.0.1:0",
        "admin.listen": "127.0.0.1:0",
        "api.base_url": simulator.url,
        "api.requests_per_minute": 0,
    }
    arguments = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    secrets = {"BRIDGE_API_TOKEN": TOKEN, "BRIDGE_RECEIVER_SECRET": SECRET}
    return Bridge("run", {}, directory=directory, arguments=arguments, environment=secrets)


# The live lines


class Live:
    """One line a second from the bridge's metrics."""

    def __init__(self, bridge):
        self.bridge = bridge
        self.began = time.monotonic()
        self.second = 0
        self.joined = False
        say("".join(name.rjust(width) for name, width in COLUMNS))

    def next(self):
        """Waits for the next full second and prints its line."""
        self.second += 1
        time.sleep(max(0.0, self.began + self.second - time.monotonic()))
        if not self.bridge.running:
            raise Failure(f"the bridge ended with {self.bridge.exit_code}\n{self.bridge.log()[-4000:]}")
        if not self.joined and self.bridge.events("assigned"):
            self.joined = True
            say("          (the enricher has joined its group, which takes the embedded Kafka 3 s; now it fetches)")
        metrics = self.bridge.metrics()
        values = (
            self.second,
            metrics.sum("bridge_webhooks_total", outcome="kept"),
            metrics.sum("bridge_waiting_records"),
            metrics.sum("bridge_snapshots_total"),
            metrics.sum("bridge_api_requests_total"),
        )
        say("".join(f"{value:{width},.0f}" for value, (_, width) in zip(values, COLUMNS)))


def watch(bridge, kafka):
    """Shows the stream until the time is over or Ctrl-C; an example in between, once there is one."""
    live = Live(bridge)
    shown = False
    try:
        while SECONDS == 0 or live.second < SECONDS:
            live.next()
            if not shown and live.second % 5 == 0:
                shown = show_example(kafka)
    except KeyboardInterrupt:
        say("\n  Ctrl-C: no more changes; comparing (Ctrl-C again leaves at once)")
    return shown


# Reading topics


def read_topic(kafka, topic):
    """All messages of a topic, as kcat prints them: one JSON object each."""
    command = ["kcat", "-C", "-q", "-e", "-J", "-b", kafka, "-t", topic, "-o", "beginning"]
    done = subprocess.run(
        [*command, "-X", "fetch.wait.max.ms=50"], capture_output=True, timeout=KCAT_SECONDS, check=False
    )
    if done.returncode != 0:
        raise Failure(f"kcat cannot read {topic}: {done.stderr.decode(errors='replace').strip()}")
    messages = map(json.loads, done.stdout.splitlines())
    return sorted(messages, key=lambda message: (message["partition"], message["offset"]))


def read_snapshots(kafka, model):
    """The last message of each record id, and how many messages there are."""
    messages = read_topic(kafka, f"propexo.snapshots.{model}")
    return {message["key"]: message for message in messages}, len(messages)


def snapshot_record(message):
    return json.loads(message["payload"]) if message["payload"] else None


# One example


def show_example(kafka):
    """Prints a webhook beside its snapshot; False while none can be shown."""
    for model in MODELS:
        snapshots, _ = read_snapshots(kafka, model)
        for event in reversed(read_topic(kafka, f"propexo.events.{model}")):
            body = json.loads(event["payload"])
            inner = body.get("data", body)
            new = (inner.get("diff") or {}).get("new") or {}
            message = snapshots.get(inner.get("record_id"))
            record = snapshot_record(message) if message else None
            if record and _tells_a_change(new, record):
                say_side_by_side(model, body, new, message)
                return True
    return False


def _tells_a_change(new, record):
    telling = new.keys() - {"last_seen", "updated_at"}
    return bool(telling) and all(compare.same(record.get(name), value) for name, value in new.items())


def say_side_by_side(model, body, new, message):
    record = snapshot_record(message)
    filled = {name: value for name, value in record.items() if value is not None}
    ordered = {name: filled.pop(name) for name in ["id", *new] if name in filled} | filled
    right = [
        f"{'*' if name in new else ' '} {name}: {json.dumps(value, ensure_ascii=False)}"
        for name, value in ordered.items()
    ]
    left = json.dumps(body, indent=1, ensure_ascii=False).splitlines()
    hidden = len(right) - ROWS
    if hidden > 0:
        right[ROWS:] = [f"  … and {hidden} more fields that are not null"]
    rows = max(len(left), len(right))
    place = f"partition {message['partition']}, offset {message['offset']}"
    say()
    say_row("THE WEBHOOK: what changed", "THE SNAPSHOT: the whole record (* = in the diff)")
    say_row(f"propexo.events.{model}", f"propexo.snapshots.{model}, {place}")
    say_row("-" * LEFT_WIDTH, "-" * RIGHT_WIDTH)
    for number in range(rows):
        say_row(left[number] if number < len(left) else "", right[number] if number < len(right) else "")
    say()


def say_row(left, right):
    say(f" {fit(left, LEFT_WIDTH)}  {fit(right, RIGHT_WIDTH)}".rstrip())


# The comparison


def wait_settled(simulator, bridge):
    simulator.end(SETTLE_SECONDS)
    wait_until(
        lambda: bridge.metrics().sum("bridge_waiting_records") == 0,
        SETTLE_SECONDS,
        "no record waits in the bridge",
        interval=0.2,
    )


def compare_model(simulator, kafka, model):
    """Counts of one model, and a sentence for each record that is not equal."""
    truth = simulator.truth(model)
    changed = simulator.truth(model, changed=True)
    snapshots, messages = read_snapshots(kafka, model)
    wrong = []
    for identity in sorted(changed.keys() | snapshots.keys()):
        message = snapshots.get(identity)
        record = snapshot_record(message) if message else None
        if record is None or identity not in truth:
            wrong.append(f"{model}/{identity}: {'no snapshot' if record is None else 'no such record'}")
            continue
        found = compare.differences(record, truth[identity])
        if found:
            wrong.append(f"{model}/{identity}: {'; '.join(found)}")
    counts = (len(truth), len(changed), messages, len(snapshots.keys() | changed.keys()) - len(wrong))
    return counts, wrong


def compare_all(simulator, kafka):
    """Compares until all is equal: an event that is in Kafka but was not taken in yet is not counted as waiting."""
    results = {}

    def equal():
        results.update({model: compare_model(simulator, kafka, model) for model in MODELS})
        return all(changed and not wrong for (_, changed, _, _), wrong in results.values())

    try:
        wait_until(equal, SETTLE_SECONDS, "equal states", interval=0.5)
    except Failure:
        pass
    return results


def say_results(results):
    """Prints the counts and up to five differences; True when all is equal."""
    say()
    say("  model          records   changed   snapshots   records equal   different")
    for model, ((records, changed, messages, equal), wrong) in results.items():
        say(f"  {model:12}{records:>10,}{changed:>10,}{messages:>12,}{equal:>16,}{len(wrong):>12,}")
    wrong = [sentence for _, sentences in results.values() for sentence in sentences]
    for sentence in wrong[:5]:
        say(f"  {sentence}")
    return not wrong and all(changed for (_, changed, _, _), _ in results.values())


# The whole


def run(simulator, bridge):
    bridge.start()
    ready = bridge.wait_ready()
    took = time.monotonic() - bridge.started_at
    kafka = ready["kafka"]
    say(f"  bridge      ready in {took * 1000:.0f} ms, {bridge.memory()['VmRSS'] / 2**20:.1f} MiB resident")
    say(f"  webhooks    {bridge.receiver_url()}")
    say(f"  metrics     {bridge.admin_url('/metrics')}")
    say(f"  kafka       embedded; look inside: kcat -b {kafka} -C -t propexo.snapshots.residents")
    say()
    simulator.begin(bridge.receiver_url(), rate=CHANGES_A_SECOND, changes=UNENDING)
    shown = watch(bridge, kafka)
    wait_settled(simulator, bridge)
    if not shown:
        show_example(kafka)
    equal = say_results(compare_all(simulator, kafka))
    codes = {program.label: program.stop() for program in (bridge, simulator)}
    say()
    say("  " + ", ".join(f"{label} ended with {code}" for label, code in codes.items()))
    say("  EQUAL: the snapshots are the simulator's records." if equal else "  NOT EQUAL.")
    return 0 if equal and not any(codes.values()) else 1


def main():
    if not shutil.which("kcat"):
        say("demo: kcat is not installed; make deps installs it")
        return 70
    directory = BUILD / "demo"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    programs = []
    try:
        simulator = start_simulator(directory)
        programs.append(simulator)
        simulator.start()
        say("propexo-bridge: webhooks with partial diffs in, whole snapshots out")
        say()
        say(f"  simulator   {simulator.url}, {INTEGRATIONS} integrations, {CHANGES_A_SECOND} changes a second")
        bridge = make_bridge(directory, simulator)
        programs.append(bridge)
        return run(simulator, bridge)
    except (Failure, OSError, subprocess.SubprocessError) as error:
        say(f"demo: {error}")
        return 70
    except KeyboardInterrupt:
        return 130
    finally:
        for program in programs:
            if program.running:
                program.kill()


if __name__ == "__main__":
    sys.exit(main())
