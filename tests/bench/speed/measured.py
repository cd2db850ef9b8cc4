"""What a running program has cost so far."""

import os
import time
from dataclasses import dataclass

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_us(pid):
    """User and system time of all its threads, those that have ended included (proc(5): utime, stime)."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000 // TICKS


@dataclass(frozen=True)
class Cost:
    wall_us: int
    cpu_us: int


class Meter:
    """What a program costs from here to `read()`."""

    def __init__(self, program):
        self.program = program
        self.began = time.monotonic()
        self.cpu = cpu_us(program.pid)

    def read(self):
        return Cost(round((time.monotonic() - self.began) * 1e6), cpu_us(self.program.pid) - self.cpu)


def peak_mib(program):
    """The most that was resident at any moment, libraries included."""
    return program.memory()["VmHWM"] / 2**20
