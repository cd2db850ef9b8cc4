"""The console, in a real browser: what it shows is what is, what it sends back goes back, and it needs nothing from elsewhere."""

import json
import shutil
import subprocess
from urllib.parse import urlsplit

import pytest

from harness.http_client import request
from harness.image import make
from harness.process import TOP
from harness.simulator import SECRET
from harness.wait import wait_until

pytestmark = pytest.mark.long

MODELS = ["residents", "units"]
TOKEN = "a token of the admin port"
FOLDER = TOP / "build/e2e/browser"
PICTURES = TOP / "build/e2e/console"


@pytest.fixture
def browse():
    """browse(url, model, record) walks through the console, and returns what was seen; screenshots stay in build/e2e/console."""
    make("browser")
    chromium = shutil.which("chromium")
    PICTURES.mkdir(parents=True, exist_ok=True)

    def walk(url, model, record):
        script = TOP / "tests/e2e/browser/console.mjs"
        command = ["node", script, chromium, url, TOKEN, PICTURES, model, record]
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return json.loads(done.stdout)

    return walk


def test_a_walk(simulator, bridge, kafka, registry, prefix, browse):
    propexo = simulator(models=MODELS, records=600, integrations=3, limit_per_minute=0, latency_ms=5)
    config = {"bridge.models": MODELS, "admin.token": TOKEN, "admin.records": True}
    running = bridge("run", config, simulator=propexo, registry=registry)
    running.wait_event("assigned", 30)
    propexo.begin(running.receiver_url(), rate=50, changes=300)
    propexo.wait_changes_done()
    integration = propexo.stats()["integrations"][0]
    order = bridge("backfill", config, simulator=propexo, registry=registry, arguments=["--integration", integration, "--model", "units"], start=False)
    assert order.start().wait(60) == 0
    propexo.set_faults("wrong-id:100%")
    victim = next(record for record in propexo.truth("residents").values())
    for name in ("Ada", "Grace"):
        propexo.change("residents", victim["id"], {"first_name": name}, True)
        wait_until(lambda: len(kafka.read(f"{prefix}.dead-letters")) > (name == "Grace"), 60, "a dead letter", 0.5)
    body = {"data": {"event": "DATA_NEW", "object": "no_such_model", "record_id": "x", "payload": {}}, "meta": {"integration_id": integration}}
    assert running.post(body, secret=SECRET).status == 200
    propexo.set_faults("")
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    letters = len(kafka.read(f"{prefix}.dead-letters"))
    assert letters == 3

    seen = browse(running.admin_url("/"), "residents", victim["id"])

    host = urlsplit(running.admin_url("/")).netloc
    assert {urlsplit(url).netloc for url in seen["requests"]} == {host}
    # Without a token, with a wrong one, and without one again: a browser writes each answer 401 into its console, and nothing else.
    assert len(seen["problems"]) == 3 and all("401 (Unauthorized)" in text for text in seen["problems"]), seen["problems"]
    metrics = running.metrics()
    assert int(seen["flow"]["webhooks"].replace(",", "")) == 302
    assert seen["flow"]["waiting"] == "0" and int(seen["flow"]["dead_letters"]) == letters
    assert seen["flow"]["partitions_owned"] == str(int(metrics.sum("bridge_partitions_owned")))
    assert {"receiver", "assignment", "publisher", "registry"} <= set(seen["conditions"])
    assert len(seen["charts"]) == 8 and all("in the last hour" in label for label in seen["charts"])
    assert seen["unlabelled"] == 0
    pairs = {(row[0], row[1]): row for row in seen["standings"]}
    assert len(pairs) == len(seen["standings"]) == 3 * len(MODELS)
    assert sum(int(row[5]) for row in seen["standings"]) == 2 and pairs[victim["integration_id"], "residents"][5] == "2"
    assert sum(int(row[4].replace(",", "")) for row in seen["standings"]) == metrics.sum("bridge_snapshots_total") - 1
    assert seen["sorted"] == sorted(seen["sorted"], reverse=True) and seen["filtered"] == "nothing yet"
    (backfill,) = seen["backfills"]
    units = sum(record["integration_id"] == integration for record in propexo.truth("units").values())
    assert backfill.startswith(f"units of {integration}") and f"done: {units} of {units} records" in backfill
    assert [row[1] for row in seen["letters"]].count("wrong-record") == 2
    assert seen["codes"] == ["all", "unknown-model", "wrong-record"] and seen["chosen"] == 2
    assert "admin.token" in seen["refused"]
    assert seen["plan"].startswith("2 letters of code wrong-record go back") and seen["replayed"].startswith("2 letters were sent back")
    assert any("first_name" in event and "Grace" in event for event in seen["events"])
    assert "Grace" in seen["snapshots"][0] and victim["id"] in seen["snapshots"][0]
    assert seen["first_focus"] == "skip" and seen["letters_by_keyboard"] is True and seen["ring"] == "solid"
    assert seen["grounds"][0] != seen["grounds"][1]
    assert all(width <= 360 for width in seen["widths"].values()), seen["widths"]
    pictures = {path.name for path in PICTURES.glob("*.png")}
    assert {"flow-light.png", "flow-dark.png", "record-light.png", "letters-narrow.png"} <= pictures


