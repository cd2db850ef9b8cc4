"""The chart, rendered by the real helm. HELM in the environment is its path, BRIDGE_BUILD the folder of the bridge."""

import json
import os
import pathlib
import subprocess

import pytest
import yaml

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
CHART = TOP / "helm/propexo-bridge"
VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
# The oldest that the chart takes, one between, and the newest whose schemas are there.
KUBERNETES = ["1.25.0", "1.31.0", "1.37.0"]


def helm(*arguments):
    return subprocess.run([os.environ["HELM"], *arguments], capture_output=True, text=True, check=False)


class Chart:
    """What helm makes of values: files, and settings put above them."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    def arguments(self, values, settings, version):
        arguments = ["--kube-version", version]
        for path in values:
            arguments += ["-f", str(path)]
        if settings:
            self.count += 1
            path = self.folder / f"settings-{self.count}.json"
            path.write_text(json.dumps(settings))
            arguments += ["-f", str(path)]
        return arguments

    def render(self, *values, settings=None, version=KUBERNETES[1]):
        """All manifests, hooks and tests too."""
        made = helm("template", "release", str(CHART), "-n", "pms", *self.arguments(values, settings, version))
        assert made.returncode == 0, made.stderr
        return [manifest for manifest in yaml.safe_load_all(made.stdout) if manifest]

    def refusal(self, settings):
        made = helm("template", "release", str(CHART), *self.arguments([], settings, KUBERNETES[1]))
        assert made.returncode != 0, f"taken: {settings}"
        return made.stderr


@pytest.fixture
def chart(tmp_path):
    return Chart(tmp_path)


def only(manifests, kind, end=""):
    """The one manifest of this kind whose name ends so."""
    found = [m for m in manifests if m["kind"] == kind and m["metadata"]["name"].endswith(end)]
    assert len(found) == 1, f"{kind} ...{end}: {[m['metadata']['name'] for m in found]}"
    return found[0]
