#!/usr/bin/env python3
"""`make bench-speed`: the bridge beside the libraries alone and beside Redpanda Connect. See ../README.md.

speed [--quick] [NAME...]  those measurements only, else all

Prints one line of JSON for each measurement, and a table. Exit code 1 when a target was missed, 64 for an unknown name.
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
from speed import backfill, enricher, latency, receiver

MEASUREMENTS = {
    "receiver": receiver.OnMock,
    "receiver-connect": receiver.BesideConnect,
    "by-id": enricher.ById,
    "by-pages": enricher.ByPages,
    "drain": enricher.Drain,
    "latency": latency.Latency,
    "backfill": backfill.Backfill,
}
COLUMNS = (("measurement", 18), ("target", 34), ("limit", 12), ("measured", 12), ("", 8))


def measure(name, directory, quick):
    """Its figures, judged. What keeps a measurement from coming to its end is a target that was missed."""
    measurement = MEASUREMENTS[name]
    print(f"-- {name}", file=sys.stderr, flush=True)
    own = directory / name
    own.mkdir()
    try:
        figures = measurement.measure(own, quick)
        bars = [bar.judge(figures) for bar in measurement.bars]
    except Exception as failure:
        traceback.print_exc()
        figures, bars = {}, [failed(failure)]
    result = {"measurement": name} | figures | {"bars": bars, "ok": all(bar["ok"] for bar in bars)}
    print(json.dumps(result), flush=True)
    return result


def rows(results):
    for result in results:
        for bar in result["bars"]:
            verdict = "ok" if bar["ok"] else "MISSED"
            yield [result["measurement"], bar["name"], bar["bar"], cell(bar["value"]), verdict]


def main(arguments):
    quick = "--quick" in arguments
    names = [name for name in arguments if name != "--quick"]
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        print(f"no measurement {unknown[0]}; there are {', '.join(MEASUREMENTS)}", file=sys.stderr)
        return 64
    directory = Path(tempfile.mkdtemp(prefix="bench-speed-"))
    results = [measure(name, directory, quick) for name in names or MEASUREMENTS]
    return conclude(COLUMNS, rows(results), results, directory)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
