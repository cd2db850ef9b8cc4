"""The image: really built, for both architectures; what is in it, what is not, and the whole flow inside."""

import json
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from harness.image import Images
from harness.truth import assert_equals_truth

pytestmark = [pytest.mark.long, pytest.mark.plain]

MODELS = ["residents", "leases", "units"]
MACHINES = {"amd64": "Advanced Micro Devices X86-64", "arm64": "AArch64"}
USER = 65532
MAX_MIB = 40


@pytest.fixture(scope="module", params=["amd64", "arm64"])
def images(request):
    built = Images(request.param)
    yield built
    built.remove()


def files(root):
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            yield Path(folder, name)


def package_statuses(root):
    """{package: version} of what scanners read."""
    found = {}
    for path in (root / "var/lib/dpkg/status.d").iterdir():
        text = path.read_text()
        found[re.search(r"^Package: (.*)", text, re.M)[1]] = re.search(r"^Version: (.*)", text, re.M)[1]
    return found


def test_files(images):
    """One program and libraries: no shell, nothing with rights of its own, nothing that everybody may write but /tmp."""
    root = images.bridge
    assert [path.name for path in (root / "usr/bin").iterdir()] == ["propexo-bridge"]
    assert not (root / "bin").exists() and not (root / "sbin").exists() and not (root / "usr/sbin").exists()
    size = 0
    for path in files(root):
        mode = path.lstat()
        if stat.S_ISLNK(mode.st_mode):
            assert (root / os.readlink(path).lstrip("/")).exists() or path.resolve().exists(), path
            continue
        size += mode.st_size if stat.S_ISREG(mode.st_mode) else 0
        assert not mode.st_mode & (stat.S_ISUID | stat.S_ISGID), path
        assert path == root / "tmp" or not mode.st_mode & stat.S_IWOTH, path
        if stat.S_ISREG(mode.st_mode) and mode.st_mode & 0o111:
            assert path == root / "usr/bin/propexo-bridge" or path.name.startswith("ld-linux"), path
        owned = USER if path.is_relative_to(root / "var/lib/propexo-bridge") or path == root / "var/cache/propexo-bridge" else 0
        assert mode.st_uid == owned, path
    print(f"{size / 2**20:.1f} MiB")
    assert size < MAX_MIB * 2**20


def test_program(images):
    header = subprocess.run(["readelf", "-hSW", images.bridge / "usr/bin/propexo-bridge"], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert MACHINES[images.arch] in header
    assert ".symtab" not in header and ".debug_info" not in header


def test_settings(images):
    config, arch = images.settings()
    assert arch == images.arch
    assert config["User"] == f"{USER}:{USER}"
    assert config["Entrypoint"] == ["/usr/bin/propexo-bridge"] and config["Cmd"] == ["run"]
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"] == ["CMD", "/usr/bin/propexo-bridge", "health", "live"]
    assert set(config["ExposedPorts"]) == {"8080/tcp", "9090/tcp"}
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == "propexo-bridge"
    assert labels["org.opencontainers.image.version"] == images.version
    assert labels["org.opencontainers.image.licenses"] == "MIT"
    assert re.fullmatch(r"[0-9a-f]{40}", labels["org.opencontainers.image.revision"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", labels["org.opencontainers.image.created"])
    variables = dict(pair.split("=", 1) for pair in config["Env"])
    assert (images.bridge / variables["SSL_CERT_FILE"].lstrip("/")).read_text().count("BEGIN CERTIFICATE") > 100


def test_bill_of_materials(images):
    """It is valid, it names the package of every library there is, and the licences are there."""
    root = images.bridge
    path = root / "usr/share/sbom/propexo-bridge.spdx.json"
    document = parse_file(str(path))
    assert validate_full_spdx_document(document) == []
    named = {package.name: package.version for package in document.packages}
    assert named.pop("propexo-bridge") == images.version
    assert named == package_statuses(root)
    packages = json.loads(path.read_text())["packages"]
    locators = [one["referenceLocator"] for package in packages for one in package.get("externalRefs", [])]
    assert len(locators) == len(named)
    # os-release and the certificates are texts, from the machine that built.
    assert all(f"arch={images.arch}&" in one for one in locators if "/base-files@" not in one and "/ca-certificates@" not in one)
    for package in named:
        assert (root / f"usr/share/doc/{package}/copyright").stat().st_size > 0
    libraries = [one for one in files(root / "usr/lib") if ".so" in one.name]
    assert len(libraries) > 20
    for name in ("librdkafka1", "libcurl4", "libmicrohttpd12", "libssl3", "libc6", "ca-certificates", "base-files"):
        assert name in named


def test_the_whole_flow_inside(images, monkeypatch, programs, simulator, bridge, kafka, registry, snapshots, prefix):
    """As an engine runs it: process 1, a root that cannot be written, no rights. Foreign architectures under qemu-user."""
    monkeypatch.setenv("BRIDGE_WRAPPER", images.wrapper())
    propexo = simulator(records=100, integrations=3, models=MODELS, limit_per_minute=0, latency_ms=5, shape="mixed")
    running = bridge("run", {"bridge.models": MODELS}, simulator=propexo, registry=registry)
    running.wait_event("assigned", 60)
    process = int(Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text())
    status = Path(f"/proc/{process}/status").read_text()
    assert re.search(r"^NSpid:.*\t1$", status, re.M) and re.search(rf"^Uid:\t{USER}\t{USER}", status, re.M)
    assert re.search(r"^CapPrm:\t0+$", status, re.M)
    mounts = [line.split() for line in Path(f"/proc/{process}/mountinfo").read_text().splitlines()]
    assert [fields[5].split(",")[0] for fields in mounts if fields[4] == "/"][-1:] == ["ro"]
    check = [*images.wrapper().split(), "propexo-bridge", "health", "live", "--set", f"admin.listen={running.wait_ready()['admin']}"]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGE_")}
    assert subprocess.run(check, cwd=programs.directory, env=plain, stdout=subprocess.PIPE, text=True, check=True).stdout == "ok\n"
    propexo.begin(running.receiver_url(), rate=100, changes=500)
    propexo.wait_changes_done()
    kafka.wait_consumed(prefix, f"{prefix}.events.")
    print(assert_equals_truth(propexo, snapshots, MODELS, registry))
    assert running.stop() == 0
    assert running.events("stopped")
