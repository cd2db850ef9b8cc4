"""What the program has given up, and that it can still do all that it must."""

import os
import pathlib
import re
import socket
import stat
import subprocess

import pytest

from harness.wait import wait_until

MODELS = ["residents", "contracts"]
NET_BIND_SERVICE = 10
BUILD = pathlib.Path(os.environ.get("BRIDGE_BUILD", "build"))


def threads(pid):
    """What the kernel says of each thread: a dictionary by name."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        yield dict(line.split(":\t", 1) for line in lines if ":\t" in line)


@pytest.mark.plain
def test_a_flow_within_the_filter(simulator, bridge, own_kafka, prefix, tmp_path):
    """Webhooks, pages, assembled records, a spool while Kafka is away, a lasting cache, and an honest end."""
    own_kafka.start()
    spool, cache = tmp_path / "spool", tmp_path / "cache"
    spool.mkdir()
    cache.mkdir()
    propexo = simulator(records=100, integrations=2, models=MODELS, limit_per_minute=0, latency_ms=5)
    config = {"bridge.models": MODELS, "output.format": "json", "process.seccomp": "true"}
    config |= {"kafka.bootstrap.servers": own_kafka.bootstrap, "enricher.cache_dir": cache}
    config |= {"receiver.spool_dir": spool, "receiver.spool_after_ms": 300}
    running = bridge("run", config, simulator=propexo)
    running.wait_event("assigned", 30)
    for task in threads(running.pid):
        assert task["Seccomp"] == "2" and task["NoNewPrivs"] == "1"
        assert int(task["CapEff"], 16) == int(task["CapPrm"], 16) == int(task["CapBnd"], 16) == 0
        assert task["Umask"] == "0077"
    propexo.begin(running.receiver_url(), rate=200, changes=300)
    wait_until(lambda: running.metrics().sum("bridge_webhooks_total", outcome="kept") > 50, 20, "webhooks")
    own_kafka.freeze()
    wait_until(lambda: running.metrics().sum("bridge_spool_written_total") > 0, 20, "the spool")
    own_kafka.thaw()
    propexo.wait_changes_done()
    own_kafka.wait_consumed(prefix, f"{prefix}.events.")
    made = [path for folder in (spool, cache) for path in folder.rglob("*") if path.is_file()]
    assert made and all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in made)
    assert running.stop() == 0


def low_port():
    for port in range(900, 1024):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port below 1024")


def test_only_a_low_port_keeps_a_capability(bridge, kafka):
    receiver = bridge("receive", {"receiver.listen": f"127.0.0.1:{low_port()}"})
    for task in threads(receiver.pid):
        assert int(task["CapEff"], 16) == 1 << NET_BIND_SERVICE


@pytest.mark.plain
def test_the_binary():
    """Position independent, its tables read-only, its stack guarded, its copies checked; nothing set on the file."""
    program = BUILD / "propexo-bridge"
    said = subprocess.run(["readelf", "-hldsW", program], capture_output=True, text=True, check=True).stdout
    assert re.search(r"Type:\s+DYN", said) and "GNU_RELRO" in said and re.search(r"FLAGS_1.*NOW.*PIE", said)
    assert "__stack_chk_fail" in said and re.search(r"__\w+_chk@", said)
    assert re.search(r"GNU_STACK\s.*\sRW\s", said)
    assert stat.S_IMODE(program.stat().st_mode) & (stat.S_ISUID | stat.S_ISGID | stat.S_IWOTH) == 0
