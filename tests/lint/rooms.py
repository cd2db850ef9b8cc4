#!/usr/bin/env python3
"""The room rule: a file includes headers of its own room and of rooms above it only; receiver and enricher do not
see each other; main.c sees all; each third-party library has one room that knows it."""

import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
ROOMS = ["base", "config", "http", "kafka", "codec", "propexo", "receiver", "enricher", "console", "commands"]
STRANGERS = {("enricher", "receiver")}
LIBRARIES = {
    "librdkafka/": {"kafka", "enricher"},  # the enricher reads messages as librdkafka hands them out
    "microhttpd.h": {"http"},
    "curl/": {"http"},
    "avro.h": {"codec"},
    "ini.h": {"config"},
    "openssl/": {"base", "http"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)


def room_of(path):
    parts = path.relative_to(TOP / "bridge").parts
    return parts[0] if len(parts) > 1 else None


def complaints(path):
    room = room_of(path)
    for quote, name in INCLUDE.findall(path.read_text()):
        if quote == "<":
            for library, rooms in LIBRARIES.items():
                if name.startswith(library) and room not in rooms:
                    yield f"{name} belongs to {', '.join(sorted(rooms))}"
            continue
        if not name.startswith("bridge/") or not (TOP / name).exists():
            yield f'"{name}" is not a file below bridge/'
            continue
        other = name.split("/")[1]
        if room is None:
            continue
        if ROOMS.index(other) > ROOMS.index(room) or (room, other) in STRANGERS:
            yield f"{room} must not see {other} ({name})"


def main():
    found = 0
    for path in sorted((TOP / "bridge").rglob("*.[ch]")):
        if room_of(path) not in [None, *ROOMS]:
            print(f"{path.relative_to(TOP)}: this room is not in the list")
            found += 1
        for complaint in complaints(path):
            print(f"{path.relative_to(TOP)}: {complaint}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
