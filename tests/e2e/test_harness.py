"""The harness itself: what the other tests rest on."""

import json
import signal
import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from harness import compare, logfmt, snapshots
from harness.bridge import sign, write_config
from harness.ports import reserve_port
from harness.process import Program
from harness.prometheus import Metrics
from harness.wait import Failure, wait_until

SCHEMA = """
{"type": "record", "name": "unit", "fields": [
    {"name": "id", "type": "string"},
    {"name": "name", "type": ["null", "string"], "default": null},
    {"name": "updated_at", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}], "default": null}
]}
"""


# Reading


@pytest.mark.parametrize(
    "line, pairs",
    [
        ("ts=1 level=info event=ready", {"ts": "1", "level": "info", "event": "ready"}),
        (r'event=a why="two words" n=3', {"event": "a", "why": "two words", "n": "3"}),
        (r'a="say \"hi\"" b="c:\\d" c="x\ny"', {"a": 'say "hi"', "b": "c:\\d", "c": "x\ny"}),
        ('empty= quoted=""', {"empty": "", "quoted": ""}),
        ("kafka=127.0.0.1:9092,127.0.0.1:9093", {"kafka": "127.0.0.1:9092,127.0.0.1:9093"}),
        ("==12==ERROR: AddressSanitizer: heap-use-after-free", None),
        ("event=a and words", None),
        ("", None),
    ],
)
def test_logfmt(line, pairs):
    assert logfmt.parse(line) == pairs


def test_metrics_are_summed_over_label_sets():
    metrics = Metrics(
        "# HELP hits_total Hits.\n# TYPE hits_total counter\n"
        'hits_total{outcome="kept",path="/a"} 2\nhits_total{outcome="kept",path="/b"} 3\n'
        'hits_total{outcome="refused"} 7\nwaiting 1.5e3\n'
    )
    assert metrics.sum("hits_total") == 12
    assert metrics.sum("hits_total", outcome="kept") == 5
    assert metrics.sum("waiting") == 1500
    assert metrics.sum("absent") == 0
    assert metrics.names() == {"hits_total", "waiting"}


RECORD = {
    "id": "a",
    "name": "Ann",
    "beds": 2,
    "rent": 10.5,
    "active": True,
    "left": None,
    "updated_at": "2026-01-02T03:04:05.678Z",
    "custom_data": {"a": [1, None]},
    "pets": [{"name": "Rex", "age": 3}],
}
SNAPSHOT = {
    "id": "a",
    "name": "Ann",
    "beds": 2,
    "rent": 10.5,
    "active": True,
    "left": None,
    "never_sent": None,
    "updated_at": 1767323045678,
    "custom_data": '{"a":[1,null]}',
    "pets": [{"name": "Rex", "age": 3, "breed": None}],
    "unmapped_fields": None,
}


def test_a_snapshot_equals_its_record():
    assert compare.differences(SNAPSHOT, RECORD) == []
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=timezone.utc)
    assert compare.differences(SNAPSHOT | {"updated_at": moment}, RECORD) == []
    elsewhere = RECORD | {"updated_at": "2026-01-02T05:04:05.678999+02:00"}
    assert compare.differences(SNAPSHOT, elsewhere) == []


def test_unmapped_fields_count_as_present():
    unmapped = SNAPSHOT | {"unmapped_fields": {"extra": '{"x":1}', "beds": '"two"'}, "beds": None}
    assert compare.differences(unmapped, RECORD | {"extra": {"x": 1}, "beds": "two"}) == []
    assert compare.differences(SNAPSHOT, RECORD | {"extra": {"x": 1}}) != []
    assert compare.differences(unmapped | {"beds": 2}, RECORD | {"extra": {"x": 1}, "beds": 2}) != []


@pytest.mark.parametrize(
    "field, value",
    [
        ("name", "Bob"),
        ("name", None),
        ("beds", 3),
        ("beds", True),
        ("beds", "2"),
        ("rent", 10.25),
        ("active", False),
        ("active", 1),
        ("left", ""),
        ("never_sent", 0),
        ("updated_at", 1767323045679),
        ("custom_data", '{"a":[1]}'),
        ("custom_data", "no JSON"),
        ("pets", []),
        ("pets", [{"name": "Rex", "age": 4, "breed": None}]),
        ("pets", [{"name": "Rex", "age": 3, "breed": "Collie"}]),
        ("unmapped_fields", {"nobody_sent_it": "1"}),
    ],
)
def test_a_difference_is_found(field, value):
    assert len(compare.differences(SNAPSHOT | {field: value}, RECORD)) == 1


