"""A short run of the chaos harness, and that its planted bugs still fit the program."""

import os
import shutil

import pytest

from chaos.kafka_proxy import ADD_PARTITIONS, END_TRANSACTION, PRODUCER, REQUESTS, Gate
from chaos.mutants import __main__ as mutants
from chaos.run import run
from harness.process import TOP

pytestmark = pytest.mark.alone

SANITIZED = bool(os.environ.get("SANITIZER"))


def test_a_short_chaos(tmp_path):
    result = run(tmp_path, seed=1, seconds=60)
    print(result.line())
    broken = [one for one in result.violations if not (SANITIZED and one.startswith("(f)"))]  # which takes memory itself
    assert broken == [], result.line()
    assert sum(result.faults.values()) > 10


@pytest.mark.parametrize("name", mutants.names())
def test_a_planted_bug_fits(tmp_path, name):
    shutil.copytree(TOP / "bridge", tmp_path / "bridge")
    assert mutants.apply(name, tmp_path, "--dry-run"), f"{name}.patch does not apply any more: write it anew"


def test_transactions_are_held_from_the_end_of_the_one_under_way():
    gate = Gate()
    gate.passed(ADD_PARTITIONS)
    gate.hold_transactions()
    assert not gate.holds(PRODUCER, REQUESTS)
    gate.passed(END_TRANSACTION)
    assert gate.holds(PRODUCER, REQUESTS)
    gate.release(PRODUCER, REQUESTS)
    gate.passed(ADD_PARTITIONS)
    gate.passed(END_TRANSACTION)
    assert not gate.holds(PRODUCER, REQUESTS)
    gate.hold_transactions()
    assert gate.holds(PRODUCER, REQUESTS)
