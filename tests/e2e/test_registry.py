"""The schema registry: the commands, what the enricher does without it, and who is let in."""

import json
import re

import pytest

from harness.http_client import request
from harness.process import TOP
from harness.registry_proxy import RegistryProxy, basic, bearer, make_certificate
from harness.simulator import SECRET
from harness.truth import assert_equals_truth
from harness.wait import wait_until

MODELS = ["leases", "units"]
AWAY = "http://127.0.0.1:9/apis/ccompat/v7"


def ours(model):
    return (TOP / "schemas" / f"{model}.avsc").read_text()


def grown(model):
    """Our schema with one more field, which may be null."""
    schema = json.loads(ours(model))
    schema["fields"].append({"name": "added_later", "type": ["null", "long"], "default": None})
    return json.dumps(schema)


def other(model):
    """A schema of the same name that ours cannot follow: ids were numbers."""
    schema = json.loads(ours(model))
    return json.dumps(schema | {"fields": [{"name": "id", "type": "int"}, {"name": "gone", "type": "string"}]})


@pytest.fixture
def schemas(bridge):
    """schemas("check", registry, code=1) runs the command and returns what it printed: output and log."""

    def run(word, registry=None, config=None, code=0):
        settings = {"bridge.models": MODELS, "kafka.bootstrap.servers": "embedded"} | (config or {})
        program = bridge("schemas", settings, registry=registry, arguments=[word], start=False, exit_code=code)
        program.start()
        assert program.wait() == code, program.output() + program.log()
        return program.output(), program.log()

    return run


@pytest.fixture
def subject(prefix):
    return lambda model: f"{prefix}.snapshots.{model}-value"


@pytest.fixture
def subjects(prefix):
    """subjects(registry): this test's own, with the numbers of their versions."""

    def read(registry):
        names = [name for name in registry.subjects() if name.startswith(f"{prefix}.")]
        return {name: request("GET", f"{registry.url}/subjects/{name}/versions").json() for name in names}

    return read


