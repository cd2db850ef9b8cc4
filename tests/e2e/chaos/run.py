"""One run: start, load, faults, healing, checks."""

import time
from dataclasses import dataclass, field

from chaos.checks import (
    MIB, LiveReader, Sent, check_accepted, check_isolation, check_letters, check_order, check_processes, check_refusal,
    check_truth, settle,
)  # fmt: skip
from chaos.faults import Faults
from chaos.load import Load
from chaos.world import Watch, World

FETCH_SECONDS = 60


@dataclass
class Result:
    seed: int
    seconds: float
    violations: list = field(default_factory=list)
    figures: dict = field(default_factory=dict)
    faults: dict = field(default_factory=dict)

    def line(self):
        figures = " ".join(f"{name}={value}" for name, value in self.figures.items())
        faults = " ".join(f"{name}={count}" for name, count in sorted(self.faults.items()))
        return f"seed={self.seed} seconds={self.seconds:.0f} violations={len(self.violations)} {figures} faults: {faults}"


def run(directory, seed, seconds):
    result = Result(seed, seconds)
    world = World(directory, seed)
    try:
        world.start()
        _run(world, result)
    finally:
        world.close()
    return result


def _run(world, result):
    world.load = load = Load(world, result.seed)
    faults = Faults(world, result.seed)
    reader = LiveReader(world.cluster)
    sent = Sent(world.simulator)
    watch = Watch(world)
    reader.start()
    watch.start()
    load.start()
    end = time.monotonic() + result.seconds
    while time.monotonic() < end:
        faults.run(min(end, time.monotonic() + FETCH_SECONDS))
        sent.fetch()
    world.heal()
    violations = result.violations
    violations += check_refusal(world, load)
    load.stop()
    violations += settle(world, load, violations)
    sent.fetch()
    watch.stop()
    time.sleep(1)
    reader.stop()
    violations += faults.problems
    violations += check_accepted(world, load, sent)
    violations += check_truth(world)
    violations += check_order(world)
    isolation, aborted, committed = check_isolation(world, reader)
    violations += isolation
    violations += check_letters(world, load)
    violations += check_processes(world)
    stats = world.simulator.stats()
    if stats["webhooks_lost"]:
        violations.append(f"the simulator gave {stats['webhooks_lost']} webhooks up: faults lasted too long for it")
    result.faults = dict(faults.counts)
    result.figures = {
        "webhooks_accepted": load.accepted + stats["webhooks_ok"],
        "snapshots_committed": committed,
        "snapshots_aborted": aborted,
        "restarts_by_themselves": sum(len(member.ends) for member in world.members),
        "memory_mib": "/".join(f"{member.memory / MIB:.0f}" for member in world.members),
    }
