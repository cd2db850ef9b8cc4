"""Reads the logfmt lines that our programs write on standard error."""

import re

_PAIR = re.compile(r'([A-Za-z_][\w.\-]*)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))(?:\s+|$)')
_ESCAPE = re.compile(r"\\(.)")
_CONTROL = {"n": "\n", "r": "\r", "t": "\t"}


def parse(line):
    """The line's keys and values in order, or None when it is not logfmt from its first to its last character."""
    pairs = {}
    position = 0
    line = line.strip()
    while position < len(line):
        match = _PAIR.match(line, position)
        if not match:
            return None
        key, quoted, plain = match.groups()
        pairs[key] = plain if quoted is None else _unescape(quoted)
        position = match.end()
    return pairs or None


def _unescape(text):
    return _ESCAPE.sub(lambda match: _CONTROL.get(match.group(1), match.group(1)), text)
