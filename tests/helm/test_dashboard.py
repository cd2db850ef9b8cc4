"""The dashboard: JSON that hangs together, expressions that Prometheus understands, metrics that the bridge has."""

import itertools
import json
import os
import re
import subprocess

import yaml
from conftest import CHART, TOP

DASHBOARD = json.loads((CHART / "files/dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
SUFFIXES = ("_bucket", "_sum", "_count")


def expressions():
    return [target["expr"] for panel in PANELS for target in panel["targets"]]


def metrics_of(expression):
    return set(re.findall(r"\b((?:bridge|process)_\w+)", expression))


def documented():
    return set(re.findall(r"^\| `((?:bridge|process)_\w+)` \|", (TOP / "README.md").read_text(), re.M))


def test_its_parts_hang_together():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    for one, other in itertools.combinations(DASHBOARD["panels"], 2):
        a, b = one["gridPos"], other["gridPos"]
        apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"] or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert apart, f"{one['title']} and {other['title']} overlap"
        assert a["x"] + a["w"] <= 24
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(PANELS))) <= variables
    for panel in PANELS:
        assert panel["title"] and panel["targets"]


def test_prometheus_understands_it(tmp_path):
    rules = [{"record": f"x:{i}", "expr": expression.replace("$namespace", ".*")} for i, expression in enumerate(expressions())]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    made = subprocess.run([os.environ["PROMTOOL"], "check", "rules", str(path)], capture_output=True, text=True, check=False)
    assert made.returncode == 0 and f"{len(rules)} rules found" in made.stdout, made.stdout + made.stderr


def test_the_bridge_has_what_is_asked_for():
    """By the dashboard, and by the rules."""
    known = documented() | {f"{name}{suffix}" for name in documented() for suffix in SUFFIXES}
    rules = [rule for group in yaml.safe_load((CHART / "files/rules.yaml").read_text())["groups"] for rule in group["rules"]]
    records = {rule["record"] for rule in rules if "record" in rule}
    asked = expressions() + [rule["expr"] for rule in rules]
    used = {metric for expression in asked for metric in metrics_of(re.sub(r"\w+:\w+:\w+", "", expression))}
    assert used <= known, used - known
    assert {name for expression in asked for name in re.findall(r"\w+:\w+:\w+", expression)} <= records
    assert len(used) > 40
