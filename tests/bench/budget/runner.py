"""Runs one scenario and returns its figures, judged."""

import math
import time
import traceback

from confluent_kafka import KafkaException

from bars import failed
from budget import figures
from budget.stage import Stage
from harness.truth import assert_equals_truth
from harness.wait import Failure, wait_until

LOOK_SECONDS = 0.1
ARRIVAL_SPARE_SECONDS = 180  # for webhooks that come more slowly than they should


def run(scenario, kafka, directory, uninterrupted=None):
    """The figures of a scenario as `make bench-budget` prints them; `ok` says whether all bars were met.

    `directory` takes the programs' logs. `uninterrupted` is the result that a run which is killed is held against. What
    keeps a scenario from coming to its end, or snapshots that do not equal the truth, is a bar that was missed.
    """
    measured = {"scenario": scenario.name}
    try:
        if scenario.uninterrupted:
            measured["uninterrupted_requests"] = _requests_of(uninterrupted)
        with Stage(scenario, kafka, directory) as stage:
            bars = _measure(stage, measured)
    except (AssertionError, OSError, KafkaException) as failure:
        traceback.print_exc()
        bars = [failed(failure)]
    return measured | {"bars": bars, "ok": all(bar["ok"] for bar in bars)}


def _requests_of(uninterrupted):
    if uninterrupted.get("unfinished", 1) != 0:
        raise Failure(f"{uninterrupted['scenario']}, which this is held against, did not come to its end")
    return uninterrupted["requests"]["total"]


def _bar(name, bar, value, ok):
    return {"name": name, "bar": bar, "value": value, "ok": ok}


def _measure(stage, measured):
    """Fills `measured` and returns the bars."""
    scenario = stage.scenario
    before = stage.simulator.stats()
    began = time.monotonic()
    stage.start_other_client()
    _drive(stage)
    told = stage.told()
    finished = _wait_visible(stage, told)
    if not finished:
        stage.keep_metrics()
    end_ms = time.time() * 1000
    stage.stop_other_client()
    after = stage.simulator.stats()
    elapsed = time.monotonic() - began
    bars = [_truth(stage, told, finished)]
    coverage = figures.Coverage(told, stage.reader.seen, end_ms)
    measured |= _figures(stage, told, coverage, before, after, elapsed, finished)
    bars += [bar.judge(measured) for bar in scenario.bars]
    if finished:
        stage.end()
    return bars


def _drive(stage):
    """Lets the changes happen; returns when all webhooks were answered."""
    scenario = stage.scenario
    if scenario.seconds == 0:
        stage.change_one_of_each_integration()
        stage.simulator.wait_delivered()
        return
    rate = scenario.changes / scenario.seconds
    stage.simulator.begin(stage.receiver.receiver_url(), rate=rate, changes=scenario.changes)
    killed = False

    def done():
        nonlocal killed
        stage.check()
        if scenario.kill and not killed and len(stage.reader.seen) >= scenario.changes / 2:
            killed = True
            stage.kill()
        return stage.simulator.events("changes_done") and (killed or not scenario.kill)

    wait_until(done, scenario.seconds + ARRIVAL_SPARE_SECONDS, "all webhooks' answers", interval=LOOK_SECONDS)


def _wait_visible(stage, told):
    """True when all changes became visible and all events were committed before the scenario's patience ended."""
    deadline = max(note["ended_at"] for note in told) / 1000 + stage.scenario.patience
    wanted = {}
    for note in told:
        key = note["model"], note["id"]
        wanted[key] = max(note["sequence"], wanted.get(key, 0))
    while time.time() < deadline:
        stage.check()
        seen = stage.reader.seen
        wanted = {key: number for key, number in wanted.items() if key not in seen or seen[key][-1][1] <= number}
        if not wanted and stage.committed():
            return True
        time.sleep(LOOK_SECONDS)
    return False


def _truth(stage, told, finished):
    if not finished:
        return _bar("truth", "equal", f"not all committed within {stage.scenario.patience} s", False)
    try:
        records, snapshots = assert_equals_truth(stage.simulator, stage.snapshots, stage.scenario.models)
    except AssertionError as difference:
        return _bar("truth", "equal", str(difference), False)
    changed = len({(note["model"], note["id"]) for note in told})
    if records != changed:
        return _bar("truth", "equal", f"{records} records were compared, {changed} changed", False)
    # What was read alive must be all that there is, or the last snapshot's time is not the last one's.
    wait_until(lambda: stage.reader.count >= snapshots, 30, lambda: f"{stage.reader.count} of {snapshots} snapshots")
    return _bar("truth", "equal", "equal", True)


def _figures(stage, told, coverage, before, after, elapsed, finished):
    changed = len({(note["model"], note["id"]) for note in told})
    acknowledged = [note["ended_at"] for note in told]
    reader = stage.reader
    made = {
        "requests": figures.requests(before, after),
        "limited": after["status_429"] - before["status_429"],
        "seconds": (reader.last_at - max(acknowledged)) / 1000 if finished else None,
        "arrival_seconds": (max(acknowledged) - min(note["queued_at"] for note in told)) / 1000,
        "minutes": math.ceil(elapsed / 60),
        "webhooks": len(told),
        "changed_records": changed,
        "snapshots": reader.count,
        "unfinished": coverage.missing(),
    }
    made |= figures.ages(coverage) | figures.by_id(changed)
    if after["windows"]:
        made |= figures.minutes(after["windows"], coverage)
    if stage.other:
        statuses = stage.other.statuses
        made |= {"other_requests": len(statuses), "other_limited": statuses.count(429)}
    made["bridge_limited"] = sum(stage.metric("bridge_api_requests_total", outcome="limited"))
    published = stage.metric("bridge_snapshots_total")
    made["owner_share"] = max(published) / sum(published) if sum(published) else None
    return _rounded(made)


def _rounded(made):
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in made.items()}
