"""docker/compose.yaml: what it says is valid, and its parts work together as it puts them together.

No engine is needed: the images are the built ones, Kafka, the registry and Prometheus those of the other tests, and each
host name of the file stands for an address here.
"""

import os
import re
import subprocess

import pytest
import yaml

from harness.image import Images, make
from harness.process import TOP
from harness.prometheus_server import Prometheus
from harness.simulator import Simulator
from harness.snapshots import latest
from harness.wait import wait_until

pytestmark = [pytest.mark.long, pytest.mark.plain]

FOLDER = TOP / "docker"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
CHART = TOP / "helm/propexo-bridge/files"


def volume(service, inside):
    """The file of ours that a service sees at a path."""
    found = [one.split(":")[0] for one in COMPOSE[service]["volumes"] if one.split(":")[1] == inside]
    return (FOLDER / found[0]).resolve()


def test_the_file_is_valid():
    """By compose's own reference library; every file that is mounted is there."""
    make("build/e2e/compose")
    command = [TOP / "build/e2e/compose", "-format", "json", "compose.yaml"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    read = yaml.safe_load(done.stdout)["services"]
    assert read.keys() == COMPOSE.keys()
    for name, service in read.items():
        for one in service.get("volumes", []):
            assert one["type"] == "volume" or os.path.exists(one["source"]), (name, one)
        if "build" in service:
            assert f" AS {service['build']['target']}\n" in (TOP / service["build"]["dockerfile"]).read_text()
        else:
            assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), f"{name}: a version that stays"


def test_grafana_gets_the_dashboard():
    providers = yaml.safe_load((volume("grafana", "/etc/grafana/provisioning/dashboards") / "bridge.yaml").read_text())
    folder = providers["providers"][0]["options"]["path"]
    assert volume("grafana", f"{folder}/dashboard.json") == CHART / "dashboard.json"
    assert COMPOSE["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == f"{folder}/dashboard.json"
    sources = yaml.safe_load((volume("grafana", "/etc/grafana/provisioning/datasources") / "prometheus.yaml").read_text())
    assert sources["datasources"][0]["url"] == "http://prometheus:9090" and sources["datasources"][0]["isDefault"]


def test_the_parts_together(monkeypatch, tmp_path, programs, bridge, kafka, registry, snapshots, prefix):
    """Its simulator tells changes to its bridge, whose snapshots become those of the simulator; its Prometheus sees it well."""
    images = Images("amd64")
    try:
        spool = next(one.split(":")[1] for one in COMPOSE["bridge"]["volumes"] if one.startswith("spool:"))
        monkeypatch.setenv("BRIDGE_WRAPPER", images.wrapper(spool))
        flags = dict(word.removeprefix("--").split("=", 1) for word in COMPOSE["simulator"]["command"])
        assert flags.pop("listen") == "0.0.0.0:8085"
        assert flags.pop("webhook-url") == f"http://bridge:{COMPOSE['bridge']['ports'][0].split(':')[-1]}/webhooks"
        assert int(flags.pop("changes")) > 10**6
        rate = float(flags.pop("rate"))
        propexo = programs.add(Simulator(directory=tmp_path, label="simulator", **{k.replace("-", "_"): v for k, v in flags.items()}))
        propexo.start()

        text = volume("bridge", "/etc/propexo-bridge/bridge.conf").read_text()
        given = {f"{section}.{key}": value for section, lines in re.findall(r"^\[(\w+)\]\n((?:.+\n)*)", text, re.M)
                 for key, value in re.findall(r"^([\w.]+) = (.*)$", lines, re.M)}
        models = [model.strip() for model in given.pop("bridge.models").split(",")]
        assert given.pop("kafka.bootstrap.servers") == "kafka:9092"
        assert given.pop("registry.url") == "http://registry:8080/apis/ccompat/v7"
        assert given.pop("api.base_url") == "http://simulator:8085"
        assert given.pop("receiver.listen") == "0.0.0.0:8080" and given.pop("admin.listen") == "0.0.0.0:9090"
        running = bridge("run", {"bridge.models": models, "api.requests_per_minute": 150} | given, simulator=propexo, registry=registry)
        running.wait_event("assigned", 60)
        assert given["receiver.secret"] == propexo.secret and given["api.token"] == propexo.token

        config = volume("prometheus", "/etc/prometheus/prometheus.yml").read_text()
        assert "bridge:9090" in config and "/etc/prometheus/rules.yaml" in config
        config = config.replace("bridge:9090", running.wait_ready()["admin"])
        config = config.replace("/etc/prometheus/rules.yaml", str(volume("prometheus", "/etc/prometheus/rules.yaml")))
        prometheus = Prometheus(tmp_path / "prometheus", config).start()
        try:
            propexo.begin(running.receiver_url(), rate=rate, changes=200)
            propexo.wait_changes_done()
            kafka.wait_consumed(prefix, f"{prefix}.events.")
            for model in models:
                changed = propexo.truth(model, changed=True)
                assert changed and changed.keys() <= latest(snapshots(model, registry)).keys()
            wait_until(lambda: prometheus.query("sum(bridge_snapshots_total) >= 150"), 60, "Prometheus counts snapshots")
            assert [health for health, _ in prometheus.targets().values()] == ["up"]
            assert {rule["health"] for rule in prometheus.rules()} == {"ok"}
            assert prometheus.alerts("firing") == set()
            assert prometheus.query("namespace:bridge_snapshots:rate5m")[0][0]["namespace"] == "compose"
        finally:
            prometheus.stop()
    finally:
        programs.close()
        images.remove()