def test_who_may_what(simulator, bridge, kafka, prefix):
    """Without a token nothing is sent back; without admin.records no field is shown, token or not; files bear the policy."""
    propexo = simulator(models=MODELS, records=10, integrations=1, limit_per_minute=0)
    config = {"bridge.models": MODELS, "output.format": "json"}
    silent = bridge("run", config, simulator=propexo)
    guarded = bridge("receive", config | {"admin.token": TOKEN}, simulator=propexo)
    shown = bridge("receive", config | {"admin.token": TOKEN, "admin.records": True}, simulator=propexo)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    wish = json.dumps({"dry_run": True}).encode()
    question = json.dumps({"model": "units", "record_id": "u"}).encode()

    def status(program, method, path, body=None, headers=()):
        return request(method, program.admin_url(path), body, headers).status

    assert status(silent, "POST", "/console/replay", wish) == 403
    assert status(guarded, "POST", "/console/replay", wish) == 401
    assert status(guarded, "POST", "/console/replay", wish, {"Authorization": "Bearer another"}) == 401
    assert status(guarded, "POST", "/console/replay", wish, bearer) == 200
    assert status(guarded, "GET", "/console/replay", None, bearer) == 405
    assert status(guarded, "POST", "/console/replay", b"[]", bearer) == 400
    assert status(guarded, "POST", "/console/replay", b'{"model": "none"}', bearer) == 409
    assert status(guarded, "POST", "/console/record", question, bearer) == 404
    assert status(shown, "POST", "/console/record", question) == 401
    assert status(shown, "POST", "/console/record", question, bearer) == 200
    assert status(shown, "POST", "/console/record", b'{"model": "leases", "record_id": "u"}', bearer) == 409
    assert status(silent, "GET", "/console/letters") == 200
    assert request("GET", guarded.admin_url("/console/board")).json() == {"age_ms": 0, "board": None}
    request("GET", silent.admin_url("/console/board"))
    wait_until(lambda: request("GET", silent.admin_url("/console/board")).json()["board"], 20, "the board")
    flow = request("GET", silent.admin_url("/console/flow")).json()
    assert flow["parts"] == "receiver enricher" and flow["takes_token"] is False and flow["ready"] is True
    assert request("GET", silent.admin_url("/")).headers["location"] == "/console/index.html"
    for name in ("index.html", "style.css", "app.js", "views.js", "desk.js", "charts.js", "format.js"):
        answer = request("GET", silent.admin_url(f"/console/{name}"))
        assert answer.status == 200 and answer.headers["x-content-type-options"] == "nosniff"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert "style=" not in answer.text() and "onclick" not in answer.text()


def test_a_record_is_shown_as_far_as_the_rules_allow(simulator, bridge, kafka, registry, prefix):
    """Avro and JSON; what is redacted is not shown, though it was written before the rule; of an erased record nothing is."""
    propexo = simulator(models=MODELS, records=10, integrations=2, limit_per_minute=0)
    config = {"bridge.models": MODELS, "admin.token": TOKEN, "admin.records": True}
    running = bridge("run", config, simulator=propexo, registry=registry)
    running.wait_event("assigned", 30)
    key = next(iter(propexo.truth("residents")))
    propexo.begin(running.receiver_url(), rate=0, changes=1)
    for number in range(30):
        propexo.change("residents", key, {"first_name": f"Ada {number}", "last_name": "Lovelace"}, True)
    propexo.wait_delivered()
    kafka.wait_consumed(prefix, f"{prefix}.events.")

    def look(program):
        question = json.dumps({"model": "residents", "record_id": key}).encode()
        answer = request("POST", program.admin_url("/console/record"), question, {"Authorization": f"Bearer {TOKEN}"})
        assert answer.status == 200 and answer.headers["cache-control"] == "no-store"
        return answer.json()

    told = look(running)
    assert len(told["events"]) == 20 and told["snapshots"][-1]["record"]["first_name"] == "Ada 29"
    assert told["whole"] is True and told["erased"] is False
    rules = {"snapshots.redact": "residents.first_name, residents.last_name:hash", "snapshots.redact_key": "a key for hashes that is long"}
    redacting = bridge("receive", config | rules, simulator=propexo, registry=registry)
    text = json.dumps(look(redacting))
    assert "Ada" not in text and "Lovelace" not in text and "hmac-sha256:" in text

    erase = bridge("erase", config, simulator=propexo, registry=registry, arguments=["--model", "residents", "--record", key], start=False)
    assert erase.start().wait(90) == 0, erase.output() + erase.log()
    told = look(running)
    assert told["erased"] is True and told["events"] == []
    assert {row["trigger"] for row in told["snapshots"]} == {"ERASED"} and all(row["record"] is None for row in told["snapshots"])
