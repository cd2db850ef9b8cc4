"""Compares a snapshot with the record it should be, field by field."""

import json
from datetime import datetime, timedelta, timezone

UNMAPPED = "unmapped_fields"
# The simulator's API, but not its truth, numbers each read in custom_data.
STAMPED = "custom_data"
READ_SEQUENCE = "read_sequence"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def milliseconds(time):
    """A datetime, or an ISO 8601 text, as milliseconds since the epoch, which a number is; None for a text that is no time."""
    if isinstance(time, int):
        return time
    if isinstance(time, str):
        try:
            time = datetime.fromisoformat(time)
        except ValueError:
            return None
    if time.tzinfo is None:
        time = time.replace(tzinfo=timezone.utc)
    return (time - _EPOCH) // timedelta(milliseconds=1)


def differences(found, expected):
    """What a snapshot (decoded from Avro, or from JSON) shows otherwise than the API's record: a list of sentences.

    A field that the record has not is null in the snapshot. What the schema does not know, or knows with another type,
    is null or absent there and stands as JSON text in unmapped_fields. A free-form object is JSON text. The simulator's
    number of the read is no difference.
    """
    found = _unstamped(found)
    unmapped = found.get(UNMAPPED) or {}
    sentences = []
    for name in sorted(found.keys() | expected.keys() | unmapped.keys()):
        if name == UNMAPPED and name not in expected:
            continue
        if not _same_field(name, found, expected, unmapped):
            shown = unmapped[name] if name in unmapped else found.get(name)
            sentences.append(f"{name}: expected {expected.get(name)!r}, found {shown!r}")
    return sentences


def read_sequence(record):
    """The simulator's number of the read that a snapshot was made of; None when it has none."""
    stamped = _loads(record.get(STAMPED))
    return stamped.get(READ_SEQUENCE) if isinstance(stamped, dict) else None


def falling_sequences(snapshots):
    """A sentence for each snapshot, in topic order, that is older than the one before it with the same key."""
    last = {}
    sentences = []
    for snapshot in snapshots:
        number = read_sequence(snapshot.record) if snapshot.record else None
        before = last.get(snapshot.key, 0)
        if number is not None and number < before:
            place = f"partition {snapshot.partition}, offset {snapshot.offset}"
            sentences.append(f"{snapshot.key}: read {number} behind read {before} at {place}")
        last[snapshot.key] = max(before, number or 0)
    return sentences


def _unstamped(record):
    if read_sequence(record) is None:
        return record
    stamped = _loads(record[STAMPED])
    del stamped[READ_SEQUENCE]
    return record | {STAMPED: json.dumps(stamped)}


def _same_field(name, found, expected, unmapped):
    if name in unmapped:
        return found.get(name) is None and name in expected and json.loads(unmapped[name]) == expected[name]
    return same(found.get(name), expected.get(name))


def same(found, expected):
    """Whether a snapshot's value says the same as the API's JSON value."""
    if expected is None or isinstance(expected, bool):
        return found is expected
    if isinstance(found, bool) or found is None:
        return False
    if isinstance(expected, str):
        return _same_text(found, expected)
    if isinstance(expected, (int, float)):
        return isinstance(found, (int, float)) and found == expected
    if isinstance(found, str):
        return _loads(found) == expected
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(same, found, expected))
    return isinstance(found, dict) and not differences(found, expected)


def _same_text(found, expected):
    if isinstance(found, datetime):
        found = milliseconds(found)
    return found == (milliseconds(expected) if isinstance(found, int) else expected)


def _loads(text):
    """The JSON value; None for what is no text or no JSON."""
    try:
        return json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
