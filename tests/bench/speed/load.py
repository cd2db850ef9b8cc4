"""Webhooks by wrk, as many as the receiver answers, or at a rate of its own."""

import json
import subprocess
from pathlib import Path

from harness.bridge import sign
from harness.simulator import SECRET
from harness.wait import Failure

SCRIPT = Path(__file__).with_name("load.lua")
BODIES = 2000
ANSWER_SECONDS = 30


def body(number, integrations, models):
    """A webhook as Propexo sends it when a few fields of a record changed; some 330 bytes."""
    diff = {
        "new": {"phone_1": f"512-555-{number:04}", "last_seen": "2026-02-12T00:10:44.000Z"},
        "previous": {"phone_1": "512-555-0100", "last_seen": "2026-02-11T00:09:12.000Z"},
    }
    meta = {
        "object": models[number % len(models)],
        "trigger": "DATA_UPDATE",
        "integration_id": f"clw9d1a7c{number % integrations:06}qz8hf3k5j2",
    }
    return json.dumps({"meta": meta, "record_id": f"clx3k2v9f{number:06}qz8h4m7t5b", "diff": diff}).encode()


class Webhooks:
    """Bodies that are sent again and again, and the messages that they become."""

    def __init__(self, directory, integrations=100, models=("residents",), count=BODIES):
        self.bodies = [body(number, integrations, models) for number in range(count)]
        self.path = Path(directory) / f"webhooks-{integrations}-{len(models)}"
        lines = (f"{sign(one, SECRET)} {one.decode()}\n" for one in self.bodies)
        self.path.write_text("".join(lines), encoding="utf-8")

    def messages(self):
        """What must lie in Kafka, and nothing else: (model, key, value)."""
        metas = ((json.loads(one)["meta"], one) for one in self.bodies)
        return {(meta["object"], meta["integration_id"].encode(), one) for meta, one in metas}


def send(url, webhooks, *, seconds, connections, pause_ms=0):
    """wrk's figures; its latencies are from a request's sending to its answer. Every answer must be 2xx."""
    command = ["wrk", "--threads", 1, "--connections", connections, "--duration", f"{seconds}s"]
    command += ["--timeout", f"{ANSWER_SECONDS}s", "--script", SCRIPT, url, "--", webhooks.path]
    command += [pause_ms] if pause_ms else []
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    marked = [line for line in done.stdout.splitlines() if line.startswith("figures=")]
    if done.returncode != 0 or not marked:
        raise Failure(f"wrk ended with {done.returncode}: {done.stdout}{done.stderr}")
    figures = json.loads(marked[0].removeprefix("figures="))
    if figures["bad_answers"] or figures["broken"]:
        raise Failure(f"{url}: not all answers are 2xx: {figures}")
    return figures
