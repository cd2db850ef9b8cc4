#!/usr/bin/env python3
"""Builds and runs the tests, and ends with one line: N passed, N failed, N skipped.

run.py              the room rule, the schemas' check, unit and end-to-end tests
run.py unit         unit tests only
run.py e2e [ARG...] end-to-end tests only; the arguments go to pytest
run.py long [ARG...] the end-to-end tests that take minutes, which the others leave out, the fuzz targets, the chart, and memcheck
run.py memcheck      the short flow under valgrind: no error, and no memory that is definitely lost

With SANITIZER=address|undefined|thread in the environment the programs are built with that sanitizer, deadlines are
longer, and of the end-to-end tests those marked `plain` are left out.
`run.py` runs end-to-end tests side by side, one on each processor, and those marked `alone` behind them; the others one by one.
The exit code is 0 only when nothing failed and nothing was skipped.
"""

import os
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as xml

TOP = pathlib.Path(__file__).resolve().parent.parent
SANITIZER = os.environ.get("SANITIZER", "")
BUILD = TOP / "build" / SANITIZER
RESULTS = TOP / "build" / "e2e-results.xml"
STAMPS = ["build/venv/.stamp", "build/e2e/kafka/.stamp", "build/e2e/kafka-3.9/.stamp", "build/e2e/registry/.stamp",
          "build/e2e/prometheus/.stamp"]
# ThreadSanitizer needs its own places in memory, which address space randomisation may give to others.
WRAPPER = ["setarch", "-R"] if SANITIZER == "thread" else []
# A library's own doings are not ours to mend: the suppression files say which and why.
SUPPRESSIONS = TOP / "tests/sanitizers"
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1",
    "LSAN_OPTIONS": f"suppressions={SUPPRESSIONS}/leak.supp:print_suppressions=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    # A handle that librdkafka cannot close keeps its threads until the end (kafka/handle.h).
    "TSAN_OPTIONS": f"suppressions={SUPPRESSIONS}/thread.supp:second_deadlock_stack=1:report_thread_leaks=0",
}
JOBS = f"-j{os.cpu_count()}"


def make(*targets):
    command = ["make", "--no-print-directory", "-s", JOBS, *targets]
    if SANITIZER:
        command.append(f"SANITIZER={SANITIZER}")
    subprocess.run(command, cwd=TOP, check=True)


def one(name, command):
    """Runs a program that is one test: (passed, failed, skipped)."""
    print(f"-- {name}", flush=True)
    ok = subprocess.run(command, cwd=TOP).returncode == 0
    return (1, 0, 0) if ok else (0, 1, 0)


def checks():
    yield one("room rule", [sys.executable, "tests/lint/rooms.py"])
    yield one("schemas as generated", [sys.executable, "schemas/generate.py", "--check"])


def count(cases):
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    return len(cases) - failed - skipped, failed, skipped


def unit_program(name):
    """cmocka writes JUnit XML when asked; a program that dies before counts as one failure."""
    results = BUILD / f"{name}.xml"
    results.unlink(missing_ok=True)
    environment = os.environ | {"CMOCKA_MESSAGE_OUTPUT": "XML", "CMOCKA_XML_FILE": str(results)}
    process = subprocess.run([*WRAPPER, BUILD / name], cwd=TOP, env=environment, stderr=subprocess.PIPE, text=True)
    passed, failed, skipped = count(list(xml.parse(results).iter("testcase"))) if results.exists() else (0, 0, 0)
    if process.returncode != 0 and failed == 0:
        failed = 1
    if failed:
        print(process.stderr[-8000:])
        print(results.read_text() if results.exists() else "no results were written")
    print(f"-- {name}: {passed} passed, {failed} failed", flush=True)
    return passed, failed, skipped


def units():
    names = sorted(path.stem for path in (TOP / "tests/unit").glob("test_*.c"))
    make(*[str((BUILD / name).relative_to(TOP)) for name in names])
    for name in names:
        yield unit_program(name)


def end_to_end(marks, arguments, wrapper=WRAPPER, workers=1):
    """With several workers each has a Kafka and a registry of its own; what is timed alone is marked `alone`, and runs behind them."""
    make("all", *STAMPS, *([] if SANITIZER else ["bench-programs"]))
    if workers > 1:
        os.environ.setdefault("E2E_TIMEOUT_FACTOR", "4" if SANITIZER else "2")
        together = end_to_end(f"{marks} and not alone", ["-n", str(workers), "--dist", "worksteal", *arguments], wrapper)
        return tuple(map(sum, zip(together, end_to_end(f"{marks} and alone", arguments, wrapper))))
    RESULTS.unlink(missing_ok=True)
    if SANITIZER:
        marks = f"{marks} and not plain"
        os.environ.setdefault("E2E_TIMEOUT_FACTOR", "3")
    command = [TOP / "build/venv/bin/pytest", "-q", "-m", marks, "tests/e2e", f"--junitxml={RESULTS}", *arguments]
    environment = os.environ | {"BRIDGE_BUILD": str(BUILD), "BRIDGE_WRAPPER": " ".join(wrapper)}
    process = subprocess.run(command, cwd=TOP, env=environment)
    passed, failed, skipped = count(list(xml.parse(RESULTS).iter("testcase"))) if RESULTS.exists() else (0, 0, 0)
    if process.returncode != 0 and failed == 0:
        failed = 1
    return passed, failed, skipped


def memcheck():
    """A program that valgrind finds fault with ends with 99, which fails its test."""
    options = "-q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite"
    os.environ["E2E_TIMEOUT_FACTOR"] = "6"
    return end_to_end("short", [], ["valgrind", *options.split()])


def main(arguments):
    what = arguments[0] if arguments else "all"
    os.environ.update(SANITIZER_OPTIONS)
    results = []
    if what == "all":
        results += checks()
    if what in ("all", "unit"):
        results += units()
    if what in ("all", "e2e"):
        results.append(end_to_end("not long", arguments[1:], workers=os.cpu_count() if what == "all" else 1))
    if what == "long":
        results.append(end_to_end("long", arguments[1:]))
        if len(arguments) == 1:
            results.append(one("every fuzz target for a minute", [sys.executable, "tests/fuzz/fuzz.py"]))
            results.append(one("the chart", ["make", "--no-print-directory", "-s", "chart"]))
            results.append(memcheck())
    if what == "memcheck":
        results.append(memcheck())
    passed, failed, skipped = map(sum, zip(*results))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if passed and not failed and not skipped else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
