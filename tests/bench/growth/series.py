"""What a thousand times as much costs: each series is a list of points, from few to many."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from harness.process import TOP
from speed.backlog import Backlog
from speed.contest import contest, without_runs
from speed.load import BODIES
from speed.programs import MockKafka, serving
from speed.receiver import Receivers

MODELS = json.loads((TOP / "schemas/models.json").read_text(encoding="utf-8"))["models"]
# Read by id and by pages, and shown by no other record.
READABLE = [name for name, model in MODELS.items() if "get" in model and "list" in model]
ROUNDS = 3
SECONDS = 5


@dataclass(frozen=True)
class Series:
    name: str
    what: str  # that there are more and more of
    points: Callable  # (directory) -> {number: figures}
    cost_most: float | None = None  # times as much as with the fewest
    memory_most_mib: float | None = None  # more than with the fewest

    def bars(self, points):
        few, many = points[min(points)], points[max(points)]
        if self.cost_most is not None:
            dearest = max(point["cpu_us"] for point in points.values()) / few["cpu_us"]
            yield {"name": "cpu_us, times", "bar": f"<= {self.cost_most}", "value": dearest, "ok": dearest <= self.cost_most}
        if self.memory_most_mib is not None:
            more = many["peak_mib"] - few["peak_mib"]
            yield {"name": "peak_mib, more", "bar": f"<= {self.memory_most_mib}", "value": more, "ok": more <= self.memory_most_mib}


def receivers(directory, numbers, models, **webhooks):
    """The receiver with so many of what is counted, in turns; `models` and `webhooks` are made of the number."""
    with serving(MockKafka(directory, models(max(numbers)))) as kafka:
        made = {
            number: Receivers(kafka, directory, SECONDS, models(number), **{key: of(number) for key, of in webhooks.items()})
            for number in numbers
        }
        figures = contest({number: partial(one.load, one.bridge) for number, one in made.items()}, ROUNDS)
    return without_runs(figures)


def receiver_integrations(directory):
    numbers = (1, 100, 10_000)
    return receivers(
        directory,
        numbers,
        lambda _: ("residents",),
        integrations=lambda number: number,
        count=lambda _: max(BODIES, max(numbers)),
    )


def receiver_models(directory):
    return receivers(directory, (1, 16, len(MODELS)), lambda number: list(MODELS)[:number])


def backlogs(directory, numbers, made, run=Backlog.enrich):
    """One backlog after the other, as `made` says: (number) -> its options."""
    points = {}
    for number in numbers:
        own = directory / str(number)
        own.mkdir()
        with Backlog(own, **made(number)) as backlog:
            points[number] = run(backlog)
    return points


def enricher_integrations(directory):
    return backlogs(directory, (1, 100, 10_000), lambda number: {"records": 250_000, "integrations": number})


def enricher_models(directory):
    return backlogs(directory, (1, 16, len(READABLE)), lambda number: {"records": 99_000, "models": READABLE[:number]})


def one_backlog(directory, records, numbers, run):
    """Several runs over one backlog, in turns."""
    with Backlog(directory, records=records) as backlog:
        made = contest({number: partial(run, backlog, number) for number in numbers}, 2)
    return without_runs(made)


def enrichers(directory):
    return one_backlog(directory, 200_000, (1, 2, 3, 4), Backlog.enrich)


def waiting(directory):
    numbers = (1_000, 10_000, 100_000, 1_000_000)
    run = lambda backlog, number: backlog.enrich(**{"enricher.max_pending": number})
    return one_backlog(directory, max(numbers), numbers, run)


def backfill(directory):
    return backlogs(directory, (10_000, 100_000, 1_000_000), lambda number: {"records": number, "events": False}, Backlog.backfill)


ALL = (
    Series("receiver-integrations", "integrations", receiver_integrations, cost_most=1.1),
    Series("receiver-models", "models", receiver_models),
    Series("enricher-integrations", "integrations", enricher_integrations, cost_most=1.1),
    Series("enricher-models", "models", enricher_models),
    Series("enrichers", "enrichers", enrichers),
    Series("waiting", "records that may wait", waiting, cost_most=1.1),
    Series("backfill", "records", backfill, memory_most_mib=16.0),
)
