#!/usr/bin/env python3
"""`make chaos-mutants`: plants each bug of this folder in a copy of the program, and lets the chaos find it.

mutants [NAME...]   those only, else all

Prints a line for each: found or not, by which checks, after how many seconds. Exit code 1 when one was not found within
five minutes of chaos. Rounds of a minute each, with seeds of their own: what holds is checked at the end of a round.
"""

import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[3]
MOST_SECONDS = 300
ROUND_SECONDS = 60
PARTS = ("bridge", "schemas", "tests", "Makefile", "README.md")


def names():
    return sorted(path.stem for path in HERE.glob("*.patch"))


def apply(name, tree, *options):
    """Applies the patch, or with --dry-run tries to. True when that goes well."""
    command = ["patch", "--strip=1", "--silent", "--fuzz=0", *options, f"--input={HERE / name}.patch"]
    return subprocess.run(command, cwd=tree, stdout=subprocess.DEVNULL).returncode == 0


def copy(tree):
    for part in PARTS:
        source = TOP / part
        shutil.copytree(source, tree / part) if source.is_dir() else shutil.copy2(source, tree / part)
    # What was built is up to date but for what the patch changes.
    shutil.copytree(TOP / "build", tree / "build", ignore=shutil.ignore_patterns("e2e", "venv", "address", "thread"))


def build(tree):
    return subprocess.run(["make", "-s", "-j2", "all"], cwd=tree, stdout=subprocess.DEVNULL).returncode == 0


def chase(tree, seed):
    """One round; the violations that it printed."""
    environment = os.environ | {"BRIDGE_BUILD": str(tree / "build")}
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        command = [sys.executable, HERE.parent, "--seconds", str(ROUND_SECONDS), "--seed", str(seed), "--keep", folder]
        process = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    found = re.findall(r"^violation: (.*)", process.stdout, re.MULTILINE)
    if process.returncode not in (0, 1):
        raise RuntimeError(process.stdout[-3000:])
    return found


def hunt(name):
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        tree = Path(folder)
        copy(tree)
        if not apply(name, tree) or not build(tree):
            return name, False, "it does not apply, or not compile", 0
        begun = time.monotonic()
        # Odd seeds: the even ones' reconciliation makes good what another part has lost (chaos/world.py).
        for seed in itertools.count(1, 2):
            found = chase(tree, seed)
            seconds = time.monotonic() - begun
            if found or seconds > MOST_SECONDS:
                return name, bool(found) and seconds <= MOST_SECONDS, f"seed {seed}: {'; '.join(found)[:200]}", seconds


def main(chosen):
    missed = 0
    for name in chosen or names():
        name, found, how, seconds = hunt(name)
        missed += not found
        print(f"{name:40} {'found' if found else 'MISSED'} {seconds:4.0f} s  {how}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
