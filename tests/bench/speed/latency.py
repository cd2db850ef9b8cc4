"""From a webhook's 200 to the moment at which a consumer has its snapshot; the API knows no limit and answers in 20 ms."""

from bars import at_most
from budget.runner import run
from budget.scenario import Scenario
from harness.kafka import Kafka
from harness.wait import Failure
from speed.programs import serving

RATE = 50  # changes a second
API_MS = 20


class Latency:
    bars = (at_most("age_p50", 0.120), at_most("age_p99", 0.400))

    @staticmethod
    def measure(directory, quick):
        seconds = 15 if quick else 120
        scenario = Scenario(
            "latency",
            models=("residents",),
            records=20_000,
            integrations=20,
            changes=RATE * seconds,
            bars=(),
            seconds=seconds,
            flags={"limit_per_minute": 0, "latency_ms": API_MS, "updated_at": "all", "distinct": "on"},
            config={"api.requests_per_minute": 0},
        )
        with serving(Kafka(directory / "kafka")) as kafka:
            figures = run(scenario, kafka, directory)
        if not figures["ok"]:
            raise Failure(f"{figures['bars']}")
        return figures
