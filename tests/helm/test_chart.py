"""What the chart makes is what Kubernetes takes, and what the bridge takes."""

import json
import os
import pathlib
import re
import subprocess

import jsonschema
import kubernetes_validate
import pytest
import yaml
from conftest import CHART, KUBERNETES, TOP, VALUES, helm, only

SCHEMAS = pathlib.Path(__file__).parent / "schemas"
BRIDGE = pathlib.Path(os.environ["BRIDGE_BUILD"]) / "propexo-bridge"
OTHERS = {path.stem for path in SCHEMAS.glob("*.json")}
EVERYTHING = CHART / "ci/everything-values.yaml"


def by_name(paths):
    return {"ids": [path.stem for path in paths]}


@pytest.mark.parametrize("values", VALUES, **by_name(VALUES))
def test_helm_finds_no_fault(values):
    made = helm("lint", "--strict", "--kube-version", KUBERNETES[1], "-f", str(values), str(CHART))
    assert made.returncode == 0, made.stdout + made.stderr


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("values", VALUES, **by_name(VALUES))
def test_kubernetes_takes_it(chart, values, version):
    kinds = set()
    for manifest in chart.render(values, version=version):
        kinds.add(manifest["kind"])
        assert manifest["metadata"]["namespace"] == "pms"
        if manifest["kind"] in OTHERS:
            schema = json.loads((SCHEMAS / f"{manifest['kind']}.json").read_text())
            jsonschema.Draft7Validator(schema).validate(manifest)
        else:
            kubernetes_validate.validate(manifest, version, strict=True)
    assert {"ConfigMap", "StatefulSet", "Service", "Pod"} <= kinds


def test_each_kind_is_made_by_some_values(chart):
    kinds = {manifest["kind"] for values in VALUES for manifest in chart.render(values)}
    assert OTHERS < kinds
    assert {"Deployment", "StatefulSet", "HorizontalPodAutoscaler", "Ingress", "PodDisruptionBudget", "NetworkPolicy", "Job", "ServiceAccount"} < kinds


def pods(manifests):
    """(name, spec) of every pod that anything makes."""
    for manifest in manifests:
        spec = manifest.get("spec", {})
        if manifest["kind"] == "Pod":
            yield manifest["metadata"]["name"], spec
        elif "template" in spec:
            yield manifest["metadata"]["name"], spec["template"]["spec"]


@pytest.mark.parametrize("values", VALUES, **by_name(VALUES))
def test_pods_are_restricted(chart, values):
    """As the Pod Security Standard `restricted` asks, and a root file system that nobody writes to."""
    for name, spec in pods(chart.render(values)):
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        for volume in spec["volumes"]:
            assert set(volume) - {"name"} <= {"configMap", "projected", "emptyDir", "persistentVolumeClaim"}, name
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "privileged" not in context
            assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"]
            assert not any("hostPort" in port for port in container.get("ports", []))


