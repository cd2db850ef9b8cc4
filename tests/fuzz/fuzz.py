#!/usr/bin/env python3
"""Builds the fuzz targets with AddressSanitizer and UndefinedBehaviorSanitizer, and runs them.

fuzz.py [--seconds N] [NAME...]   each (or those named) for so long, beginning with tests/fuzz/corpus/NAME and what
                                  earlier runs have found (build/fuzz/corpus/NAME); 0 seconds: the corpus once
fuzz.py --coverage [NAME...]      what of its parser each corpus reaches, in lines and branches

A finding is left in build/fuzz and told; the exit code is 1 then.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = TOP / "build/fuzz"
COVERED = TOP / "build/fuzz-coverage"
# By target: the files whose coverage is told.
TARGETS = {
    "webhook": ["propexo/webhook.c", "receiver/ingest.c"],
    "signature": ["http/signature.c", "http/guard.c"],
    "config": ["config/load.c", "config/value.c", "config/source_file.c", "config/properties.c"],
    "encoder": ["codec/json_parse.c", "codec/encoder.c", "codec/avro_output.c", "codec/json_output.c", "codec/plan.c", "codec/mapping.c"],
    "api": ["propexo/api.c"],
    "redaction": ["propexo/redaction.c"],
    "registry": ["codec/registry_answer.c", "codec/difference.c"],
    "wire": ["codec/wire.c"],
    "spool_record": ["receiver/spool_record.c"],
}
SANITIZERS = "fuzzer-no-link,address,undefined"


def build(names, folder, *settings):
    targets = [f"{folder.relative_to(TOP)}/fuzz_{name}" for name in names]
    command = ["make", "-s", "--no-print-directory", "-j2", f"BUILD={folder.relative_to(TOP)}", "CC=clang", *settings, *targets]
    subprocess.run(command, cwd=TOP, check=True, stdout=subprocess.DEVNULL)


def corpora(name):
    """Where new inputs go first, then those that the project keeps."""
    found = BUILD / "corpus" / name
    found.mkdir(parents=True, exist_ok=True)
    return [found, TOP / "tests/fuzz/corpus" / name]


def fuzz(name, seconds):
    found, kept = corpora(name)
    limit = ["-runs=0"] if seconds == 0 else [f"-max_total_time={seconds}"]
    options = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=8192", "-print_final_stats=1", f"-artifact_prefix={BUILD}/{name}-"]
    command = [BUILD / f"fuzz_{name}", *limit, *options, found, kept]
    environment = os.environ | {"LSAN_OPTIONS": f"suppressions={TOP}/tests/fuzz/leak.supp:print_suppressions=0"}
    result = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, errors="replace")
    runs = re.findall(r"stat::number_of_executed_units:\s*(\d+)", result.stderr) or ["?"]
    if result.returncode != 0:
        print(result.stderr[-6000:], file=sys.stderr)
    print(f"{name}: {'a finding' if result.returncode else 'nothing found'}, {runs[-1]} runs, {len(list(found.iterdir()))} inputs", flush=True)
    return result.returncode == 0


def coverage(name):
    data = COVERED / f"{name}.profdata"
    raw = COVERED / f"{name}.profraw"
    program = COVERED / f"fuzz_{name}"
    command = [program, "-runs=0", *corpora(name)]
    subprocess.run(command, cwd=TOP, check=True, capture_output=True, env={"LLVM_PROFILE_FILE": str(raw), "PATH": "/usr/bin"})
    subprocess.run(["llvm-profdata", "merge", "-o", data, raw], check=True)
    files = [f"bridge/{file}" for file in TARGETS[name]]
    told = subprocess.run(["llvm-cov", "export", "-summary-only", f"-instr-profile={data}", program, *files], cwd=TOP, check=True, capture_output=True)
    totals = json.loads(told.stdout)["data"][0]["totals"]
    print(f"{name}: {totals['lines']['percent']:.0f} % of lines, {totals['branches']['percent']:.0f} % of branches of {', '.join(files)}")


def main():
    parser = argparse.ArgumentParser(prog="fuzz.py")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--coverage", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TARGETS))
    options = parser.parse_args()
    names = options.names or list(TARGETS)
    unknown = set(names) - TARGETS.keys()
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if options.coverage:
        build(names, COVERED, "CFLAGS=-O1 -g -fprofile-instr-generate -fcoverage-mapping", "FUZZ_LINK=-fsanitize=fuzzer", "LDFLAGS=-fprofile-instr-generate")
        for name in names:
            coverage(name)
        return 0
    build(names, BUILD, f"SANITIZER={SANITIZERS}", "CFLAGS=-O1 -g", "FUZZ_LINK=-fsanitize=fuzzer,address,undefined")
    return 0 if all([fuzz(name, options.seconds) for name in names]) else 1


if __name__ == "__main__":
    sys.exit(main())