def test_the_number_of_a_read_is_no_difference():
    stamped = SNAPSHOT | {"custom_data": '{"read_sequence":7,"a":[1,null]}'}
    assert compare.differences(stamped, RECORD) == []
    assert compare.read_sequence(stamped) == 7
    assert compare.read_sequence(SNAPSHOT) is None
    assert compare.differences(stamped | {"custom_data": '{"read_sequence":7}'}, RECORD) != []
    assert compare.differences(SNAPSHOT | {"custom_data": None}, RECORD) != []


def test_a_falling_read_sequence_is_found():
    def snapshot(key, number):
        record = None if number is None else {"custom_data": f'{{"read_sequence":{number}}}'}
        return snapshots.Snapshot(key, record, {}, 0, 0)

    rising = [snapshot("a", 5), snapshot("b", 1), snapshot("a", 5), snapshot("a", None), snapshot("a", 6)]
    assert compare.falling_sequences(rising) == []
    assert len(compare.falling_sequences([*rising, snapshot("b", 2), snapshot("a", 5)])) == 1


def test_a_configuration_file(tmp_path):
    write_config(
        tmp_path / "bridge.conf",
        {"kafka.bootstrap.servers": "a:1", "bridge.models": ["units", "leases"], "topics.create": False},
    )
    written = (tmp_path / "bridge.conf").read_text()
    assert written.splitlines() == [
        "[kafka]",
        "bootstrap.servers = a:1",
        "",
        "[bridge]",
        "models = units,leases",
        "",
        "[topics]",
        "create = false",
        "",
    ]


def test_a_signature():
    # RFC 4231, test case 2, gives HMAC-SHA256 of this key and text.
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert sign(b"what do ya want for nothing?", "Jefe") == expected


def test_ports_are_not_given_twice():
    ports = [reserve_port() for _ in range(20)]
    assert len(set(ports)) == 20


# Programs


@pytest.fixture
def shell(tmp_path):
    """Runs a line of shell as one of our programs; what it leaves running is killed."""
    started = []

    def start(line, **options):
        program = Program("/bin/sh", ["-c", line], directory=tmp_path, label=f"sh{len(started)}", **options)
        started.append(program)
        return program.start()

    yield start
    for program in started:
        if program.running:
            program.kill()


def test_events_of_a_program(shell):
    program = shell(
        'echo "event=ready listen=127.0.0.1:1" >&2; echo noise >&2; echo "event=step n=1" >&2;'
        ' echo "event=step n=2" >&2; echo out'
    )
    ready = program.wait_event("ready")
    assert ready["listen"] == "127.0.0.1:1"
    first = program.wait_event("step", after=ready)
    assert program.wait_event("step", after=first)["n"] == "2"
    assert program.wait_event("step", n=2).index == 2
    assert program.wait() == 0
    assert len(program.events("step")) == 2
    assert program.output() == "out\n"


def test_the_environment_of_a_program(shell, monkeypatch):
    monkeypatch.setenv("BRIDGE_KAFKA_BOOTSTRAP", "from outside")
    program = shell('echo "event=env given=$GIVEN outside=$BRIDGE_KAFKA_BOOTSTRAP" >&2', environment={"GIVEN": 1})
    assert program.wait_event("env") == {"event": "env", "given": "1", "outside": ""}


def test_a_wait_in_vain_shows_the_log(shell):
    program = shell("echo last words >&2; exec sleep 60")
    wait_until(lambda: "words" in program.log(), 10, "the log")
    with pytest.raises(Failure, match="(?s)event=ready.*last words"):
        program.wait_event("ready", timeout=0.05)


def test_an_early_end_is_told_at_once(shell):
    program = shell("echo last words >&2; exit 70")
    with pytest.raises(Failure, match="(?s)ended with 70 before event=ready.*last words"):
        program.wait_event("ready", timeout=60)


def test_each_start_has_a_log_of_its_own(shell):
    program = shell('echo "event=ready pid=$$" >&2; exec sleep 60')
    first = program.wait_event("ready")["pid"]
    program.kill()
    assert program.exit_code == -signal.SIGKILL
    program.start()
    assert program.wait_event("ready")["pid"] != first
    assert len(program.events()) == 1


def test_signals_and_memory(shell):
    program = shell("echo event=ready >&2; exec sleep 60")
    program.wait_event("ready")
    wait_until(lambda: program.memory()["VmRSS"] > 100_000, 10, "a resident program")
    program.freeze()
    wait_until(lambda: _state(program.pid) == "T", 10, "stopped")
    program.thaw()
    assert program.stop() == -signal.SIGTERM


