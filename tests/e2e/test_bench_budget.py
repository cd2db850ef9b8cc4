"""`make bench-budget`'s runner: its figures are true, and a missed bar is told."""

from dataclasses import replace

import pytest

from bars import at_least, at_most
from budget import figures
from budget.runner import run
from budget.scenario import LIMIT, Scenario
from budget.scenarios import SCENARIOS

pytestmark = pytest.mark.alone

SMALL = Scenario(
    "small",
    models=("residents", "units"),
    records=60,
    integrations=3,
    changes=40,
    seconds=1,
    patience=60,
    flags={"distinct": "on"},
    bars=(at_most("requests.total", 40), at_most("limited", 0), at_most("age_p99", 60)),
)


def bars(result):
    return {bar["name"]: bar["ok"] for bar in result["bars"]}


def test_the_figures_of_a_small_run_are_consistent(kafka, tmp_path):
    result = run(SMALL, kafka, tmp_path)
    assert result["ok"] and bars(result) == {"truth": True, "requests.total": True, "limited": True, "age_p99": True}, result
    assert result["webhooks"] == result["changed_records"] == result["by_id_requests"] == 40
    assert result["by_id_seconds"] == 16 and result["unfinished"] == 0 and result["snapshots"] >= 40
    requests = result["requests"]
    assert 0 < requests["total"] == sum(requests[kind] for kind in figures.KINDS)
    assert requests["total"] == sum(answered + limited for answered, limited in result["windows"])
    assert 0.1 < result["age_p50"] <= result["age_p99"] <= result["age_max"] < 60
    assert 0.1 < result["seconds"] and 0.9 < result["arrival_seconds"] < 10


@pytest.mark.parametrize(
    "change, missed",
    [
        # A read takes 0.1 s at least, and a request at least is needed.
        ({"bars": (at_most("age_p99", 0.05), at_most("requests.total", 0))}, {"age_p99", "requests.total"}),
        ({"bars": (at_least("windows_full", 1),)}, {"windows_full"}),
        # The receiver refuses every signature: nothing arrives, and that is a failure, not a good figure.
        ({"config": {"receiver.secret": "another-secret"}, "flags": {"retry_ms": 1}}, {"run"}),
        # Nothing can be read, so nothing becomes visible.
        ({"flags": {"fault": "500:100%"}, "patience": 2}, {"truth", "requests.total", "limited", "age_p99"}),
    ],
)
def test_a_missed_bar_is_told(kafka, tmp_path, change, missed):
    result = run(replace(SMALL, **change), kafka, tmp_path)
    assert not result["ok"]
    assert {name for name, ok in bars(result).items() if not ok} == missed, result


def test_a_killed_run_comes_to_its_end(kafka, tmp_path):
    held_against = {"scenario": "whole", "unfinished": 0, "requests": {"total": 40}}
    bar = at_most("requests.total", lambda measured: 3 * measured["uninterrupted_requests"])
    result = run(replace(SMALL, kill=True, uninterrupted="whole", bars=(bar,)), kafka, tmp_path, held_against)
    assert result["ok"], result
    assert (tmp_path / "bridge-2.log").exists()
    missing = run(replace(SMALL, kill=True, uninterrupted="whole"), kafka, tmp_path, held_against | {"unfinished": 1})
    assert bars(missing) == {"run": False}


@pytest.mark.long
def test_several_enrichers_and_another_client_are_told_apart(kafka, tmp_path):
    result = run(replace(SMALL, enrichers=2, other_client=600, integrations=12, records=240), kafka, tmp_path)
    requests = result["requests"]
    assert 0 < result["other_requests"] <= requests["list"]
    assert requests["id"] + requests["list"] > result["other_requests"]
    assert bars(result)["truth"] and 0.5 <= result["owner_share"] < 1, result


def note(record_id, ended_at, sequence, seen_only=False):
    return {"model": "units", "id": record_id, "ended_at": ended_at, "sequence": sequence, "seen_only": seen_only}


def test_a_snapshot_covers_the_changes_before_its_read_and_no_other():
    seen = {("units", "a"): [(2000, 5), (4000, 9)], ("leases", "b"): [(2000, 99)]}
    told = [note("a", 1000, 4), note("a", 1000, 5, seen_only=True), note("a", 1500, 9), note("b", 3000, 1)]
    coverage = figures.Coverage(told, seen, 10_000)
    assert coverage.ages() == [1, 3, 8.5, 7] and coverage.missing() == 2
    assert coverage.ages(real=True) == [1, 8.5, 7]
    assert [coverage.backlog(at) for at in (999, 1000, 2500, 3000, 9999)] == [0, 1, 1, 2, 2]


@pytest.mark.parametrize("percent, expected", [(0, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)])
def test_percentiles_are_nearest_ranks(percent, expected):
    assert figures.percentile(range(100, 0, -1), percent) == expected
    assert figures.percentile([], percent) is None


def window(number, listed, limited=0):
    counts = {"id": 0, "list": listed, "diffs": 0, "other": 0, "limited": limited}
    return {"number": number, "began_at": number * 60_000} | counts


def test_only_minutes_full_of_work_are_judged_by_what_was_used_of_them():
    told = [note(str(number), 50_000, 1) for number in range(figures.BACKLOG_LEAST)]
    seen = {("units", str(number)): [(300_000, 2)] for number in range(figures.BACKLOG_LEAST)}
    windows = [window(0, 10), window(1, LIMIT, 2), window(2, 120), window(5, 7)]
    coverage = figures.Coverage(told, seen, 400_000)
    found = figures.minutes(windows, coverage)
    assert found["windows"] == [[10, 0], [150, 2], [120, 0], [7, 0]]
    # Of minute 3 nothing is listed: nothing was asked in it. At the end of minute 4 nothing waits.
    assert found["windows_full"] == 3 and found["window_used_least"] == 0
    assert found["window_answered_most"] == 150 and found["window_limited_most"] == 2
    found = figures.minutes(windows[:3], coverage)
    assert found["windows_full"] == 2 and found["window_used_least"] == 0.8


def test_scenarios_have_names_of_their_own_and_what_they_are_held_against_comes_before():
    names = [scenario.name for scenario in SCENARIOS]
    assert len(names) == len(set(names))
    for place, scenario in enumerate(SCENARIOS):
        assert not scenario.uninterrupted or scenario.uninterrupted in names[:place]
