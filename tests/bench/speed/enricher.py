"""The enricher beside what it stands on alone, and beside Redpanda Connect; on a real Kafka, with a real registry."""

from bars import at_least, at_most
from speed.backlog import Backlog
from speed.contest import contest, ratio


class ById:
    """Every record has an integration of its own, so that no page shows two of them."""

    bars = (at_least("rate_of_fetch", 0.8), at_least("connect_cpu", 3.0))

    @staticmethod
    def measure(directory, quick):
        rounds, records = (1, 10_000) if quick else (5, 30_000)
        with Backlog(directory, records=records, integrations=records) as backlog:
            made = contest(
                {
                    "bridge": backlog.enrich,
                    "fetch": backlog.fetch_by_id,
                    "publish": backlog.publish,
                    "connect": backlog.connect,
                },
                rounds,
            )
            backlog.check(("connect", None), ("bare", backlog.registry))
        return {
            "rate_of_fetch": ratio(made, "bridge", "fetch", "records_s"),
            "cpu_of_fetch": ratio(made, "bridge", "fetch", "cpu_us"),
            "cpu_of_publish": ratio(made, "bridge", "publish", "cpu_us"),
            "fetch_of_publish": ratio(made, "fetch", "publish", "cpu_us"),
            "connect_cpu": ratio(made, "connect", "bridge", "cpu_us"),
            "connect_memory": ratio(made, "connect", "bridge", "peak_mib"),
            "connect_rate": ratio(made, "connect", "bridge", "records_s"),
            "contestants": made,
        }


class ByPages:
    """Records of a few integrations: what a backlog looks like."""

    bars = (at_most("cpu_of_publish", 1.6), at_least("connect_cpu", 3.0))

    @staticmethod
    def measure(directory, quick):
        rounds, records = (1, 30_000) if quick else (5, 100_000)
        with Backlog(directory, records=records) as backlog:
            backlog.enrich()
            made = contest(
                {"bridge": backlog.enrich, "publish": backlog.publish, "connect": backlog.connect},
                rounds,
            )
            backlog.check(("connect", None), ("bare", backlog.registry))
        return {
            "cpu_of_publish": ratio(made, "bridge", "publish", "cpu_us"),
            "connect_cpu": ratio(made, "connect", "bridge", "cpu_us"),
            "connect_memory": ratio(made, "connect", "bridge", "peak_mib"),
            "contestants": made,
        }


class Drain:
    """A backlog of a night: each of many records has changed."""

    bars = (at_most("drain.cpu_us", 66.0),)

    @staticmethod
    def measure(directory, quick):
        records = 100_000 if quick else 1_000_000
        with Backlog(directory, records=records) as backlog:
            return {"drain": backlog.enrich(), "events": records}
