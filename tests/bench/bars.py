"""What a figure is held against, and how figures are shown; shared by `budget`, `speed` and `growth`."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """`limit` is a number, or is made of the figures. A figure that is missing (None) misses its bar, and so does every
    figure of a run that left work unfinished: few requests are no merit where work was left."""

    figure: str  # names joined by dots lead to it
    limit: float | Callable[[dict], float]
    least: bool = False  # the figure must be at least that, instead of at most

    def judge(self, figures):
        value = figures
        for name in self.figure.split("."):
            value = value.get(name) if value is not None else None
        limit = self.limit(figures) if callable(self.limit) else self.limit
        met = value is not None and (value >= limit if self.least else value <= limit)
        ok = met and figures.get("unfinished", 0) == 0
        return {"name": self.figure, "bar": f"{'>=' if self.least else '<='} {limit:g}", "value": value, "ok": ok}


def at_most(figure, limit):
    return Bar(figure, limit)


def at_least(figure, limit):
    return Bar(figure, limit, least=True)


def failed(failure):
    """The bar that a measurement missed which did not come to its end."""
    return {"name": "run", "bar": "no failure", "value": f"{type(failure).__name__}: {failure}", "ok": False}


def cell(value):
    if isinstance(value, float):
        return f"{value:.2f}"
    return "-" if value is None else str(value).partition("\n")[0]


def table(columns, rows):
    """`columns` are pairs of a heading and a width."""
    rows = [[name for name, _ in columns], *rows]
    return "\n".join("  ".join(text[:width].ljust(width) for text, (_, width) in zip(row, columns)) for row in rows)


def conclude(columns, rows, results, directory):
    """The end of a command: prints the table and returns the exit code. The programs' logs stay where a bar was missed."""
    print(table(columns, rows))
    if all(result["ok"] for result in results):
        shutil.rmtree(directory)
        return 0
    print(f"a bar was missed; the programs' logs are in {directory}")
    return 1