def _state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


@pytest.mark.parametrize(
    "line, problem",
    [
        ("exec sleep 60", "ended with -15 on SIGTERM"),
        ("kill -SEGV $$", "SIGSEGV, which the test did not send"),
        ("echo '==1==ERROR: AddressSanitizer: bad' >&2; echo 'at frame 1' >&2", "(?s)a sanitizer.*at frame 1"),
        ("echo 'a.c:1: runtime error: overflow' >&2", "a sanitizer found something"),
        ("echo 'WARNING: ThreadSanitizer: data race' >&2", "a sanitizer found something"),
        ("echo '==1==ERROR: LeakSanitizer: detected memory leaks' >&2", "a sanitizer found something"),
    ],
)
def test_a_bad_end_fails_the_test(shell, line, problem):
    program = shell(f"echo event=ready >&2; {line}")
    wait_until(lambda: program.events("ready"), 10, "ready")
    if "sleep" not in line:
        program.wait()
    with pytest.raises(Failure, match=problem):
        program.close()


def test_a_good_end_passes(shell):
    program = shell("trap 'exit 0' TERM; echo event=ready >&2; while :; do sleep 0.01; done")
    program.wait_event("ready")
    program.close()
    assert program.exit_code == 0


def test_nothing_outlives_the_tests(tmp_path):
    """A test run that is killed takes what it started with it."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from harness.process import spawn\n"
        "print(spawn(['sleep', '60'], stdout=None, stderr=None).pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    arguments = [sys.executable, "-c", code, str(Path(__file__).parent)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        child = int(parent.stdout.readline())
        wait_until(lambda: Path(f"/proc/{child}/comm").read_text() == "sleep\n", 10, "the child's start")
        parent.kill()
    wait_until(lambda: not _alive(child), 10, "the child's end")


def _alive(pid):
    try:
        return _state(pid) != "Z"
    except FileNotFoundError:
        return False


# The simulator


@pytest.fixture
def receiver():
    """Answers every POST with 200 and keeps (headers, body) of each."""
    kept = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            kept.append((self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # the simulator opens many connections at once

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/webhooks", kept
        server.shutdown()
        thread.join()


def test_the_simulator_is_driven(simulator, receiver):
    url, kept = receiver
    propexo = simulator(models=["units", "leases"], records=10, limit_per_minute=0)
    assert len(propexo.truth("units")) == 10
    assert propexo.truth("units", changed=True) == {}
    propexo.begin(url, rate=0, changes=50, shape="A")
    propexo.wait_changes_done()
    assert propexo.stats()["changes"] == 50
    assert len(kept) == propexo.stats()["webhooks_ok"]
    assert all(headers["propexo-signature"] == sign(body, propexo.secret) for headers, body in kept)
    changed = propexo.truth("units", changed=True)
    told = [json.loads(body)["data"] for _, body in kept]
    assert changed.keys() == {data["record_id"] for data in told if data["object"] == "units"}
    name, record = changed.popitem()
    assert propexo.get(f"/v1/units/{name}").json()["results"].keys() == record.keys()
    propexo.begin(url, rate=1000, changes=10**9)
    wait_until(lambda: propexo.stats()["changes"] > 60, 10, "more changes")
    propexo.end()
    made = propexo.stats()["changes"]
    assert propexo.stop() == 0
    assert made > 60


# Kafka


def test_kafka_hides_aborted_and_open_transactions(kafka, prefix):
    topic = f"{prefix}.a"
    kafka.create_topics(topic, partitions=2)
    producer = kafka.producer(transactional_id=prefix)
    producer.init_transactions(30)
    for value, finish in ((b"kept", "commit"), (b"aborted", "abort"), (b"open", None)):
        producer.begin_transaction()
        for partition in (0, 1):
            producer.produce(topic, value, b"key", partition=partition, headers={"trigger": value})
        assert producer.flush(30) == 0
        if finish:
            getattr(producer, f"{finish}_transaction")(30)
    assert [message.value for message in kafka.read(topic)] == [b"kept"] * 2
    everything = kafka.read(topic, "read_uncommitted")
    assert [message.value for message in everything] == [b"kept", b"aborted", b"open"] * 2
    assert [message.partition for message in everything] == [0] * 3 + [1] * 3
    assert everything[1].header("trigger") == "aborted"
    producer.commit_transaction(30)
    assert [message.value for message in kafka.read(topic)] == [b"kept", b"open"] * 2


def test_kafka_tells_of_topics_and_groups(kafka, prefix):
    topic = f"{prefix}.a"
    kafka.create_topics(topic, partitions=3, config={"cleanup.policy": "compact"})
    assert kafka.topics(prefix) == {topic: 3}
    assert kafka.topic_config(topic)["cleanup.policy"] == "compact"
    kafka.produce(topic, [(f"{number}".encode(), b"value", {"n": b"1"}) for number in range(2500)])
    messages = kafka.read(topic)
    assert sorted(int(message.key) for message in messages) == list(range(2500))
    assert {message.headers for message in messages} == {(("n", b"1"),)}
    consumer = kafka.consumer(prefix)
    consumer.commit(offsets=[TopicPartition(topic, 1, 5, "half done")], asynchronous=False)
    consumer.close()
    assert kafka.committed(prefix) == {(topic, 1): (5, "half done")}
    assert kafka.group(prefix).members == []
    ends = kafka.behind(prefix, topic)
    assert sum(high - reached for high, reached in ends.values()) == 2495 and ends[topic, 1][1] == 5
    with pytest.raises(Failure, match="has not committed all"):
        kafka.wait_consumed(prefix, topic, timeout=0.1)


def test_kafka_fails_for_a_topic_that_is_not_there(kafka, prefix):
    with pytest.raises(Failure, match="there is no topic"):
        kafka.read(f"{prefix}.absent")


def test_kafka_keeps_its_data_over_a_kill(own_kafka):
    own_kafka.start()
    own_kafka.create_topics("a")
    own_kafka.produce("a", [(b"key", b"value")])
    address = own_kafka.bootstrap
    own_kafka.kill()
    assert not own_kafka.running
    own_kafka.start()
    assert own_kafka.bootstrap == address
    assert [message.value for message in own_kafka.read("a")] == [b"value"]


# Registry


def test_snapshots_are_decoded_by_the_registry(kafka, registry, prefix):
    topic = f"{prefix}.snapshots.units"
    kafka.create_topics(topic)
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=timezone.utc)
    records = [{"id": "a", "name": name, "updated_at": moment} for name in ("Ann", None)]
    with registry.client() as client:
        serialize = AvroSerializer(client, SCHEMA)
        context = SerializationContext(topic, MessageField.VALUE)
        values = [serialize(record, context) for record in records]
    headers = {"model": "units"}
    kafka.produce(topic, [(b"a", values[0], headers), (b"b", values[1], headers), (b"a", None, headers)])
    found = snapshots.read(kafka, prefix, "units", registry)
    assert [snapshot.record for snapshot in found] == [*records, None]
    assert [snapshot.key for snapshot in found] == ["a", "b", "a"]
    assert found[0].headers == headers
    assert snapshots.latest(found) == {"b": records[1]}
    truth = {"id": "a", "name": "Ann", "updated_at": "2026-01-02T03:04:05.678Z"}
    assert compare.differences(found[0].record, truth) == []
    late = moment + timedelta(milliseconds=1)
    assert compare.differences(found[0].record | {"updated_at": late}, truth) != []


def test_snapshots_without_a_registry_are_json(kafka, prefix):
    topic = f"{prefix}.snapshots.units"
    kafka.create_topics(topic)
    kafka.produce(topic, [(b"a", b'{"id":"a"}'), (b"a", b"\x00\x00\x00\x00\x01\x02a")])
    with pytest.raises(Failure, match="not a JSON object"):
        snapshots.read(kafka, prefix, "units")


def test_the_registry_is_backward_compatible_by_default(registry, prefix):
    subject = f"{prefix}-value"
    identity = registry.register(subject, SCHEMA)
    assert registry.register(subject, SCHEMA) == identity
    assert subject in registry.subjects()
    with registry.client() as client:
        assert client.get_latest_version(subject).schema_id == identity
    # Old records have no such field, and it has no default: only old readers can read new records.
    grown = SCHEMA.replace('"fields": [', '"fields": [{"name": "number", "type": "long"},')
    with pytest.raises(Failure, match="409"):
        registry.register(subject, grown)
    registry.set_compatibility("FORWARD", subject)
    assert registry.register(subject, grown) != identity


def test_the_registry_keeps_its_data_over_a_restart(own_registry):
    own_registry.start()
    identity = own_registry.register("a-value", SCHEMA)
    own_registry.kill()
    own_registry.start()
    assert own_registry.subjects() == ["a-value"]
    assert own_registry.register("a-value", SCHEMA) == identity
