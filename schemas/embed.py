#!/usr/bin/env python3
"""Usage: embed.py OUT.c FILE.avsc...: writes a C file that holds the bytes of every schema."""
import pathlib
import sys


def literal(data):
    """The bytes as C string literals, a line each; octal escapes cannot run into what follows."""
    lines = []
    for line in data.splitlines(keepends=True):
        text = "".join(chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}" for byte in line)
        lines.append(f'    "{text}"')
    return "\n".join(lines)


def main():
    out = pathlib.Path(sys.argv[1])
    files = sorted(map(pathlib.Path, sys.argv[2:]), key=lambda path: path.stem)
    texts = [f"static const char {path.stem}[] =\n{literal(path.read_bytes())};\n" for path in files]
    rows = [f'    {{"{path.stem}", {path.stem}, sizeof {path.stem} - 1}},' for path in files]
    out.write_text("/* Written by schemas/embed.py. */\n#include \"bridge/codec/embedded.h\"\n\n"
                   + "\n".join(texts)
                   + "\nconst struct schema embedded_schemas[] = {\n" + "\n".join(rows) + "\n};\n"
                   + f"const size_t embedded_schema_count = {len(files)};\n", encoding="ascii")


if __name__ == "__main__":
    main()
