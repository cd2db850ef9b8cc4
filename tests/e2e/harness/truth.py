"""Whether the snapshots equal the truth."""

from harness.compare import differences, falling_sequences
from harness.snapshots import latest


def assert_equals_truth(simulator, snapshots, models, registry=None):
    """The last snapshot of every changed record equals the record, field by field, and no key ever went back.

    Returns how many records and snapshots were compared.
    """
    records = total = 0
    for model in models:
        found = snapshots(model, registry=registry)
        last = latest(found)
        truth = simulator.truth(model, changed=True)
        assert truth, f"{model}: nothing changed"
        missing = sorted(truth.keys() - last.keys())
        assert not missing, f"{model}: {len(missing)} records without a snapshot, such as {missing[:3]}"
        superfluous = sorted(last.keys() - simulator.truth(model).keys())
        assert not superfluous, f"{model}: {superfluous[:3]} are no records"
        wrong = {key: differences(last[key], record) for key, record in truth.items()}
        wrong = {key: sentences for key, sentences in wrong.items() if sentences}
        assert not wrong, f"{model}: {len(wrong)} differ, such as {list(wrong.items())[:3]}"
        falling = falling_sequences(found)
        assert not falling, f"{model}: {len(falling)} went back: {falling[:3]}"
        records += len(truth)
        total += len(found)
    return records, total
