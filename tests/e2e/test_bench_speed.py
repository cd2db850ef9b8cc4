"""What `make bench-speed` and `make bench-growth` stand on: the bare programs do the work that they are measured for."""

import json
import time
from urllib.parse import quote

import pytest

from growth.series import Series
from harness import snapshots
from harness.bridge import sign
from harness.compare import differences
from harness.http_client import request
from harness.process import TOP, Program
from harness.simulator import SECRET, TOKEN
from harness.wait import Failure
from speed.contest import contest, ratio
from speed.load import body
from speed.measured import Meter
from speed.programs import MockKafka, Receiver, bare, first_word, running, serving, written

EVENTS = "propexo.events.residents"


def test_contest():
    order = []

    def contestant(name, figures):
        def run():
            order.append(name)
            return {"cpu_us": figures.pop(0)}

        return run

    made = contest({"one": contestant("one", [6.0, 9.0, 4.0]), "other": contestant("other", [3.0, 3.0, 4.0])}, 3)
    assert order == ["one", "other", "other", "one", "one", "other"]
    assert made["one"]["cpu_us"] == 6.0 and made["other"]["cpu_us"] == 3.0
    assert ratio(made, "one", "other", "cpu_us") == 2.0  # of 2, 3 and 1


def test_growth_bars():
    points = {1: {"cpu_us": 10.0, "peak_mib": 20.0}, 10: {"cpu_us": 11.5, "peak_mib": 22.0}, 100: {"cpu_us": 10.0, "peak_mib": 40.0}}
    verdicts = [bar["ok"] for bar in Series("s", "w", None, cost_most=1.1, memory_most_mib=16).bars(points)]
    assert verdicts == [False, False]  # the dearest counts, not the last
    verdicts = [bar["ok"] for bar in Series("s", "w", None, cost_most=1.2, memory_most_mib=20).bars(points)]
    assert verdicts == [True, True]


@pytest.mark.plain
def test_handler_and_meter(tmp_path):
    with running(Program("bare_handler", directory=tmp_path).start()) as program:
        url = f"http://{first_word(program, 'listen')}/webhooks"
        meter, began, answers = Meter(program), time.monotonic(), set()
        while time.monotonic() < began + 1:
            answers.add(request("POST", url, b"x" * 5000).status)
        cost = meter.read()
    assert answers == {204}
    assert 0 < cost.cpu_us <= cost.wall_us < 5e6


@pytest.mark.plain
def test_producer_on_mock(tmp_path):
    lines = [{"topic": EVENTS, "key": f"k{one}", "value": f'{{"n":{one}}}', "headers": [["h", f"v{one}"]]} for one in range(3)]
    path = tmp_path / "messages"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with serving(MockKafka(tmp_path, ["residents"])) as kafka:
        made = bare("bare_producer", kafka.bootstrap, 3, path, 1000)
        assert written(kafka, EVENTS) == 1003  # with the round before it
        found = {(one.key, one.value, one.headers) for one in kafka.read(EVENTS, isolation="read_uncommitted")}
    assert made["done"] == 1000 and made["cpu_us"] > 0
    assert found == {(line["key"].encode(), line["value"].encode(), (("h", line["headers"][0][1].encode()),)) for line in lines}


def bare_receiver(kafka, directory, headers):
    """The program, and where webhooks go."""
    line = {"topic": EVENTS, "key": "k", "value": "v", "headers": headers}
    (directory / "messages").write_text(json.dumps(line) + "\n", encoding="utf-8")
    program = Program("bare_receiver", [kafka.bootstrap, 3, SECRET, directory / "messages"], directory=directory).start()
    return program, f"http://{first_word(program, 'listen')}/webhooks"


@pytest.mark.plain
def test_bare_receiver(tmp_path):
    with serving(MockKafka(tmp_path, ["residents"])) as kafka:
        program, url = bare_receiver(kafka, tmp_path, [["model", "residents"]])
        with running(program):
            sent = [body(number, 2, ["residents"]) for number in range(20)]
            for one in sent:
                assert request("POST", url, one, headers={"propexo-signature": sign(one, SECRET)}).status == 200
        found = kafka.read(EVENTS, isolation="read_uncommitted")
    assert sorted(one.value for one in found) == sorted(sent)
    assert {one.key for one in found} == {json.loads(one)["meta"]["integration_id"].encode() for one in sent}
    assert all(one.headers == (("model", b"residents"),) for one in found)


@pytest.mark.plain
def test_bare_receiver_demands_the_signature(tmp_path):
    with serving(MockKafka(tmp_path, ["residents"])) as kafka:
        program, url = bare_receiver(kafka, tmp_path, [])
        with pytest.raises(OSError), running(program, 70):
            request("POST", url, body(0, 1, ["residents"]), headers={"propexo-signature": "0" * 64})


@pytest.mark.plain
def test_bridge_on_mock(tmp_path):
    with serving(MockKafka(tmp_path, ["residents"])) as kafka:
        program = Receiver(kafka, ["residents"], directory=tmp_path)
        with running(program.start_ready()):
            sent = body(0, 1, ["residents"])
            assert program.post(sent, secret=SECRET).status == 200
        assert [one.value for one in kafka.read(EVENTS, isolation="read_uncommitted")] == [sent]


@pytest.mark.plain
def test_fetch(simulator, tmp_path):
    sim = simulator(records=50, models=["residents"])
    urls = [f"{sim.url}/v1/residents/{quote(one, safe='')}\n" for one in sim.truth("residents")]
    path = tmp_path / "urls"
    path.write_text("".join(urls), encoding="utf-8")
    before = sim.stats()["requests"]
    assert bare("bare_fetch", TOKEN, 4, path)["done"] == 50
    assert sim.stats()["requests"] == before + 50
    path.write_text(f"{sim.url}/v1/residents/nobody\n", encoding="utf-8")
    with pytest.raises(Failure, match="200"):
        bare("bare_fetch", TOKEN, 4, path)


@pytest.mark.plain
def test_publish(simulator, kafka, registry, prefix, tmp_path):
    sim = simulator(records=600, models=["residents"])
    topic = f"{prefix}.snapshots.residents"
    kafka.create_topics(topic, partitions=3)
    schema_id = registry.register(f"{topic}-value", (TOP / "schemas/residents.avsc").read_text(encoding="utf-8"))
    pages = [sim.get(f"/v1/residents/?limit=250&offset={offset}").text().strip() + "\n" for offset in (0, 250, 500)]
    (tmp_path / "pages").write_text("".join(pages), encoding="utf-8")
    message = {"topic": topic, "key": "", "value": "", "headers": [["model", "residents"]]}
    (tmp_path / "message").write_text(json.dumps(message) + "\n", encoding="utf-8")
    arguments = (kafka.bootstrap, 5, "residents", schema_id, tmp_path / "message", tmp_path / "pages", 1200)
    assert bare("bare_publish", *arguments)["done"] == 1200
    found = snapshots.read(kafka, prefix, "residents", registry)
    assert len(found) == 2200 and all(one.headers == {"model": "residents"} for one in found)
    last, truth = snapshots.latest(found), sim.truth("residents")
    assert last.keys() == truth.keys()
    assert not [key for key, record in truth.items() if differences(last[key], record)]
