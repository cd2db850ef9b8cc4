"""Compares the snapshot of an assembled record with what the simulator's record holds in every field that was told."""

import json

from harness.compare import milliseconds

TYPED = {"id", "integration_id", "property_id", "x_id"}
CLOCKS = {"created_at", "updated_at", "last_seen"}


def told(record):
    """The fields that a snapshot says it was told, as the API would write them."""
    values = {name: json.loads(text) for name, text in record["fields"].items()}
    for name in record["fields_seen"]:
        if name in TYPED or (name in CLOCKS and name not in values):
            values[name] = record[name]
    assert set(record["fields_seen"]) <= values.keys()
    return values


def is_same(name, found, expected):
    """A webhook need not tell that a clock of the record has moved: it may be behind, never ahead."""
    if name in CLOCKS and expected is not None:
        return milliseconds(found) <= milliseconds(expected)
    return found == expected
