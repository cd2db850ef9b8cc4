"""The rights that README.md names for each command are enough, and none of them is spare: a real broker with ACLs."""

import json
import re
from collections import defaultdict

import pytest

from harness.certificates import Authority
from harness.process import TOP
from harness.secured_kafka import SecuredKafka, password
from harness.wait import wait_until

MODELS = ["contracts", "properties"]
COLUMNS = ["events", "snapshots", "state", "assembly", "activity", "dead-letters", "group", "transactional id"]
PREFIX = "acls"
ALLOWED = re.compile(r"Principal = User:(\S+) is (Allowed|Denied) operation = (\w+) .* on resource = (\w+):LITERAL:(\S+) for")


def table():
    """{command: {column: set of rights}}"""
    text = (TOP / "README.md").read_text(encoding="utf-8").split("### Rights in Kafka")[1]
    rows = [line for line in text.split("\n### ")[0].splitlines() if line.startswith("| `")]
    found = {}
    for row in rows:
        command, *cells = (cell.strip() for cell in row.strip("|").split("|"))
        found[command.strip("`")] = {column: set(cell.split()) for column, cell in zip(COLUMNS, cells, strict=True)}
    return found


def user_of(command):
    return command.replace(" ", "-").replace("---", "-")


RIGHTS = table()
USERS = {user_of(command): rights for command, rights in RIGHTS.items()}


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("certificates"))
    server = SecuredKafka(tmp_path_factory.mktemp("acls"), {"good": authority.issue("good")}, ["nobody", *USERS])
    server.authority = authority
    try:
        yield server.start()
    finally:
        server.remove()


def grant(secured, instance):
    for user, rights in USERS.items():
        replays = user == "replay"
        for column, operations in rights.items():
            operations = [re.sub("Describe(?=.)", "describe_", operation).lower() for operation in operations]
            if not operations:
                continue
            if column == "group":
                secured.allow(user, "group", f"{PREFIX}-replay" if replays else PREFIX, *operations)
            elif column == "transactional id":
                secured.allow(user, "transactional_id", f"{PREFIX}/replay" if replays else f"{PREFIX}-{instance}", *operations)
            elif column in ("events", "snapshots"):
                secured.allow(user, "topic", f"{PREFIX}.{column}.", *operations, prefixed=True)
            else:
                secured.allow(user, "topic", f"{PREFIX}.{column}", *operations)


def column_of(kind, name):
    if kind == "Topic":
        name = name.removeprefix(f"{PREFIX}.")
        return name.split(".")[0]
    return {"Group": "group", "TransactionalId": "transactional id"}.get(kind, kind)


def used(secured):
    """What the broker was asked for, by user and column, in the table's words; and what it has refused."""
    asked, refused = defaultdict(lambda: defaultdict(set)), []
    for user, verdict, operation, kind, name in ALLOWED.findall(secured.log_path.read_text(encoding="utf-8")):
        if user not in USERS:
            continue
        word = "".join(part.capitalize() for part in operation.split("_"))
        if verdict == "Denied":
            refused.append((user, word, kind, name))
        else:
            asked[user][column_of(kind, name)].add(word)
    return asked, refused


