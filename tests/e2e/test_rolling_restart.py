"""Two receivers behind one address are restarted in turn under load: no request is broken, and none is lost."""

import json
import time

import pytest

from harness.http_client import request
from harness.nginx import Nginx
from harness.ports import reserve_port
from harness.simulator import SECRET
from harness.wait import wait_until
from harness.webhook_load import WebhookLoad

MODEL = "residents"
LEAVE_SECONDS = 25


@pytest.fixture
def receivers(bridge):
    ports = [reserve_port(), reserve_port()]
    config = {"bridge.models": [MODEL]}
    return [bridge("receive", config | {"receiver.listen": f"127.0.0.1:{port}"}) for port in ports]


@pytest.fixture
def nginx(receivers, tmp_path):
    ports = [int(one.config["receiver.listen"].rpartition(":")[2]) for one in receivers]
    server = Nginx(tmp_path / "nginx", ports)
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def load(receivers, nginx):
    """Many connections that are busy, and some that rest longer than a drain takes; half go through nginx."""
    one = WebhookLoad(SECRET, MODEL)
    for number, receiver in enumerate(receivers):
        port = int(receiver.config["receiver.listen"].rpartition(":")[2])
        one.start(f"direct{number}-busy-", port, 6, 0.003)
        one.start(f"direct{number}-slow-", port, 4, 0.5)
        one.start(f"direct{number}-idle-", port, 2, 3)
    one.start("nginx-busy-", nginx.port, 12, 0.02)
    one.start("nginx-slow-", nginx.port, 8, 0.5)
    yield one
    one.stop()


def restart(receiver):
    """Returns how long the drain took."""
    ready_url = receiver.admin_url("/readyz")
    began = time.monotonic()
    receiver.terminate()
    receiver.wait_event("draining", 5)
    answer = request("GET", ready_url)
    assert (answer.status, answer.json()["ready"], answer.json()["draining"]) == (503, False, True)
    assert receiver.wait(LEAVE_SECONDS) == 0
    took = time.monotonic() - began
    (drained,) = receiver.events("receiver_drained")
    assert drained["all_answered"] == "true"
    receiver.start_ready()
    return took


def check_rolling_restarts(receivers, nginx, load, kafka, prefix, rounds):
    took = []
    for _ in range(rounds):
        for receiver in receivers:
            before = len(load.kept())
            wait_until(lambda: len(load.kept()) > before + 100, 30, "webhooks are kept")
            took.append(restart(receiver))
    load.stop()
    statuses, broken = load.statuses(), load.broken()
    print(f"{2 * rounds} restarts, drained in {min(took):.1f} to {max(took):.1f} s; answers: {dict(statuses)}")
    print(f"{load.refused()} connections refused before a byte was sent; nginx wrote {len(nginx.errors())} lines")
    assert broken == []
    assert statuses.keys() <= {200, 503}
    # A server that does not listen is the only error that there may be.
    assert [line for line in nginx.errors() if "Connection refused" not in line] == []
    kept = load.kept()
    there = {json.loads(message.value)["record_id"] for message in kafka.read(f"{prefix}.events.{MODEL}")}
    assert len(set(kept)) == len(kept) and set(kept) - there == set()
    assert statuses[503] < len(kept) / 100
    assert all(sender.kept for sender in load.senders)


def test_two_rolling_restarts(receivers, nginx, load, kafka, prefix):
    check_rolling_restarts(receivers, nginx, load, kafka, prefix, rounds=2)


@pytest.mark.long
def test_twenty_rolling_restarts(receivers, nginx, load, kafka, prefix):
    check_rolling_restarts(receivers, nginx, load, kafka, prefix, rounds=20)
