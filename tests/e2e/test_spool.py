"""The spool: what Kafka does not acknowledge is kept on disk, and comes to Kafka in order."""

import hashlib
import os
import resource
import shutil
import sqlite3
import subprocess

import pytest

from harness.sequence import MODEL, Sequence, faults, numbers
from harness.simulator import SECRET
from harness.wait import wait_until

KEYS = [f"intg-{number}" for number in range(8)]
MIB = 1024 * 1024


@pytest.fixture
def spool(tmp_path):
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


@pytest.fixture
def receiver(bridge, own_kafka, spool):
    """receiver(**{"receiver.spool_max_mb": 1}) starts a receiver with a spool; its Kafka is the test's own."""

    def start(config=None, **keywords):
        if not own_kafka.running:
            own_kafka.start()
        chosen = {
            "kafka.bootstrap.servers": own_kafka.bootstrap,
            "receiver.spool_dir": spool,
            "receiver.spool_after_ms": 500,
        }
        return bridge("receive", chosen | (config or {}), **keywords)

    return start


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MiB. To mount one takes the rights that `make deps` has."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    subprocess.run([*sudo, "mount", "-t", "tmpfs", "-o", "size=4m,mode=777", "none", folder], check=True)
    yield folder
    subprocess.run([*sudo, "umount", "--lazy", folder], check=True)


def events(kafka, prefix):
    return kafka.read(f"{prefix}.events.{MODEL}")


def spooled(program):
    return program.metrics().sum("bridge_spool_events")


def on_disk(program):
    """Those that are synced: only they outlive a kill."""
    metrics = program.metrics()
    return metrics.sum("bridge_spool_written_total") - metrics.sum("bridge_spool_sent_total")


def wait_empty(program, timeout=60):
    wait_until(lambda: spooled(program) == 0, timeout, "the spool to be empty", interval=0.05)


def test_kafka_away_is_200_and_the_order_is_kept(receiver, own_kafka, prefix):
    program = receiver()
    load = Sequence(program.receiver_url(), SECRET, KEYS).start()
    wait_until(lambda: load.count > 200, 30, "some webhooks")
    for stop, go in [(own_kafka.freeze, own_kafka.thaw), (own_kafka.kill, own_kafka.start)]:
        stop()
        before = load.count
        wait_until(lambda: spooled(program) > 500, 60, "webhooks in the spool")
        assert load.count > before
        go()
        program.wait_event("spool_empty", 60)
        # And not only between two webhooks: under load it comes back to Kafka alone.
        wait_empty(program)
        written = program.metrics().sum("bridge_spool_written_total")
        reached = load.count
        wait_until(lambda: load.count > reached + 500, 30, "more webhooks")
        assert program.metrics().sum("bridge_spool_written_total") == written
    load.stop()
    assert set(load.statuses) == {200}
    assert faults(load, events(own_kafka, prefix)) == []
    assert load.slowest < 15


def test_a_kill_in_the_middle_loses_nothing(receiver, own_kafka, prefix):
    program = receiver()
    load = Sequence(program.receiver_url, SECRET, KEYS).start()
    wait_until(lambda: load.count > 200, 30, "some webhooks")
    own_kafka.freeze()
    wait_until(lambda: on_disk(program) > 500, 60, "webhooks in the spool")
    program.kill()
    own_kafka.thaw()
    program.start_ready()
    assert int(program.wait_event("spool_found")["events"]) >= 500
    wait_empty(program)
    # Once more while it is being sent.
    own_kafka.freeze()
    wait_until(lambda: spooled(program) > 3000, 60, "webhooks in the spool")
    sent = program.metrics().sum("bridge_spool_sent_total")
    own_kafka.thaw()
    wait_until(lambda: program.metrics().sum("bridge_spool_sent_total") > sent, 60, "the spool to be sent", interval=0.001)
    program.kill()
    program.start_ready()
    wait_empty(program)
    load.stop()
    assert faults(load, events(own_kafka, prefix)) == []


def test_a_drain_leaves_nothing_half_kept(receiver, own_kafka, prefix):
    program = receiver()
    load = Sequence(program.receiver_url, SECRET, KEYS).start()
    own_kafka.freeze()
    wait_until(lambda: spooled(program) > 100, 60, "webhooks in the spool")
    assert program.stop() == 0
    own_kafka.thaw()
    program.start_ready()
    wait_empty(program)
    load.stop()
    assert set(load.statuses) <= {200, 503, None}
    assert faults(load, events(own_kafka, prefix)) == []


def test_a_full_spool_is_503_until_there_is_room(receiver, own_kafka, spool, prefix):
    program = receiver({"receiver.spool_max_mb": 1})
    load = Sequence(program.receiver_url(), SECRET, KEYS, padding=3000).start()
    own_kafka.freeze()
    wait_until(lambda: load.statuses[503] > 20, 60, "the spool to be full")
    assert (spool / "spool.lmdb").stat().st_size <= MIB
    answer = program.post(load.body("intg-0", 0), secret=SECRET)
    assert answer.status == 503 and int(answer.headers["retry-after"]) >= 1
    assert spooled(program) > 100
    own_kafka.thaw()
    wait_empty(program)
    reached = load.count
    wait_until(lambda: load.count > reached + 100, 30, "more webhooks")
    load.stop()
    assert faults(load, events(own_kafka, prefix)) == []
    assert (spool / "spool.lmdb").stat().st_size <= MIB


