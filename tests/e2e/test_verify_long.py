"""How much memory `propexo-bridge verify` takes does not depend on how many records there are."""

import pytest

from test_verify import publish_all

pytestmark = pytest.mark.long

MIB = 1 << 20
CONFIG = {"bridge.models": ["units"], "output.format": "json", "enricher.max_delay_ms": 500}


def peak(bridge, propexo, code, *arguments, **config):
    """The most anonymous memory it had, in bytes, and its output; files on disk that the kernel keeps are not in it."""
    program = bridge(
        "verify", CONFIG | config, simulator=propexo, arguments=arguments, start=False, exit_code=code
    )
    program.start()
    most = 0
    while program.running:
        try:
            most = max(most, program.memory().get("RssAnon", 0))
        except OSError:
            break
    assert program.wait(600) == code, program.output() + program.log()
    return most, program.output()


@pytest.mark.parametrize("missing", [False, True])
def test_memory_is_flat(missing, simulator, bridge, kafka, prefix):
    """Also when every record is missing: each is then looked at again."""
    peaks = {}
    for records in (10_000, 100_000):
        own = {"topics.prefix": f"{prefix}-{records}", "enricher.group": f"{prefix}-{records}"}
        propexo = simulator(models=["units"], records=records, integrations=1, created_ties=40, limit_per_minute=0)
        if missing:
            running = bridge("run", CONFIG | own, simulator=propexo)
            running.wait_event("assigned", 30)
        else:
            running = publish_all(bridge, propexo, kafka, f"{prefix}-{records}", models=["units"], **CONFIG | own)
        running.stop()
        most, output = peak(bridge, propexo, int(missing), "--ignore", "custom_data.read_sequence", **own)
        row = next(line.split() for line in output.splitlines() if line.startswith("units "))
        assert row[1:4] == [str(records), "0" if missing else str(records), str(records) if missing else "0"]
        peaks[records] = most
        print(records, round(most / MIB, 1), "MiB", row)
    # Kafka's client reads ahead: 8 MiB, and what is on its way.
    assert peaks[100_000] < peaks[10_000] + (8 if missing else 24) * MIB
