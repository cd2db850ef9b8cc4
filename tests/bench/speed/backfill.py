"""All records of a list are read and published, beside a loop that only reads the same pages."""

from bars import at_most
from speed.backlog import Backlog
from speed.contest import contest, ratio


class Backfill:
    """Its memory must not follow the number of the records."""

    bars = (at_most("memory_growth_mib", 16.0),)

    @staticmethod
    def measure(directory, quick):
        few, many, rounds = (10_000, 50_000, 1) if quick else (10_000, 1_000_000, 3)
        (directory / "few").mkdir()
        with Backlog(directory / "few", records=few, events=False) as backlog:
            made = contest({"bridge": backlog.backfill, "pages": backlog.fetch_pages}, rounds)
            backlog.check()
        (directory / "many").mkdir()
        with Backlog(directory / "many", records=many, events=False) as backlog:
            large = backlog.backfill()
            large_pages = backlog.fetch_pages()
        return {
            "memory_growth_mib": round(large["peak_mib"] - made["bridge"]["peak_mib"], 1),
            "rate_of_pages": ratio(made, "bridge", "pages", "records_s"),
            "cpu_of_pages": ratio(made, "bridge", "pages", "cpu_us"),
            "contestants": made,
            "many": {"records": many, "bridge": large, "pages": large_pages},
        }
