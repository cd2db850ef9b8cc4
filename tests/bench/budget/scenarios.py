"""All scenarios of `make bench-budget`, in the order in which they run."""

from bars import at_least, at_most
from budget.scenario import LATENCY_SECONDS, Scenario

CORE = ("residents", "leases", "units", "properties")
SIX = (*CORE, "applicants", "leads")
# All can be read by id, and show in custom_data which read they come from.
TWENTY = (
    "amenities applicants applications charge_codes deposits fees financial_accounts floor_plans invoices leads leases "
    "listings payable_registers properties purchase_orders resident_charges resident_payments residents "
    "service_request_vendors units"
).split()

MOVED = {"updated_at": "all", "distinct": "on"}
# updated_at stays and one record in 370 changes: no page of 250 brings as much as one request by id does, so that
# the backlog lasts for as many requests as there are changes.
UNPAGEABLE = {"models": SIX, "records": 40_000, "flags": {"updated_at": "none", "distinct": "on"}, "light": True}

BULK = {"models": ("residents",), "records": 40_000, "integrations": 5, "changes": 10_000, "flags": MOVED}

LAST_SEEN = {
    "models": ("residents", "leases", "units"),
    "records": 33_500,
    "integrations": 1,
    "changes": 100_500,
    "patience": 600,
    "config": {"enricher.last_seen_max_delay_ms": 60_000},
}
SEEN = {"last_seen_percent": 99.5, "distinct": "on", "webhook_concurrency": 256}

# That no more than the limit is answered is the simulator's doing; the 429s show who asks for more.
FLEET_BARS = (
    at_most("window_limited_most", 1),
    at_least("window_used_least", 0.85),
    at_least("windows_full", 3),
)


def fleet(name, enrichers, integrations, *bars):
    return Scenario(
        name,
        integrations=integrations,
        enrichers=enrichers,
        changes=700,
        patience=480,
        bars=(*FLEET_BARS, *bars),
        **UNPAGEABLE,
    )


# One integration is one partition of each topic, and so one instance's; the bar says that it was.
ONE_OWNER = at_least("owner_share", 0.95)

SCENARIOS = (
    Scenario("residents", **BULK, bars=(at_most("requests.total", 60), at_most("seconds", 40))),
    Scenario(
        "models",
        models=TWENTY,
        records=1_000,
        integrations=1,
        changes=10_000,
        flags=MOVED,
        bars=(at_most("requests.total", 100),),
    ),
    Scenario(
        "scattered",
        models=CORE,
        records=5_000,
        integrations=50,
        changes=200,
        flags=MOVED,
        bars=(at_most("requests.total", lambda figures: 0.25 * figures["by_id_requests"]),),
    ),
    Scenario(
        "idle",
        models=("residents",),
        records=3_000,
        integrations=3,
        changes=3,
        seconds=0,
        patience=30,
        bars=(at_most("age_max", 1 + LATENCY_SECONDS),),
    ),
    Scenario(
        "kill",
        **BULK,
        kill=True,
        uninterrupted="residents",
        bars=(at_most("requests.total", lambda figures: 1.15 * figures["uninterrupted_requests"]),),
    ),
    Scenario(
        "last-seen",
        **LAST_SEEN,
        flags=SEEN | {"updated_at": "changes"},
        bars=(at_most("real_age_p99", 30), at_most("requests.total", 500)),
    ),
    Scenario("last-seen-moved", **LAST_SEEN, flags=SEEN | {"updated_at": "all"}, bars=()),
    Scenario(
        "steady",
        models=CORE,
        records=3_000,
        integrations=30,
        changes=1_200,
        seconds=600,
        flags={"updated_at": "all"},
        light=True,
        bars=(at_most("age_p99", 20), at_most("limited", 0)),
    ),
    Scenario(
        "other-client",
        integrations=6,
        changes=300,
        patience=480,
        other_client=75,
        bars=(at_most("bridge_limited", lambda figures: figures["minutes"]),),
        **UNPAGEABLE,
    ),
    fleet("fleet2", 2, 30),
    fleet("fleet3", 3, 30),
    fleet("fleet2-one-owner", 2, 1, ONE_OWNER),
    fleet("fleet3-one-owner", 3, 1, ONE_OWNER),
)