def test_each_command_with_its_rights_alone(bridge, simulator, secured):
    propexo = simulator(models=MODELS, records=60, integrations=1, limit_per_minute=0)
    (integration,) = propexo.stats()["integrations"]
    records = sorted(propexo.truth("properties"))
    base = {
        "bridge.models": MODELS,
        "output.format": "json",
        "topics.prefix": PREFIX,
        "topics.create": False,
        "topics.partitions": 2,
        "enricher.group": PREFIX,
        "bridge.instance": "one",
        "kafka.bootstrap.servers": f"localhost:{secured.ports['sasl']}",
        "kafka.security.protocol": "SASL_SSL",
        "kafka.ssl.ca.location": secured.authority.certificate,
        "kafka.sasl.mechanism": "PLAIN",
        "sync.grace_ms": 100,
    }
    grant(secured, "one")

    def start(command, *arguments, user=None, code=0, wait=True):
        name, *words = command.split()
        name_of_user = user or user_of(command)
        login = {"kafka.sasl.username": name_of_user, "kafka.sasl.password": password(name_of_user)}
        more = [*words, *arguments]
        if not wait:
            return bridge(name, base | login, simulator=propexo, arguments=more)
        program = bridge(name, base | login, simulator=propexo, arguments=more, start=False, exit_code=code)
        program.start()
        assert program.wait(120) == code, program.output() + program.log()
        return program.output() + program.log()

    def post(receiver, event, **data):
        body = {"trigger": event, "data": {"event": event, "integration_id": integration} | data}
        assert receiver.post(body, secret=propexo.secret).status == 200

    def told(event):
        values = [json.loads(message.value) for message in secured.read(f"{PREFIX}.activity")]
        return [one for one in values if event in (one.get("event"), one.get("trigger"))]

    start("topics apply")
    start("topics apply")  # what is there is seen
    assert "0 missing" in start("topics plan")
    start("check")
    said = start("receive", user="nobody", code=78)
    assert "is not there, or not shown to this user" in said

    receiver = start("receive", wait=False)
    propexo.begin(receiver.receiver_url(), rate=0, changes=60)
    propexo.wait_changes_done()
    post(receiver, "FIRST_SYNC_COMPLETE")
    post(receiver, "DATA_VANISHED")  # nobody knows it: a dead letter
    secured.produce(f"{PREFIX}.events.properties", [(integration.encode(), b"no event")])
    enricher = start("enrich", wait=False)
    wait_until(lambda: any(one["model"] == "properties" for one in told("BACKFILL_COMPLETE")), 60, "the first sync's snapshots")
    enricher.terminate()
    assert enricher.wait() == 0
    propexo.change("properties", records[0], {"name": "another"})  # nobody is told
    post(receiver, "SYNC_COMPLETE")
    enricher = start("enrich", wait=False)
    wait_until(lambda: len(told("SYNC_SNAPSHOTS_COMPLETE")) >= 1, 60, "the sync's end")
    assert any(one["missed"] + one["unverified"] >= 1 for one in told("SNAPSHOTS_COMPLETE")), told("SNAPSHOTS_COMPLETE")
    assert len(secured.read(f"{PREFIX}.dead-letters")) == 2

    start("backfill", "--integration", integration, "--model", "properties")
    start("backfill --follow", "--integration", integration, "--model", "properties")
    wait_until(lambda: not secured.behind(PREFIX, f"{PREFIX}.events."), 60, "all events")
    looked_at = ("--model", "properties", "--ignore", "custom_data.read_sequence", "--ignore", "last_seen")
    start("verify", *looked_at)
    propexo.change("properties", records[1], {"name": "one more"})
    start("verify --repair", *looked_at, code=1)
    assert "events produced" in start("recover", "--since", "1h")
    start("erase", "--model", "properties", "--record", records[2])
    # A kind that was not known when it came.
    late = {"trigger": "JOB_SUCCESS", "data": {"event": "JOB_SUCCESS", "integration_id": integration}}
    headers = {"error_code": "unknown-kind", "source": "webhook", "ce_id": "0" * 32}
    letter = (integration.encode(), json.dumps(late).encode(), [(name, text.encode()) for name, text in headers.items()])
    secured.produce(f"{PREFIX}.dead-letters", [letter])
    start("replay")
    assert len(told("JOB_SUCCESS")) == 1
    for program in (receiver, enricher):
        program.terminate()
        assert program.wait() == 0

    asked, refused = used(secured)
    for user, rights in USERS.items():
        found = {column: asked[user][column] for column in COLUMNS}
        for column in COLUMNS:  # Describe is part of the others
            if found[column] & {"Read", "Write"}:
                found[column] -= {"Describe"}
        unexpected = set(asked[user]) - set(COLUMNS)
        assert not unexpected, (user, unexpected)
        spare = {c: rights[c] - found[c] for c in COLUMNS if rights[c] - found[c]}
        more = {c: found[c] - rights[c] for c in COLUMNS if found[c] - rights[c]}
        assert (spare, more) == ({}, {}), user
    # The policies of topics are looked at where they may be; librdkafka's reader looks for a group's coordinator and does
    # without.
    assert {(right, kind) for _, right, kind, _ in refused} == {("DescribeConfigs", "Topic"), ("Describe", "Group")}
