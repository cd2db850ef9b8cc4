"""Kafka away for minutes under load: what the spool takes, how fast it is sent, and what that costs."""

import time

import pytest

from harness.sequence import MODEL, Sequence, faults
from harness.simulator import SECRET
from harness.wait import wait_until

KEYS = [f"intg-{number}" for number in range(100)]
MIB = 1024 * 1024
RATE = 1000
AWAY_SECONDS = 300


class Watch:
    """Samples of a program's spool: (time, sent, events left, anonymous memory)."""

    def __init__(self, program):
        self.program = program
        self.samples = []

    def sample(self):
        metrics = self.program.metrics()
        left = metrics.sum("bridge_spool_events")
        sent = metrics.sum("bridge_spool_sent_total")
        self.samples.append((time.monotonic(), sent, left, self.program.memory()["RssAnon"]))
        return left

    def memory(self):
        return max(sample[3] for sample in self.samples) / MIB

    def rate(self):
        """Events a second, from the first one that was sent until no more than a second's load is left."""
        sent = [sample for sample in self.samples if sample[1] > self.samples[0][1]]
        first = sent[0]
        last = next(sample for sample in sent if sample[2] < RATE)
        return (last[1] - first[1]) / (last[0] - first[0])


@pytest.mark.long
def test_kafka_away_for_five_minutes(bridge, own_kafka, prefix, tmp_path):
    own_kafka.start()
    (tmp_path / "spool").mkdir()
    config = {"kafka.bootstrap.servers": own_kafka.bootstrap, "receiver.spool_dir": tmp_path / "spool"}
    program = bridge("receive", config)
    load = Sequence(program.receiver_url, SECRET, KEYS, rate=RATE, padding=200).start()
    wait_until(lambda: load.count > 5 * RATE, 60, "load")
    own_kafka.kill()
    watch = Watch(program)
    begun, before = time.monotonic(), load.count
    while time.monotonic() < begun + AWAY_SECONDS / 2:
        watch.sample()
        time.sleep(1)
    # In the middle of it the receiver is gone for a moment. What is refused is sent again.
    assert set(load.statuses) == {200}
    taken = load.count - before
    program.kill()
    restarted = time.monotonic()
    program.start()
    own_kafka.start()
    program.wait_ready(60)
    assert int(program.wait_event("spool_found")["events"]) >= 0.9 * taken
    wait_until(lambda: watch.sample() == 0, 120, "the spool to be empty", interval=0.02)
    print(f"\nkill -9 after {taken} webhooks, all 200; ready again after {time.monotonic() - restarted:.1f} s")
    refused = dict(load.statuses)
    # And for five minutes without an end.
    own_kafka.kill()
    watch = Watch(program)
    begun, before = time.monotonic(), load.count
    while time.monotonic() < begun + AWAY_SECONDS:
        watch.sample()
        time.sleep(1)
    taken, left = load.count - before, watch.samples[-1][2]
    own_kafka.start()
    wait_until(lambda: watch.sample() == 0, 120, "the spool to be empty", interval=0.02)
    load.stop()
    print(
        f"away for {AWAY_SECONDS} s: {taken} webhooks, {taken / AWAY_SECONDS:.0f} a second, {left:.0f} in the spool, sent at"
        f" {watch.rate():.0f} a second, {watch.memory():.1f} MiB of anonymous memory, slowest answer {load.slowest:.2f} s"
    )
    assert {status: count for status, count in load.statuses.items() if status != 200} == {
        status: count for status, count in refused.items() if status != 200
    }
    assert taken >= 0.98 * RATE * AWAY_SECONDS
    assert left >= 0.95 * taken
    assert faults(load, own_kafka.read(f"{prefix}.events.{MODEL}")) == []
    assert watch.rate() >= 20000
    assert watch.memory() < 64