@pytest.fixture
def proxy(registry):
    started = []

    def start(**options):
        started.append(RegistryProxy(registry, **options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def lines(output):
    """{model: (subject, what is told)} of a command's output."""
    found = (re.fullmatch(r"(\w+) +(\S+-value) +(.*)", line) for line in output.splitlines())
    return {match[1]: (match[2], match[3]) for match in found if match}


def ready(program):
    """Whether it is ready, and what /readyz says of the registry."""
    answer = request("GET", program.admin_url("/readyz"))
    report = answer.json()
    assert (answer.status == 200) == report["ready"]
    return report["ready"], report["conditions"]["registry"]["reason"]


def wait_not_ready(program, words, timeout=30):
    wait_until(
        lambda: ready(program)[0] is False and words in ready(program)[1],
        timeout,
        lambda: f"not ready, with {words!r}: {ready(program)}\n{program.log()}",
    )


def wait_ready(program, timeout=30):
    wait_until(lambda: ready(program) == (True, ""), timeout, lambda: f"{ready(program)}\n{program.log()}")


# Commands


def test_list_check_and_register(schemas, registry, subject, subjects):
    listed = lines(schemas("list", registry)[0])
    assert listed == {model: (subject(model), "not registered") for model in MODELS}
    output = schemas("check", registry)[0]
    assert lines(output) == {model: (subject(model), "compatible") for model in MODELS}
    assert output.endswith("2 compatible, 0 not compatible\n")
    assert subjects(registry) == {}
    first = schemas("register", registry)[0]
    assert first.endswith("2 of 2 registered\n")
    assert subjects(registry) == {subject(model): [1] for model in MODELS}
    assert schemas("register", registry)[0] == first
    assert subjects(registry) == {subject(model): [1] for model in MODELS}
    told = {model: text for model, (_, text) in lines(schemas("list", registry)[0]).items()}
    for model in MODELS:
        latest = request("GET", f"{registry.url}/subjects/{subject(model)}/versions/latest").json()
        assert latest["schema"] == ours(model)
        assert lines(first)[model] == (subject(model), f"id {latest['id']}")
        assert told[model] == f"version 1 id {latest['id']}, equal"


def test_list_tells_what_differs(schemas, registry, subject):
    schemas("register", registry, {"bridge.models": ["units"]})
    newest = registry.register(subject("units"), grown("units"))
    only = registry.register(subject("leases"), other("leases"))
    listed = {model: text for model, (_, text) in lines(schemas("list", registry)[0]).items()}
    assert listed["units"] == f"version 2 id {newest}, ours is version 1: added_later: only there"
    assert listed["leases"].startswith(f'version 1 id {only}, differs: id: "int" there, "string" here; ')
    assert listed["leases"].endswith("; gone: only there")
    assert lines(schemas("check", registry, code=1)[0])["units"] == (subject("units"), "compatible")


def test_one_that_is_not_compatible_and_nothing_is_registered(schemas, registry, subject, subjects):
    registry.register(subject("units"), other("units"))
    before = subjects(registry)
    for word in ("check", "register"):
        output = schemas(word, registry, code=1)[0]
        name, reason = lines(output)["units"]
        assert name == subject("units")
        assert reason.startswith("NOT COMPATIBLE: ") and 'version 1: id: "int" there, "string" here' in reason
        assert "1 compatible, 1 not compatible\n" in output
        assert subjects(registry) == before == {subject("units"): [1]}
    assert output.endswith("nothing was registered\n")
    registry.delete(subject("units"))
    schemas("check", registry)
    schemas("register", registry)
    assert subjects(registry).keys() == {subject(model) for model in MODELS}


def test_every_model_has_a_subject_but_children(schemas, registry, prefix):
    catalogue = json.loads((TOP / "schemas/models.json").read_text())["models"]
    children = {name for name, model in catalogue.items() if not model.get("list") and model.get("parents")}
    output = schemas("register", registry, {"bridge.models": "*"})[0]
    assert lines(output).keys() == catalogue.keys() - children
    told = {text for _, text in lines(schemas("list", registry, {"bridge.models": "*"})[0]).values()}
    assert told and all(re.fullmatch(r"version 1 id \d+, equal", text) for text in told)


@pytest.mark.parametrize("word", ["list", "check", "register"])
@pytest.mark.parametrize(
    ("config", "code", "told"),
    [
        ({"registry.url": AWAY}, 69, "no_connection"),
        ({}, 78, "registry.url is not set"),
        ({"bridge.models": "spaceships", "registry.url": AWAY}, 78, "spaceships"),
    ],
    ids=["away", "no url", "no such model"],
)
def test_what_cannot_be_asked(schemas, word, config, code, told):
    output, log = schemas(word, config=config, code=code)
    assert told in log and lines(output) == {}


@pytest.mark.parametrize("word", ["list", "check", "register"])
def test_what_is_no_registry(schemas, simulator, word):
    propexo = simulator(records=1, integrations=1, models=["units"])
    log = schemas(word, propexo, {"registry.token": propexo.token}, 78)[1]
    assert "is registry.url that of a schema registry?" in log


@pytest.mark.parametrize("words", [[], ["plan"], ["list", "check"], ["lis"]])
def test_a_word_must_follow(bridge, words):
    program = bridge("schemas", arguments=words, start=False, exit_code=64)
    program.start()
    assert program.wait() == 64
    assert "schemas list|check|register" in program.log()


# The enricher


@pytest.fixture
def propexo(simulator):
    return simulator(records=50, integrations=3, models=MODELS, limit_per_minute=0)


def test_the_enricher_holds_what_the_registry_refuses(
    propexo, bridge, kafka, registry, snapshots, prefix, subject, subjects
):
    registry.register(subject("units"), other("units"))
    running = bridge("run", {"bridge.models": MODELS}, simulator=propexo, registry=registry)
    refused = running.wait_event("registry_refused", 20, subject=subject("units"))
    difference = 'id: "int" there, "string" here'
    assert refused["level"] == "error" and difference in refused["reason"]
    wait_not_ready(running, difference)
    assert subject("units") in ready(running)[1]
    assert running.metrics().sum("bridge_registry_holds") == 1
    propexo.begin(running.receiver_url(), rate=0, changes=200)
    propexo.wait_changes_done()
    assert propexo.stats()["webhooks_lost"] == 0 and propexo.stats()["webhooks_ok"] >= 200
    running.wait_event("registry_refused", 20, after=running.events("registry_refused")[-1])
    assert [snapshots(model) for model in MODELS] == [[], []]
    assert subjects(registry)[subject("units")] == [1]
    assert running.metrics().sum("bridge_registry_holds") == 1
    registry.delete(subject("units"))
    wait_ready(running)
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    assert_equals_truth(propexo, snapshots, MODELS, registry)
    assert subjects(registry).keys() == {subject(model) for model in MODELS}
    assert running.metrics().sum("bridge_registry_holds") == 0
    assert kafka.read(f"{prefix}.dead-letters") == []


def test_a_registry_that_is_away_at_the_start(propexo, bridge, kafka, own_registry, snapshots, prefix):
    running = bridge("run", {"bridge.models": MODELS}, simulator=propexo, registry=own_registry)
    wait_not_ready(running, "no_connection")
    assert running.wait_event("registry_unavailable", 20)["level"] == "warn"
    propexo.begin(running.receiver_url(), rate=0, changes=200)
    propexo.wait_changes_done()
    assert propexo.stats()["webhooks_lost"] == 0 and propexo.stats()["webhooks_ok"] >= 200
    running.wait_event("registry_unavailable", 20, after=running.events("registry_unavailable")[-1])
    assert [snapshots(model) for model in MODELS] == [[], []] and not ready(running)[0]
    assert request("GET", running.admin_url("/healthz")).status == 200
    own_registry.start()
    wait_ready(running)
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    assert_equals_truth(propexo, snapshots, MODELS, own_registry)
    assert kafka.read(f"{prefix}.dead-letters") == []


def test_an_end_while_the_registry_is_away_loses_nothing(propexo, bridge, kafka, own_registry, snapshots, prefix):
    config = {"bridge.models": MODELS, "bridge.instance": f"{prefix}-one"}
    first = bridge("run", config, simulator=propexo, registry=own_registry)
    propexo.begin(first.receiver_url(), rate=0, changes=100)
    propexo.wait_changes_done()
    first.wait_event("registry_unavailable", 20)
    first.kill()
    own_registry.start()
    wait_ready(bridge("run", config, simulator=propexo, registry=own_registry), 60)
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    assert_equals_truth(propexo, snapshots, MODELS, own_registry)


@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_a_registry_that_goes_away_later(propexo, bridge, kafka, own_registry, snapshots, prefix, how):
    own_registry.start()
    running = bridge("run", {"bridge.models": MODELS}, simulator=propexo, registry=own_registry)
    wait_ready(running)
    (own_registry.stop if how == "stopped" else own_registry.freeze)()
    propexo.begin(running.receiver_url(), rate=0, changes=200)
    propexo.wait_changes_done()
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    assert ready(running) == (True, "") and running.events("registry_unavailable") == []
    (own_registry.start if how == "stopped" else own_registry.thaw)()
    assert_equals_truth(propexo, snapshots, MODELS, own_registry)


def test_the_enricher_registers_nothing_that_is_there(propexo, bridge, schemas, proxy, kafka, prefix):
    """So that one that may only read serves, once `schemas register` has run."""
    door = proxy()
    schemas("register", door)
    assert any(call.startswith("POST") and call.endswith("/versions") for call in door.asked)
    door.asked.clear()
    running = bridge("run", {"bridge.models": MODELS}, simulator=propexo, registry=door)
    wait_ready(running)
    propexo.begin(running.receiver_url(), rate=0, changes=50)
    propexo.wait_changes_done()
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    assert sorted(door.asked) == [f"POST /apis/ccompat/v7/subjects/{prefix}.snapshots.{m}-value" for m in MODELS]


# Who is let in


WAYS = {
    "basic": (basic("reader", "pass:word"), {"registry.user": "reader", "registry.password": "pass:word"}),
    "bearer": (bearer("the-token"), {"registry.token": "the-token"}),
}
WRONG = {
    "basic": {"registry.user": "reader", "registry.password": "guessed"},
    "bearer": {"registry.token": "guessed"},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_authorization(propexo, bridge, schemas, proxy, kafka, registry, snapshots, prefix, tmp_path, way, tls):
    wanted, config = WAYS[way]
    certificate = make_certificate(tmp_path) if tls else None
    door = proxy(wanted=wanted, certificate=certificate)
    trust = {"registry.ca": certificate[0]} if tls else {}
    for bad in ({}, WRONG[way]):
        for word in ("list", "check", "register"):
            assert "it does not know us" in schemas(word, door, bad | trust, 78)[1]
    assert door.asked == [] and door.refused == 6
    running = bridge("run", {"bridge.models": MODELS} | config | trust, simulator=propexo, registry=door)
    wait_ready(running)
    propexo.begin(running.receiver_url(), rate=0, changes=100)
    propexo.wait_changes_done()
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    assert_equals_truth(propexo, snapshots, MODELS, registry)
    assert all(text.endswith("equal") for _, text in lines(schemas("list", door, config | trust)[0]).values())
    assert door.refused == 6
    told = running.log() + "".join(schemas("check", door, config | trust))
    assert not any(secret in told for secret in ("pass:word", "the-token"))


def test_the_enricher_is_let_in_later(propexo, bridge, proxy, kafka, registry, snapshots, prefix):
    door = proxy(wanted=bearer("another"))
    config = {"bridge.models": MODELS, "registry.token": "the-token"}
    running = bridge("run", config, simulator=propexo, registry=door)
    wait_not_ready(running, "it does not know us")
    assert running.post({}, secret=SECRET).status == 200
    propexo.begin(running.receiver_url(), rate=0, changes=50)
    propexo.wait_changes_done()
    door.wanted = bearer("the-token")
    wait_ready(running)
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    assert_equals_truth(propexo, snapshots, MODELS, registry)


@pytest.mark.parametrize("trust", ["nobody", "another", "another name"])
def test_a_registry_that_cannot_be_trusted(schemas, bridge, proxy, propexo, tmp_path, trust):
    """Not without its certificate, not with another's, not under another name."""
    for folder in ("its", "another"):
        (tmp_path / folder).mkdir()
    name = "DNS:registry.example" if trust == "another name" else "IP:127.0.0.1"
    certificate = make_certificate(tmp_path / "its", name)
    known = make_certificate(tmp_path / "another")[0] if trust == "another" else certificate[0]
    door = proxy(certificate=certificate)
    config = {} if trust == "nobody" else {"registry.ca": known}
    for word in ("list", "check", "register"):
        assert "tls" in schemas(word, door, config, 78)[1]
    running = bridge("run", {"bridge.models": MODELS} | config, simulator=propexo, registry=door)
    wait_not_ready(running, "tls")
    assert running.wait_event("registry_refused", 20)
    assert door.asked == []
