"""Figures of a run, made of what the simulator told, what the reader saw and what the API was asked. Nothing but sums."""

import math

from budget.scenario import LIMIT

KINDS = ("id", "list", "diffs", "other")
MINUTE_MS = 60_000
# At the end of a window that counts as full of work, so many changed records must still have waited: fewer may all be
# in flight.
BACKLOG_LEAST = 50


def percentile(values, percent):
    """The nearest rank: the lowest value that so many percent do not exceed. None of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else None


def covered_at(note, seen):
    """When the first snapshot that shows the change became visible; None when none has."""
    copies = seen.get((note["model"], note["id"]), ())
    return next((at for at, sequence in copies if sequence > note["sequence"]), None)


class Coverage:
    """Which changes are visible, and since when. A change that is not is as old as the run's end makes it."""

    def __init__(self, told, seen, end_ms):
        self.notes = [(note, covered_at(note, seen)) for note in told]
        self.end_ms = end_ms

    def ages(self, real=False):
        """Seconds from each webhook's 200; real=True: only of changes that were more than last_seen."""
        return [
            ((self.end_ms if at is None else at) - note["ended_at"]) / 1000
            for note, at in self.notes
            if not (real and note["seen_only"])
        ]

    def missing(self):
        return sum(at is None for _, at in self.notes)

    def backlog(self, moment):
        """How many changed records wait at that moment."""
        waiting = (note for note, at in self.notes if note["ended_at"] <= moment < (self.end_ms if at is None else at))
        return len({(note["model"], note["id"]) for note in waiting})


def requests(before, after):
    """What the API was asked between two readings of the simulator's statistics."""
    counts = {kind: after[f"requests_{kind}"] - before[f"requests_{kind}"] for kind in KINDS}
    return {"total": sum(counts.values())} | counts


def ages(coverage):
    every, real = coverage.ages(), coverage.ages(real=True)
    figures = {"age_p50": percentile(every, 50), "age_p99": percentile(every, 99), "age_max": max(every)}
    if len(real) < len(every):
        figures |= {"real_changes": len(real), "real_age_p50": percentile(real, 50), "real_age_p99": percentile(real, 99)}
    return figures


def by_id(changed_records):
    """What fetching each changed record by its id costs at least."""
    return {"by_id_requests": changed_records, "by_id_seconds": changed_records / LIMIT * 60}


def minutes(windows, coverage):
    """How the server's minutes were used: by all, and by those that were full of work from their beginning to their end."""
    full = [window for window in _without_gaps(windows) if _is_full(window, coverage)]
    answered = [sum(window[kind] for kind in KINDS) for window in windows]
    used = [sum(window[kind] for kind in KINDS) for window in full]
    return {
        "window_answered_most": max(answered),
        "window_limited_most": max(window["limited"] for window in windows),
        "windows_full": len(full),
        "window_used_least": min(used) / LIMIT if full else None,
        "windows": [[sum(window[kind] for kind in KINDS), window["limited"]] for window in windows],
    }


def _without_gaps(windows):
    """The simulator does not list a minute without requests."""
    known = {window["number"]: window for window in windows}
    first = windows[0]
    for number in range(first["number"], windows[-1]["number"] + 1):
        began_at = first["began_at"] + (number - first["number"]) * MINUTE_MS
        yield known.get(number, {"began_at": began_at, "limited": 0} | dict.fromkeys(KINDS, 0))


def _is_full(window, coverage):
    end = window["began_at"] + MINUTE_MS
    return all(coverage.backlog(moment) >= BACKLOG_LEAST for moment in (window["began_at"], end))