@pytest.mark.long
def test_a_full_disk_is_503_until_there_is_room(receiver, own_kafka, spool, prefix):
    program = receiver()
    load = Sequence(program.receiver_url(), SECRET, KEYS, padding=500).start()
    own_kafka.freeze()
    wait_until(lambda: spooled(program) > 100, 60, "webhooks in the spool")
    # As if the disk had no room beyond what the file has: a file of this process may not grow any more.
    resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (2 * MIB, resource.RLIM_INFINITY))
    program.wait_event("spool_failed", 60)
    wait_until(lambda: load.statuses[503] > 20, 60, "answers 503")
    held = spooled(program)
    own_kafka.thaw()
    # What it holds can be sent, although nothing can be added.
    wait_empty(program)
    own_kafka.freeze()
    failures = load.statuses[503]
    wait_until(lambda: load.statuses[503] > failures, 60, "a full disk again")
    resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_until(lambda: spooled(program) > held + 500, 60, "more in the spool than before")
    own_kafka.thaw()
    wait_empty(program)
    load.stop()
    assert set(load.statuses) == {200, 503}
    assert faults(load, events(own_kafka, prefix)) == []


def test_a_small_disk(receiver, own_kafka, small_disk, prefix):
    """503 until there is room, on a file system that is really full."""
    program = receiver({"receiver.spool_dir": small_disk})
    load = Sequence(program.receiver_url, SECRET, KEYS, padding=500).start()
    own_kafka.freeze()
    wait_until(lambda: load.statuses[503] > 20, 60, "the disk to be full")
    program.kill()
    own_kafka.thaw()
    program.start_ready()
    wait_empty(program)
    own_kafka.freeze()
    wait_until(lambda: spooled(program) > 500, 60, "webhooks in the spool")
    own_kafka.thaw()
    wait_empty(program)
    load.stop()
    assert faults(load, events(own_kafka, prefix)) == []


def test_what_kafka_never_takes_is_a_dead_letter(receiver, own_kafka, prefix):
    own_kafka.start()
    own_kafka.create_topics(f"{prefix}.events.{MODEL}", partitions=6, config={"max.message.bytes": 256 * 1024})
    program = receiver()
    small = Sequence(program.receiver_url(), SECRET, ["small"]).start()
    own_kafka.freeze()
    wait_until(lambda: small.count > 50, 30, "small webhooks in the spool")
    large = Sequence(program.receiver_url(), SECRET, ["large"], padding=400 * 1024).start()
    wait_until(lambda: large.count >= 3, 30, "webhooks that are too large")
    large.stop()
    own_kafka.thaw()
    wait_empty(program)
    small.stop()
    # Kafka refuses a batch whole, and may have taken the next one by then: that one comes again.
    assert faults(small, events(own_kafka, prefix), by_last=True) == []
    letters = own_kafka.read(f"{prefix}.dead-letters")
    assert [letter.key.decode() for letter in letters] == ["large"] * len(large.accepted["large"])
    for number, letter in enumerate(letters):
        assert letter.header("error_code") == "too-large" and letter.header("original") == "cut"
        assert letter.header("source_topic") == f"{prefix}.events.{MODEL}"
        body = large.body("large", number)
        assert letter.value == body[:1024]
        assert int(letter.header("original_length")) == len(body)
        assert letter.header("original_sha256") == hashlib.sha256(body).hexdigest()
    # As well when Kafka is there: it was accepted, and is told in the dead letters.
    assert program.post(large.body("large", 0), secret=SECRET).status == 200
    wait_empty(program)
    assert len(own_kafka.read(f"{prefix}.dead-letters")) == len(letters) + 1


@pytest.fixture
def left(receiver, own_kafka, spool):
    """A receiver that has ended and left events in the spool."""
    program = receiver()
    load = Sequence(program.receiver_url(), SECRET, KEYS).start()
    own_kafka.freeze()
    wait_until(lambda: spooled(program) > 1000, 60, "webhooks in the spool")
    program.kill()
    own_kafka.thaw()
    load.stop()
    return program


def refusal(program):
    program.start()
    assert program.wait() == 78
    return program.log()


def spoil(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


@pytest.mark.parametrize("kind", ["cut", "zeros", "noise"])
def test_a_torn_spool_is_refused(left, own_kafka, spool, prefix, kind):
    path = spool / "spool.lmdb"
    whole = path.read_bytes()
    size = len(whole.rstrip(b"\0"))
    if kind == "cut":
        os.truncate(path, size // 2)
    elif kind == "zeros":
        spoil(path, size // 3, bytes(4096))
    else:
        spoil(path, size // 3, os.urandom(64))
    assert "it is torn" in refusal(left)
    assert numbers(events(own_kafka, prefix)).keys() <= set(KEYS)
    path.write_bytes(whole)
    left.start_ready()
    wait_empty(left)


def test_a_foreign_spool_is_refused_and_left_alone(left, bridge, own_kafka, spool, tmp_path):
    path = spool / "spool.lmdb"
    shutil.copy(path, tmp_path / "whole")
    for name, content in [("a text", b"no spool\n" * 1000), ("nothing", b""), ("a database", None)]:
        path.unlink()
        if content is None:
            with sqlite3.connect(path) as database:
                database.execute("create table spool (event)")
            content = path.read_bytes()
        path.write_bytes(content)
        assert "receiver.spool_dir" in refusal(left), name
        assert path.read_bytes() == content
    shutil.copy(tmp_path / "whole", path)
    other = bridge("receive", left.config | {"topics.prefix": "other"}, start=False)
    assert "topics.prefix" in refusal(other)
    left.start_ready()
    second = bridge("receive", left.config, start=False)
    assert "another process uses it" in refusal(second)
    wait_empty(left)
