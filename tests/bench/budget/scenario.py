"""What a scenario says: data, changes, programs, and the bars that its figures are held against."""

from dataclasses import dataclass, field

LIMIT = 150  # requests a minute
LATENCY_SECONDS = 0.1


@dataclass(frozen=True)
class Scenario:
    name: str
    models: tuple
    records: int  # of each model
    integrations: int
    changes: int
    bars: tuple
    seconds: float = 10  # over which the webhooks come; 0 = all at once, one of each integration
    patience: float = 120  # seconds from the last webhook's 200 until it is given up
    flags: dict = field(default_factory=dict)  # the simulator's, beside those that all scenarios share
    config: dict = field(default_factory=dict)  # the bridge's
    enrichers: int = 0  # so many `enrich` beside one `receive`; 0 = one `run`
    other_client: int = 0  # requests a minute of somebody else with the same token
    kill: bool = False  # SIGKILL when half of the changed records are committed, and at once a new start
    uninterrupted: str = ""  # the scenario whose requests a killed run is held against
    light: bool = False  # it waits for the API nearly all the time: others may run beside it
