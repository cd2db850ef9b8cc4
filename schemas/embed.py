#!/usr/bin/env python3
"""embed.py OUT.c FILE.avsc...: the files as a sorted C table {model, text, length}."""

import json
import pathlib
import sys


def main():
    out = pathlib.Path(sys.argv[1])
    lines = ['#include "bridge/codec/schema_table.h"', "", "const struct schema_text schema_texts[] = {"]
    for name in sorted(sys.argv[2:], key=lambda n: pathlib.Path(n).stem):
        text = pathlib.Path(name).read_text()
        lines.append(f"    {{{json.dumps(pathlib.Path(name).stem)},")
        lines += [f"     {json.dumps(line)}" for line in text.splitlines(keepends=True)]
        lines.append(f"     , {len(text.encode())}}},")
    lines += ["};", "", f"const size_t schema_text_count = {len(sys.argv) - 2};", ""]
    out.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
