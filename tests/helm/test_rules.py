"""Each alert fires when it should, alone, and is silent when all is well. PROMTOOL in the environment is promtool."""

import os
import re
import subprocess

import pytest
import yaml
from conftest import CHART

RULES = CHART / "files/rules.yaml"
MINUTES = 180
# What a bridge that is well shows: series without the labels of where it was scraped, and values as promtool writes them.
WELL = {
    'bridge_ready{condition="publisher"}': "1x{n}",
    'bridge_ready{condition="spool"}': "1x{n}",
    'bridge_ready{condition="api"}': "1x{n}",
    'bridge_webhooks_total{outcome="kept"}': "0+600x{n}",
    'bridge_webhooks_total{outcome="unavailable"}': "3x{n}",
    'bridge_webhooks_total{outcome="signature"}': "0+1x{n}",
    "bridge_spool_bytes": "0x{n}",
    "bridge_spool_limit_bytes": "1000x{n}",
    'bridge_api_requests_total{outcome="ok"}': "0+100x{n}",
    'bridge_api_requests_total{outcome="unauthorized"}': "5x{n}",
    "bridge_api_breaker_open": "0x{n}",
    'bridge_api_breakers_open{scope="integration"}': "0x{n}",
    "bridge_api_budget_limit": "150x{n}",
    'bridge_oldest_waiting_seconds{lane="live"}': "2x{n}",
    'bridge_oldest_waiting_seconds{lane="low"}': "3600x{n}",
    "bridge_oldest_uncommitted_seconds": "3600x{n}",
    "bridge_events_retention_seconds": "604800x{n}",
    'bridge_dead_letters_total{code="forbidden"}': "7x{n}",
    "bridge_registry_holds": "0x{n}",
    "bridge_partitions_owned": "6x{n}",
    "bridge_partitions": "6x{n}",
    'bridge_transactions_total{outcome="committed"}': "0+600x{n}",
    'bridge_transactions_total{outcome="aborted"}': "0+1x{n}",
    'bridge_syncs_checked_total{outcome="reconciled"}': "0+1x{n}",
    'bridge_syncs_checked_total{outcome="not_reconciled"}': "0x{n}",
    "bridge_webhooks_missed_total": "0+1x{n}",
    "bridge_tls_certificate_expiry_timestamp_seconds": "5000000x{n}",
    'bridge_snapshots_total{kind="record",model="units"}': "0+900x{n}",
    'bridge_acknowledgement_seconds_bucket{le="0.01"}': "0+600x{n}",
    'bridge_acknowledgement_seconds_bucket{le="+Inf"}': "0+600x{n}",
}
# By alert: what is other than well, from the first minute on, and after how many minutes it fires (not before the one before).
SICK = {
    "BridgeNotReady": ({'bridge_ready{condition="publisher"}': "0x{n}"}, 5),
    "BridgeWebhooksUnavailable": ({'bridge_webhooks_total{outcome="unavailable"}': "0+5x{n}"}, 6),
    "BridgeSignaturesRefused": ({'bridge_webhooks_total{outcome="signature"}': "0+100x{n}"}, 16),
    "BridgeSpoolFilling": ({"bridge_spool_bytes": "501x{n}"}, 1),
    "BridgeSpoolDiskFails": ({'bridge_ready{condition="spool"}': "0x{n}"}, 5),
    "BridgeApiUnauthorized": (
        {'bridge_api_requests_total{outcome="unauthorized"}': "0+1x{n}", 'bridge_ready{condition="api"}': "0x{n}"},
        2,
    ),
    "BridgeApiFailing": ({"bridge_api_breaker_open": "1x{n}"}, 10),
    "BridgeIntegrationFailing": ({'bridge_api_breakers_open{scope="integration"}': "2x{n}"}, 30),
    "BridgeBudgetExhausted": (
        {'bridge_api_requests_total{outcome="ok"}': "0+148x{n}", 'bridge_oldest_waiting_seconds{lane="live"}': "400x{n}"},
        16,
    ),
    "BridgeChangesLate": ({'bridge_oldest_waiting_seconds{lane="live"}': "901x{n}"}, 5),
    "BridgeEventsNearRetention": ({"bridge_oldest_uncommitted_seconds": "302401x{n}"}, 5),
    "BridgeDeadLetters": ({'bridge_dead_letters_total{code="forbidden"}': "7x2 8x{n}"}, 3),
    "BridgeRegistryHolds": ({"bridge_registry_holds": "1x{n}"}, 5),
    "BridgePartitionsUnowned": ({"bridge_partitions_owned": "5x{n}"}, 5),
    "BridgeTransactionsAborted": ({'bridge_transactions_total{outcome="aborted"}': "0+100x{n}"}, 16),
    "BridgeSyncNotReconciled": ({'bridge_syncs_checked_total{outcome="not_reconciled"}': "0x2 1x{n}"}, 3),
    "BridgeWebhooksMissed": ({"bridge_webhooks_missed_total": "0+50x{n}"}, 3),
    "BridgeCertificateExpires": ({"bridge_tls_certificate_expiry_timestamp_seconds": "1209600x{n}"}, 1),
}


def rules():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def scraped(name):
    """The series with the labels that a scrape adds."""
    where = 'namespace="pms",pod="bridge-0",instance="10.0.0.1:9090"'
    return name[:-1] + f",{where}}}" if name.endswith("}") else f"{name}{{{where}}}"


def check(folder, series, expected):
    """`expected`: by minute, the alerts that fire then, and no others."""
    alerts = {"expr": 'count by (alertname) (ALERTS{alertstate="firing"})'}
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": scraped(name), "values": values.format(n=MINUTES)} for name, values in series.items()],
            "promql_expr_test": [
                alerts | {"eval_time": f"{minute}m", "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in names]}
                for minute, names in expected.items()
            ],
        }
    ]
    path = folder / "rules.test.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    made = subprocess.run([os.environ["PROMTOOL"], "test", "rules", str(path)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr


def test_promtool_finds_no_fault():
    made = subprocess.run([os.environ["PROMTOOL"], "check", "rules", "--lint=all", "--lint-fatal", str(RULES)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr


def test_all_is_silent_when_all_is_well(tmp_path):
    check(tmp_path, WELL, {minute: [] for minute in (1, 5, 30, 60, MINUTES)})


@pytest.mark.parametrize("alert", SICK)
def test_it_fires_alone_and_in_time(tmp_path, alert):
    changes, minutes = SICK[alert]
    assert changes.keys() <= WELL.keys()
    check(tmp_path, WELL | changes, {max(minutes - 2, 0): [], minutes: [alert]})


def test_every_alert_is_tried_and_has_its_page_in_the_manual():
    alerts = {rule["alert"]: rule for rule in rules() if "alert" in rule}
    assert alerts.keys() == SICK.keys()
    headings = {re.sub(r"[^a-z0-9-]", "", title.lower()) for title in re.findall(r"^### (.+)$", (CHART / "README.md").read_text(), re.M)}
    for name, rule in alerts.items():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert {"summary", "description", "runbook"} == rule["annotations"].keys(), name
        assert rule["annotations"]["runbook"] == f"#{name.lower()}" and name.lower() in headings
