"""No secret, token, body or personal field is in anything that the bridge writes, at the most talkative level."""

import json
import os
import re
from pathlib import Path

from harness.http_client import request
from harness.wait import wait_until

MODELS = ["crm_prospects", "residents"]
# What must not be written; each is unlike any word of the programs.
SECRETS = {
    "receiver.secret": "planted-webhook-secret",
    "receiver.integration_secret": "intg-x planted-integration-secret",
    "api.token": "planted-api-token",
    "registry.password": "planted-registry-password",
    "admin.token": "planted-admin-token",
    "snapshots.redact_key": "planted-redaction-key",
    "kafka.sasl.password": "planted-sasl-password",
    "kafka.ssl.key.password": "planted-key-password",
}
PERSONAL = re.compile(r"planted|Plantagenet|1977-05-05|plantagenet@example")


def person(number):
    return {"last_name": f"Plantagenet {number}", "date_of_birth": "1977-05-05", "email_1": f"plantagenet{number}@example.com"}


def texts(folder):
    """All that was written to files but the configurations, which hold the secrets, and the simulator's log."""
    for path in Path(folder).rglob("*"):
        if path.is_file() and path.suffix != ".conf" and not path.name.startswith("propexo-sim"):
            yield path, path.read_bytes().decode("utf-8", "replace")


def assert_clean(what, text):
    found = PERSONAL.search(text)
    assert not found, f"{what}: {text[max(0, found.start() - 200) : found.end() + 100]}"


def test_nothing_is_told(simulator, bridge, kafka, registry, prefix, tmp_path):
    api_token = SECRETS["api.token"]
    propexo = simulator(
        models=MODELS, records=30, integrations=1, limit_per_minute=0, token=api_token, webhook_secret=SECRETS["receiver.secret"]
    )
    config = SECRETS | {
        "bridge.models": MODELS,
        "registry.url": registry.url,
        "registry.user": "registry-user",
        "snapshots.redact": "residents.email_1:hash",
        "log.level": "debug",
        "kafka.debug": "all",
        "sync.grace_ms": 100,
        "api.base_url": propexo.url,
    }
    (integration,) = propexo.stats()["integrations"]
    running = bridge("run", config)
    running.wait_event("assigned", 30)
    secret = SECRETS["receiver.secret"]
    propexo.begin(running.receiver_url(), rate=0, changes=40)
    propexo.wait_changes_done()
    for number, key in enumerate(sorted(propexo.truth("residents"))[:10]):
        propexo.change("residents", key, person(number), True)
    for number, key in enumerate(sorted(propexo.truth("crm_prospects"))[:10]):
        propexo.change("crm_prospects", key, {"last_name": f"Plantagenet {number}"}, True)
    propexo.wait_delivered()

    def post(body, **more):
        return running.post(body, **{"secret": secret} | more)

    # Everything that can be wrong with a request, an event, an answer.
    assert post(b"last_name=Plantagenet").status == 400
    assert post({"trigger": "DATA_UPDATE", "data": {"object": "people", "record_id": "p", "diff": {"new": person(1)}}}).status == 200
    assert post(person(1), secret="planted-wrong-secret").status == 401
    assert post(person(1), path="/webhooks/intg-x").status == 401
    assert post(person(1), path="/elsewhere?name=Plantagenet").status == 404
    assert post(person(1), headers=[("Content-Encoding", "planted")]).status == 415
    assert post(b"Plantagenet" * 100_000).status == 413
    kafka.produce(f"{prefix}.events.residents", [(b"Plantagenet", json.dumps(person(2)).encode())])
    for fault in ("500:100%", "truncate:100%", "wrong-id:100%", "reset:100%"):
        propexo.set_faults(fault)
        propexo.change("residents", sorted(propexo.truth("residents"))[0], person(hash(fault) % 1000), True)
        wait_until(lambda: propexo.stats()["webhooks_waiting"] == 0, 20, "the webhook")
    propexo.set_faults("")
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    propexo.change("residents", sorted(propexo.truth("residents"))[20], person(77), False)
    data = {"event": "SYNC_COMPLETE", "integration_id": integration}
    assert post({"trigger": "SYNC_COMPLETE", "data": data | person(3)}).status == 200
    kafka.wait_consumed(prefix, f"{prefix}.events.")

    metrics = request("GET", running.admin_url("/metrics")).text()
    assert_clean("metrics", metrics)
    for path in ("/readyz", "/healthz", "/Plantagenet"):
        assert_clean(path, request("GET", running.admin_url(path)).text().replace("/Plantagenet", ""))
    process = Path("/proc") / str(running.process.pid)
    assert_clean("names of threads", "".join((task / "comm").read_text() for task in (process / "task").iterdir()))
    assert_clean("command line", (process / "cmdline").read_text())
    for command, arguments in (
        ("config", ()),
        ("check", ()),
        ("recover", ("--since", "1h")),
        ("replay", ()),
        ("verify", ("--json", "--model", "residents")),
        ("backfill", ("--integration", integration, "--follow")),
        ("topics plan", ()),
        ("schemas check", ()),
    ):
        name, *words = command.split()
        program = bridge(name, config, arguments=(*words, *arguments), start=False, exit_code=None)
        program.start()
        program.wait(120)
        assert_clean(command, program.output() + program.log())
        assert program.output() or program.log(), command
    assert running.log().count("event=kafka_log") > 1000  # it was talkative
    written = [message.value.decode("utf-8", "replace") for message in kafka.read(f"{prefix}.events.residents")]
    assert sum(PERSONAL.search(text) is not None for text in written) > 10  # and had something to tell
    for path, text in texts(tmp_path):
        assert_clean(path, text)


def test_a_configuration_that_is_refused(bridge):
    """What is wrong is said without saying what it is."""
    for name, value in SECRETS.items():
        for wrong in ({name: value, "api.timeout_ms": "soon"}, {name: value + "\x01"}, {name: value, name + "x": value}):
            program = bridge("run", wrong, start=False, exit_code=78)
            program.start()
            assert program.wait() == 78
            assert_clean(name, program.output() + program.log())


def test_a_core_has_another_name(bridge):
    """The process's name, from which a core's is made, is the program's."""
    running = bridge("receive", {"bridge.models": ["units"], **{"receiver.secret": SECRETS["receiver.secret"]}})
    assert Path(f"/proc/{running.process.pid}/comm").read_text() == "propexo-bridge\n"
    assert PERSONAL.search(os.readlink(f"/proc/{running.process.pid}/cwd")) is None
