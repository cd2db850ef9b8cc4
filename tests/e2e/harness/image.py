"""The images that `make image` builds: their files, their settings, and programs run as a container engine would run them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from harness.process import TOP
from harness.wait import Failure

FOLDER = TOP / "build/image"
INSIDE = TOP / "tests/e2e/image/inside.py"
EMULATOR = "/usr/bin/qemu-aarch64-static"


def make(*arguments):
    """Make's output. What it says on standard error is shown when it fails."""
    done = subprocess.run(["make", "-s", *arguments], cwd=TOP, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"make {' '.join(arguments)}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


class Images:
    """What `make image` makes of one architecture: the bridge's image and the simulator's."""

    def __init__(self, arch):
        self.arch = arch
        make("image", f"IMAGE_ARCHES={arch}", "IMAGE_ENGINE=buildah")
        self.version = make("version").strip()
        self.containers = []
        self.bridge = self._mount("propexo-bridge")
        self.simulator = self._mount("propexo-bridge-simulator")

    def _name(self, name):
        return f"localhost/{name}:{self.version}-{self.arch}"

    def _buildah(self, *arguments):
        command = ["buildah", "--root", FOLDER / "storage", "--runroot", FOLDER / "run", *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()

    def _mount(self, name):
        """The folder of an image's file system. What is written there is not the image's."""
        self.containers.append(self._buildah("from", "--pull-never", self._name(name)))
        return Path(self._buildah("mount", self.containers[-1]))

    def settings(self):
        """What an engine is told of the bridge's image: the configuration, and the architecture."""
        inspected = json.loads(self._buildah("inspect", "--type", "image", self._name("propexo-bridge")))
        return inspected["Docker"]["config"], inspected["Docker"]["architecture"]

    def wrapper(self, *mounts):
        """For BRIDGE_WRAPPER: the programs run inside. `mounts` are folders of the image that get a file system to write on."""
        emulator = [] if os.uname().machine == "x86_64" and self.arch == "amd64" else ["--emulator", EMULATOR]
        places = [word for place in mounts for word in ("--tmpfs", place)]
        return " ".join(map(str, [sys.executable, INSIDE, *emulator, *places, f"{self.bridge}:{self.simulator}"]))

    def remove(self):
        for container in self.containers:
            self._buildah("rm", container)