@pytest.mark.parametrize("values", VALUES, **by_name(VALUES))
def test_names_that_are_told_are_there(chart, values):
    """What selects, mounts or refers to something in the chart finds it."""
    manifests = chart.render(values)
    labels = [m["spec"]["template"]["metadata"]["labels"] for m in manifests if m["kind"] in ("Deployment", "StatefulSet")]
    services = {m["metadata"]["name"]: m for m in manifests if m["kind"] == "Service"}
    maps = {m["metadata"]["name"]: m for m in manifests if m["kind"] == "ConfigMap"}
    ports = {port["name"] for _, spec in pods(manifests) for c in spec["containers"] for port in c.get("ports", [])}

    def selects(selector):
        return any(selector.items() <= pod.items() for pod in labels)

    for manifest in manifests:
        kind, spec = manifest["kind"], manifest.get("spec", {})
        if kind == "Service":
            assert selects(spec["selector"]) and {port["targetPort"] for port in spec["ports"]} <= ports
        elif kind in ("PodDisruptionBudget", "NetworkPolicy"):
            selector = spec["podSelector"] if kind == "NetworkPolicy" else spec["selector"]
            assert selects(selector["matchLabels"])
        elif kind == "StatefulSet":
            assert spec["serviceName"] in services
        elif kind in ("HorizontalPodAutoscaler", "ScaledObject"):
            target = only(manifests, spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"])
            assert "replicas" not in target["spec"]
        elif kind == "Ingress":
            backend = spec["rules"][0]["http"]["paths"][0]["backend"]["service"]
            assert backend["port"]["name"] in {port["name"] for port in services[backend["name"]]["spec"]["ports"]}
        elif kind == "HTTPRoute":
            backend = spec["rules"][0]["backendRefs"][0]
            assert backend["port"] in {port["port"] for port in services[backend["name"]]["spec"]["ports"]}
        elif kind == "ServiceMonitor":
            chosen = [s for s in services.values() if spec["selector"]["matchLabels"].items() <= s["metadata"]["labels"].items()]
            assert chosen and all(spec["endpoints"][0]["port"] in {p["name"] for p in s["spec"]["ports"]} for s in chosen)
    for name, spec in pods(manifests):
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        claims = {c["metadata"]["name"] for m in manifests for c in m.get("spec", {}).get("volumeClaimTemplates", [])}
        for mount in spec["containers"][0]["volumeMounts"]:
            assert mount["name"] in volumes.keys() | claims, name
        config = volumes["config"]["configMap"]
        assert config["items"][0]["key"] in maps[config["name"]]["data"]


def conf(manifests, part, folder):
    """The configuration file of a part, its files' paths moved into `folder` and made there."""
    map_name, key = ("jobs", "job.conf") if part == "job" else ("", f"{part}.conf")
    maps = [m for m in manifests if m["kind"] == "ConfigMap" and key in m["data"]]
    assert len(maps) == 1 and maps[0]["metadata"]["name"].endswith(map_name)
    text = maps[0]["data"][key]
    contents = {"receiver.integration_secret_file": "clx1 0123456789abcdef"}
    for key in set(re.findall(r"/etc/propexo-bridge/files/(\S+)", text)):
        (folder / key).write_text(contents.get(key, "0123456789abcdef\n"))
    path = folder / f"{part}.conf"
    path.write_text(text.replace("/etc/propexo-bridge/files", str(folder)).replace("/var/cache/propexo-bridge", str(folder)).replace("/var/lib/propexo-bridge/spool", str(folder)))
    return path


def effective(path):
    """What the bridge makes of a file: {section: {key: value}}."""
    made = subprocess.run([BRIDGE, "config", "--config", path], capture_output=True, text=True, env={}, check=False)
    assert made.returncode == 0, f"{path.read_text()}\n{made.stderr}"
    sections = {}
    for line in re.sub(r"\n +", " ", made.stdout).splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        elif " =" in line and not line.startswith("#"):
            key, _, value = line.partition(" =")
            section[key] = value.strip()
    return sections


@pytest.mark.parametrize("values", VALUES, **by_name(VALUES))
def test_the_bridge_takes_each_configuration(chart, values, tmp_path):
    manifests = chart.render(values)
    for part in ("receiver", "enricher", "job"):
        assert effective(conf(manifests, part, tmp_path))["topics"]["prefix"]


def test_a_part_gets_only_its_own_secrets(chart):
    manifests = chart.render(EVERYTHING)

    def secrets(kind, end):
        spec = only(manifests, kind, end)["spec"]["template"]["spec"]
        files = next(v for v in spec["volumes"] if v["name"] == "files")["projected"]["sources"]
        return {item["path"] for source in files for item in (source.get("secret") or source.get("configMap"))["items"]}

    receiver, enricher = secrets("Deployment", "receiver"), secrets("StatefulSet", "enricher")
    assert "receiver.secret_file" in receiver and not any(path.startswith(("api.", "registry.")) for path in receiver)
    assert "api.token_file" in enricher and not any(path.startswith("receiver.") for path in enricher)
    assert {"kafka.sasl.password_file", "snapshots.redact_key_file", "admin.token_file"} <= receiver & enricher


# For each key whose value cannot be guessed from its default: another one.
SAMPLES = {
    "bridge.models": ["residents", "units"],
    "bridge.instance": "one",
    "receiver.listen": "0.0.0.0:18080",
    "receiver.senders": ["token"],
    "receiver.token_header": "x-other",
    "receiver.trusted_proxies": ["10.0.0.0/8", "192.168.1.1"],
    "kafka.bootstrap.servers": "a:1,b:2",
    "topics.prefix": "pms",
    "topics.replication": 3,
    "registry.url": "http://registry:8081",
    "registry.user": "me",
    "output.format": "avro",
    "api.base_url": "https://api.example.com",
    "enricher.group": "another",
    "snapshots.redact": ["residents.date_of_birth", "units.name:hash"],
    "admin.listen": "0.0.0.0:19090",
    "tracing.endpoint": "http://collector:4318",
    "log.level": "warn",
    "log.format": "json",
}
DIRECTORIES = {"receiver.spool_dir", "enricher.cache_dir"}
EXCLUSIVE = {"registry.token_file"}  # beside a user it is refused; tried by itself


def test_every_key_can_be_set(chart, tmp_path):
    """One that the schema of the values does not know would be missing here, and so would one that the bridge has lost."""
    default = tmp_path / "default.conf"
    default.write_text("")
    config, files, wanted = {}, {}, {}
    for section, keys in effective(default).items():
        for key, value in keys.items():
            name = f"{section}.{key}"
            if name in SAMPLES:
                other = SAMPLES[name]
            elif name in DIRECTORIES:
                other = str(tmp_path)
            elif value in ("true", "false"):
                other = value == "false"
            elif re.fullmatch(r"-?[0-9]+", value):
                other = int(value) + 1
            elif re.fullmatch(r"[0-9]+ [KMG]iB", value):
                other = f"{int(value.split()[0]) * 2} {value.split()[1]}"
            elif key.endswith("_file") or key.startswith("tls_") or key == "ca":
                files[name] = {"existingSecret": "secret", "key": "k"}
                continue
            else:  # the secret itself, which the values do not hold: its file is what is set
                assert key in ("secret", "integration_secret", "password", "token", "redact_key"), f"{name} = {value}: no sample"
                assert f"{key}_file" in keys
                continue
            config.setdefault(section, {})[key] = other
            wanted[name] = ", ".join(other) if isinstance(other, list) else str(other).lower() if isinstance(other, bool) else str(other)
    for left_out in (EXCLUSIVE, {"registry.password_file"}):
        chosen = {name: file for name, file in files.items() if name not in left_out}
        settings = {"config": config, "files": chosen, "enricher": {"replicas": 1}}
        if "registry.password_file" in left_out:
            settings = json.loads(json.dumps(settings))
            del settings["config"]["registry"]["user"]
        found = effective(conf(chart.render(settings=settings), "job", tmp_path))
        for name, value in wanted.items():
            section, _, key = name.partition(".")
            if key in settings["config"][section]:
                assert found[section][key].replace(", ", ",") == value.replace(", ", ","), name
        for name in chosen:
            section, _, key = name.partition(".")
            assert found[section][key] == str(tmp_path / name)
    properties = json.loads((CHART / "values.schema.json").read_text())["properties"]["config"]["properties"]
    assert properties.keys() == effective(default).keys()


def test_a_large_number_stays_whole(chart, tmp_path):
    settings = {"config": {"enricher": {"max_pending": 5000000, "last_seen_max_delay_ms": 86400000}, "kafka": {"producer.linger.ms": 2.5}}}
    found = effective(conf(chart.render(settings=settings), "enricher", tmp_path))
    assert found["enricher"]["max_pending"] == "5000000" and found["enricher"]["last_seen_max_delay_ms"] == "86400000"
    assert found["kafka"]["producer.linger.ms"] == "2.5"


@pytest.mark.parametrize(
    "settings, reason",
    [
        ({"config": {"receiver": {"secret": "0123456789"}}}, "additional properties 'secret' not allowed"),
        ({"config": {"recevier": {}}}, "'recevier' not allowed"),
        ({"config": {"bridge": {"modles": "a"}}}, "'modles' not allowed"),
        ({"config": {"bridge": {"instance": "one"}}}, "a name of its own"),
        ({"config": {"topics": {"partitions": 1}}}, "2 enrichers for 1 partitions"),
        ({"config": {"log": {"level": "info\nformat = json"}}}, "several lines"),
        ({"files": {"receiver.max_body": {"existingSecret": "a", "key": "b"}}}, "does not match pattern"),
        ({"files": {"api.token_file": {"existingSecret": "a"}}}, "missing property 'key'"),
        ({"files": {"api.token_file": {"existingSecret": "a", "existingConfigMap": "b", "key": "c"}}}, "oneOf"),
        ({"enricher": {"autoscaling": {"enabled": True}}}, "KEDA asks a Prometheus"),
        ({"ingress": {"enabled": True, "tlsSecret": "a"}}, "a certificate is for a host"),
        ({"httpRoute": {"enabled": True}}, "of which gateway"),
        ({"image": {"digest": "sha256:1"}}, "does not match pattern"),
        ({"replicas": 3}, "'replicas' not allowed"),
    ],
)
def test_what_cannot_be_is_refused(chart, settings, reason):
    assert reason in chart.refusal(settings)


def test_a_change_of_configuration_restarts_what_reads_it(chart):
    def sums(settings):
        manifests = chart.render(settings=settings)
        return [only(manifests, kind, end)["spec"]["template"]["metadata"]["annotations"]["checksum/config"] for kind, end in (("Deployment", "receiver"), ("StatefulSet", "enricher"))]

    plain, api, log = sums({}), sums({"config": {"api": {"timeout_ms": 1000}}}), sums({"config": {"log": {"level": "debug"}}})
    assert plain[0] == api[0] and plain[1] != api[1]
    assert plain[0] != log[0] and plain[1] != log[1]


def test_with_a_spool_receivers_have_disks_and_drain(chart):
    receiver = only(chart.render(CHART / "ci/spool-values.yaml"), "StatefulSet", "receiver")["spec"]
    container = receiver["template"]["spec"]["containers"][0]
    assert receiver["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "10Gi"
    assert container["lifecycle"]["preStop"]["exec"]["command"][1:] == ["drain", "--wait", "60"]
    assert receiver["template"]["spec"]["terminationGracePeriodSeconds"] == 60 + 35
    assert "lifecycle" not in only(chart.render(VALUES[0].parent / "minimal-values.yaml"), "Deployment", "receiver")["spec"]["template"]["spec"]["containers"][0]


def leaves(values, path=()):
    """The paths of all values; a map that is empty, or of free form, is one."""
    for key, value in values.items():
        if isinstance(value, dict) and value and path + (key,) not in {("config",), ("podSecurityContext",), ("securityContext",)} and key not in ("resources", "labels"):
            yield from leaves(value, path + (key,))
        else:
            yield ".".join(path + (key,))


def test_every_value_is_in_the_readme():
    documented = set(re.findall(r"^\| `([^`]+)` \|", (CHART / "README.md").read_text(), re.M))
    values = set(leaves(yaml.safe_load((CHART / "values.yaml").read_text())))
    assert values == documented
    assert (TOP / "helm/README.md").read_text()
