#!/usr/bin/env python3
"""Usage: embed.py OUT.c FILE...: writes a C file that holds the files of the console's page, as pages.h declares them."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "schemas"))
from embed import literal

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


def main():
    out = pathlib.Path(sys.argv[1])
    rows = [f'    {{"/console/{path.name}", "{TYPES[path.suffix]}",\n{literal(path.read_bytes())}}},'
            for path in sorted(map(pathlib.Path, sys.argv[2:]))]
    out.write_text("/* Written by bridge/console/embed.py. */\n#include \"bridge/console/pages.h\"\n\n"
                   + "const struct page console_pages[] = {\n" + "\n".join(rows) + "\n};\n"
                   + f"const size_t console_page_count = {len(rows)};\n", encoding="ascii")


if __name__ == "__main__":
    main()
