"""A short run of the chaos harness, and that its planted bugs still fit the program."""

import shutil

import pytest

from chaos.mutants import __main__ as mutants
from chaos.run import run
from harness.process import TOP


def test_a_short_chaos(tmp_path):
    result = run(tmp_path, seed=1, seconds=60)
    print(result.line())
    assert result.violations == [], result.line()
    assert sum(result.faults.values()) > 10


@pytest.mark.parametrize("name", mutants.names())
def test_a_planted_bug_fits(tmp_path, name):
    shutil.copytree(TOP / "bridge", tmp_path / "bridge")
    assert mutants.apply(name, tmp_path, "--dry-run"), f"{name}.patch does not apply any more: write it anew"
