#!/usr/bin/env python3
"""`make bench-budget`: what the API's requests buy, scenario by scenario. See ../README.md.

budget [NAME...]  those scenarios only, else all; a name may end with * (fleet*)

Prints one line of JSON for each scenario, and a table. Exit code 1 when a bar was missed, 64 for an unknown name.
"""

import concurrent.futures
import fnmatch
import json
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(TOP / "tests" / "bench"), str(TOP / "tests" / "e2e")]

from bars import cell, conclude
from budget.runner import run
from budget.scenarios import SCENARIOS
from harness.kafka import Kafka

SIDE_BY_SIDE = 3  # scenarios that wait for the API nearly all the time
COLUMNS = (("scenario", 18), ("bar", 22), ("limit", 16), ("measured", 16), ("by id", 16), ("", 8))


def choose(patterns):
    """The scenarios of these names; a killed run needs the one that it is held against."""
    for pattern in patterns:
        if not fnmatch.filter([scenario.name for scenario in SCENARIOS], pattern):
            print(f"no scenario {pattern}; there are {', '.join(one.name for one in SCENARIOS)}", file=sys.stderr)
            sys.exit(64)
    chosen = [one for one in SCENARIOS if not patterns or any(fnmatch.fnmatch(one.name, name) for name in patterns)]
    needed = {one.name for one in chosen} | {one.uninterrupted for one in chosen}
    return [one for one in SCENARIOS if one.name in needed]


def measure(scenario, kafka, directory, results):
    print(f"-- {scenario.name}", file=sys.stderr, flush=True)
    own = directory / scenario.name
    own.mkdir()
    result = run(scenario, kafka, own, results.get(scenario.uninterrupted))
    print(json.dumps(result), flush=True)
    results[scenario.name] = result


def measure_all(chosen, directory):
    kafka = Kafka(directory / "kafka")
    results = {}
    try:
        kafka.start()
        for scenario in chosen:
            if not scenario.light:
                measure(scenario, kafka, directory, results)
        with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            light = [scenario for scenario in chosen if scenario.light]
            list(pool.map(lambda scenario: measure(scenario, kafka, directory, results), light))
    finally:
        kafka.remove()
    return [results[scenario.name] for scenario in chosen]


def by_id(result, figure):
    return {"requests.total": result.get("by_id_requests"), "seconds": result.get("by_id_seconds")}.get(figure, "")


def rows(results):
    for result in results:
        for bar in result["bars"]:
            values = [result["scenario"], bar["name"], bar["bar"], cell(bar["value"]), cell(by_id(result, bar["name"]))]
            yield [*values, "ok" if bar["ok"] else "MISSED"]


def main(patterns):
    chosen = choose(patterns)
    directory = Path(tempfile.mkdtemp(prefix="bench-budget-"))
    results = measure_all(chosen, directory)
    return conclude(COLUMNS, rows(results), results, directory)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
