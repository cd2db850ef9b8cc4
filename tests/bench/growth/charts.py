#!/usr/bin/env python3
"""Draws the series that `make bench-growth` has measured: tests/bench/growth/charts/NAME.svg."""

import json
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

HERE = Path(__file__).resolve().parent
FIGURES = HERE.parents[2] / "build" / "bench" / "growth"
CHARTS = HERE / "charts"


def draw(series):
    numbers = [int(number) for number in series["points"]]
    points = list(series["points"].values())
    figure, left = plt.subplots(figsize=(6, 3.2))
    right = left.twinx()
    cost = left.plot(numbers, [point["cpu_us"] for point in points], "o-", color="#1f5fa8", label="CPU time")
    memory = right.plot(numbers, [point["peak_mib"] for point in points], "s--", color="#a85a1f", label="memory")
    if max(numbers) > 8:
        left.set_xscale("log")
    left.set_xticks(numbers, [f"{number:,}" for number in numbers])
    left.minorticks_off()
    left.set_xlabel(series["what"])
    left.set_ylabel("us of CPU each")
    right.set_ylabel("MiB at the most")
    left.set_ylim(bottom=0)
    right.set_ylim(bottom=0)
    left.legend(handles=cost + memory, loc="lower right")
    left.set_title(series["series"])
    figure.tight_layout()
    figure.savefig(CHARTS / f"{series['series']}.svg", metadata={"Date": None})
    plt.close(figure)


def main():
    matplotlib.rcParams["svg.hashsalt"] = "charts"  # the same figures make the same file
    CHARTS.mkdir(exist_ok=True)
    for path in sorted(FIGURES.glob("*.json")):
        draw(json.loads(path.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
