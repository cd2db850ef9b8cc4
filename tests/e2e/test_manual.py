"""What the program says of itself, and what `make install` puts where."""

import os
import pathlib
import re
import shlex
import socket
import subprocess

import pytest

from harness.process import TOP
from harness.wait import wait_until

BUILD = pathlib.Path(os.environ.get("BRIDGE_BUILD", "build"))
BRIDGE = BUILD / "propexo-bridge"
MODELS = ["residents", "units"]
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGE_")}


def said(*arguments, code=0):
    made = subprocess.run([BRIDGE, *arguments], capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert made.returncode == code, made.stderr
    return made.stdout if code == 0 else made.stderr


def commands():
    """{name: words} as the help lists them."""
    lines = re.findall(r"^  (\w+)(?: (\S+\|\S+|plan\|apply))? ", said("help"), re.M)
    return {name: words.split("|") if words else [] for name, words in lines if name not in ("help", "version")}


def test_each_command_has_its_help():
    names = commands()
    assert len(names) > 12 and names["topics"] == ["plan", "apply"]
    readme = (TOP / "README.md").read_text()
    for name in names:
        text = said("help", name)
        assert text == said(name, "--help") and text.startswith(f"usage: propexo-bridge {name}")
        (example,) = re.findall(r"^For example: propexo-bridge (.*)$", text, re.M)
        assert example.split()[0] == name
        assert re.search(rf"^\| `{name}\b", readme, re.M), f"{name} is not in the README"
        assert max(map(len, text.splitlines())) < 110


def test_what_is_no_command():
    for arguments in ([], ["nothing"], ["help", "nothing"], ["--nothing"]):
        assert said(*arguments, code=64).startswith("usage: propexo-bridge COMMAND")
    assert said("config", "--nothing", code=64).splitlines()[0] == "propexo-bridge config: --nothing is not understood"


def test_the_manual_page():
    """Every command, option and key, in roff that groff's own checker has nothing to say about."""
    page = said("help", "man")
    for name in commands():
        assert re.search(rf"^\.B {name}( |$)", page, re.M)
        for option in re.findall(r"^  (--\w[\w-]*)", said("help", name), re.M):
            assert option.replace("-", "\\-") in page
    section = None
    for line in said("config", "--set", "receiver.allow_unsigned=true").splitlines():
        if line.startswith("["):
            section = line
            assert f".SS {section}\n" in page
        elif re.match(r"\w+ =", line):
            assert f"\n.B {line.split(' =')[0]}\n" in page
    made = subprocess.run(["groff", "-man", "-ww", "-z", "-Tutf8"], input=page, capture_output=True, text=True, check=False)
    assert (made.returncode, made.stderr) == (0, "")


def test_completion():
    """Of bash, really asked; of the others, that they name all there is."""

    def completed(*words):
        script = f"{said('help', 'bash')}\nCOMP_WORDS=(propexo-bridge {shlex.join(words)}); COMP_CWORD={len(words)}; _propexo_bridge; echo \"${{COMPREPLY[@]}}\""
        return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split()

    assert set(completed("")) == commands().keys() | {"help", "version"}
    assert completed("ver") == ["verify", "version"]
    assert completed("topics", "p") == ["plan"]
    assert "--model" in completed("verify", "--") and "--follow" not in completed("verify", "--")
    for shell in ("zsh", "fish"):
        text = said("help", shell)
        assert all(re.search(rf"\b{name}\b", text) for name in commands())


@pytest.fixture
def installed(tmp_path):
    subprocess.run(["make", "-s", "install", f"PREFIX={tmp_path}/usr", f"BUILD={BUILD}"], cwd=TOP, check=True, stdout=subprocess.DEVNULL)
    return tmp_path / "usr"


def unit_of(prefix):
    """The unit's keys; the last of a name counts."""
    lines = (prefix / "lib/systemd/system/propexo-bridge.service").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_installed(installed):
    files = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    assert {
        "bin/propexo-bridge",
        "lib/systemd/system/propexo-bridge.service",
        "share/man/man1/propexo-bridge.1",
        "share/bash-completion/completions/propexo-bridge",
        "share/zsh/site-functions/_propexo-bridge",
        "share/fish/vendor_completions.d/propexo-bridge.fish",
        "share/propexo-bridge/schemas/residents.avsc",
    } <= files
    assert all((installed / name).stat().st_size > 100 for name in files)
    assert unit_of(installed)["ExecStart"].startswith(f"{installed}/bin/propexo-bridge run ")


def test_it_tells_the_service_manager(bridge, kafka, simulator, tmp_path):
    """READY=1 when it is, WATCHDOG=1 while its loops turn, STOPPING=1 at its end: as Type=notify wants it."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(20)
        running = bridge("run", {"bridge.models": MODELS, "output.format": "json"}, simulator=simulator(records=5, models=MODELS), environment={"NOTIFY_SOCKET": path})
        assert manager.recv(100) == b"READY=1"
        assert {manager.recv(100) for _ in range(3)} == {b"WATCHDOG=1"}
        running.terminate()
        wait_until(lambda: manager.recv(100) == b"STOPPING=1", 10, "the end")
        assert running.wait() == 0


def test_a_service_manager_that_does_not_read_holds_nothing_up(bridge, kafka, tmp_path):
    """Its queue is full: the bridge is ready and drains all the same, and says again what was not heard."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        manager.bind(str(path))
        manager.settimeout(20)
        other.setblocking(False)
        full = 0
        with pytest.raises(BlockingIOError):
            while True:
                other.sendto(b"something else", str(path))
                full += 1
        config = {"bridge.models": MODELS, "output.format": "json"}
        running = bridge("receive", config, environment={"NOTIFY_SOCKET": path})
        assert {manager.recv(100) for _ in range(full)} == {b"something else"}
        assert manager.recv(100) == b"READY=1\nWATCHDOG=1"
        assert manager.recv(100) == b"WATCHDOG=1"
        with pytest.raises(BlockingIOError):
            while True:
                other.sendto(b"something else", str(path))
        assert running.stop() == 0


def test_drain(bridge, own_kafka, tmp_path):
    """It waits for the spool of the receiver beside it, so long and no longer."""
    own_kafka.start()
    spool = tmp_path / "spool"
    spool.mkdir()
    config = {"bridge.models": MODELS, "kafka.bootstrap.servers": own_kafka.bootstrap, "receiver.spool_dir": spool, "receiver.spool_after_ms": 300}
    running = bridge("receive", config | {"receiver.secret": "", "receiver.allow_unsigned": True})
    body = {"data": {"event": "DATA_NEW", "object": "units", "record_id": "u1", "payload": {}}, "meta": {"integration_id": "i1"}}
    admin = running.wait_ready()["admin"]

    def drain(wait, listen=admin):
        made = subprocess.run([BRIDGE, "drain", "--wait", wait, "--set", f"admin.listen={listen}"], capture_output=True, text=True, check=False, env=ENVIRONMENT)
        return made.returncode, made.stderr

    assert drain("0") == (0, "")
    assert drain("soon")[0] == 64
    own_kafka.freeze()
    assert running.post(body).status == 200
    assert drain("1") == (75, "the spool still holds 1 events\n")
    own_kafka.thaw()
    assert drain("60", listen=f"0.0.0.0:{admin.rsplit(':', 1)[1]}") == (0, "")
    assert drain("1", listen="127.0.0.1:1")[0] == 69


def test_health(bridge, own_kafka):
    """It says what the probes say: for a container that has neither a shell nor curl."""
    own_kafka.start()
    running = bridge("receive", {"kafka.bootstrap.servers": own_kafka.bootstrap, "bridge.models": MODELS, "receiver.secret": "", "receiver.allow_unsigned": True})
    admin = running.wait_ready()["admin"]

    def health(word, listen=admin):
        command = [BRIDGE, "health", word, "--set", f"admin.listen={listen}"]
        made = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)
        return made.returncode, made.stdout

    assert health("live") == (0, "ok\n")
    code, told = health("ready", listen=f"0.0.0.0:{admin.rsplit(':', 1)[1]}")
    assert code == 0 and '"ready":true' in told
    own_kafka.freeze()
    body = {"data": {"event": "DATA_NEW", "object": "units", "record_id": "u1", "payload": {}}, "meta": {"integration_id": "i1"}}
    assert running.post(body).status == 503
    wait_until(lambda: health("ready")[0] == 1, 10, "not ready without Kafka")
    assert '"receiver":{"ok":false' in health("ready")[1] and health("live")[0] == 0
    own_kafka.thaw()
    assert health("live", listen="127.0.0.1:1")[0] == 69
    assert health("well")[0] == 64
