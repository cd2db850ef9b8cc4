#!/usr/bin/env python3
"""`make bench-growth`: what a thousand times as much costs. See ../README.md.

growth [NAME...]  those series only, else all

Prints one line of JSON for each series, keeps it in build/bench/growth for the charts, and prints a table. Exit code 1
when a target was missed, 64 for an unknown name.
"""

import json
import os
import sys
import tempfile
import traceback
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(TOP / "tests" / "bench"), str(TOP / "tests" / "e2e")]
os.environ.setdefault("E2E_TIMEOUT_FACTOR", "4")  # a million records take their time

from bars import cell, conclude, failed
from growth.series import ALL

FIGURES = TOP / "build" / "bench" / "growth"
COLUMNS = (("series", 22), ("number", 10), ("cpu_us", 10), ("peak_mib", 10), ("", 44))


def measure(series, directory):
    print(f"-- {series.name}", file=sys.stderr, flush=True)
    own = directory / series.name
    own.mkdir()
    try:
        points = series.points(own)
        bars = list(series.bars(points))
    except Exception as failure:
        traceback.print_exc()
        points, bars = {}, [failed(failure)]
    result = {"series": series.name, "what": series.what, "points": points, "bars": bars}
    result["ok"] = all(bar["ok"] for bar in bars)
    print(json.dumps(result), flush=True)
    if points:
        FIGURES.mkdir(parents=True, exist_ok=True)
        (FIGURES / f"{series.name}.json").write_text(json.dumps(result), encoding="utf-8")
    return result


def rows(results):
    for result in results:
        for number, point in result["points"].items():
            yield [result["series"], str(number), cell(point["cpu_us"]), cell(point["peak_mib"]), ""]
        for bar in result["bars"]:
            verdict = "ok" if bar["ok"] else "MISSED"
            yield [result["series"], "", "", "", f"{bar['name']} {bar['bar']}: {cell(bar['value'])} {verdict}"]


def main(names):
    known = {series.name: series for series in ALL}
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no series {unknown[0]}; there are {', '.join(known)}", file=sys.stderr)
        return 64
    directory = Path(tempfile.mkdtemp(prefix="bench-growth-"))
    results = [measure(known[name], directory) for name in names or known]
    return conclude(COLUMNS, rows(results), results, directory)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
