#!/usr/bin/env python3
"""`make chaos`: faults of every kind for a while, then what must hold. See README.md.

chaos [--seconds 120] [--seed 1] [--keep FOLDER]

Prints one line, and before it a line for each violation; exit code 1 when there is any.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(TOP / "tests" / "e2e")]

from chaos.run import run


def main():
    parser = argparse.ArgumentParser(prog="chaos")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="the folder for logs and data, which then stays")
    options = parser.parse_args()
    directory = options.keep or Path(tempfile.mkdtemp(prefix="chaos-"))
    directory.mkdir(parents=True, exist_ok=True)
    result = run(directory, options.seed, options.seconds)
    for violation in result.violations:
        print(f"violation: {violation}")
    print(result.line(), flush=True)
    if result.violations:
        print(f"logs and data: {directory}")
    elif not options.keep:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
