"""Alerts and dashboards: they read what there is, fire when they should and not else, and lead to the runbook."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge import metrics as bridge_metrics
from payments import counters
from payments.metrics import names as of_rows
from tests import promql, scraped
from tests.unit.alert_cases import CASES, END, WELL, Case

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "alerts.yml"
BOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
}


def known() -> set[str]:
    """Each series' name that any process of ours tells, histograms' parts too."""
    found = {measure.name for measure in of_rows.ALL}
    for registry in (bridge_metrics.BRIDGE, bridge_metrics.RELAY, counters.WORKER):
        for family in registry.collect():
            suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(family.type, [""])
            found |= {family.name + suffix for suffix in suffixes}
    return found


def lasting(rule: dict[str, Any]) -> float:
    """Its `for`, in seconds."""
    match = re.fullmatch(r"(\d+)([smh])", rule.get("for", "0s"))
    assert match
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]


def series(changes: dict[str, str]) -> dict[str, str]:
    """All is well but this."""
    return {name: values for name, values in (WELL | changes).items() if values}


def fires(name: str, changes: dict[str, str]) -> list[dict[str, str]]:
    """The labels of each alert of that name, at the end."""
    rule = ALERTS[name]
    over = scraped.Series(series(changes))
    return [dict(one) for one in promql.firing(rule["expr"], lasting=lasting(rule), over=over, until=END * 60)]


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_nothing_fires_while_all_is_well(name: str) -> None:
    """An alarm that is always there is none."""
    assert fires(name, {}) == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_an_alert_fires_by_what_it_is_for_and_not_by_what_looks_like_it(case: Case) -> None:
    """Once, for what its labels say."""
    assert fires(case.alert, case.loud) == [case.labels]
    assert fires(case.alert, case.quiet) == []


def test_every_alert_has_a_case() -> None:
    """None goes untried."""
    assert {case.alert for case in CASES} == set(ALERTS)


def expressions() -> list[tuple[str, str]]:
    """Every expression that we hand to Prometheus, with where it stands."""
    found = [(name, str(rule["expr"])) for name, rule in ALERTS.items()]
    for board in BOARDS:
        for panel in json.loads(board.read_text())["panels"]:
            found += [(f"{board.name}: {panel['title']}", target["expr"]) for target in panel.get("targets", [])]
    return found


@pytest.mark.parametrize(("where", "expr"), expressions(), ids=lambda one: one if " " not in one else None)
def test_an_expression_reads_metrics_that_there_are(where: str, expr: str) -> None:
    """One that is renamed is renamed here too; labels that are compared are labels that there are."""
    read = list(promql.names_in(expr.replace("$__rate_interval", "5m").replace("$topic", "t")))
    assert read, where
    assert set(read) <= known(), where


def test_dashboards_are_of_one_kind_and_explain_each_panel() -> None:
    """One for operators and one for the bridge; nothing in them is of one Grafana alone."""
    assert [board.stem for board in BOARDS] == ["bridge", "operators"]
    for board in BOARDS:
        made = json.loads(board.read_text())
        assert made["uid"].startswith("billing-")
        assert [one["type"] for one in made["templating"]["list"]] == ["datasource"]
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in made["panels"]]
        assert len(set(places)) == len(places)
        assert len({panel["id"] for panel in made["panels"]}) == len(made["panels"])
        for panel in made["panels"]:
            assert panel["type"] == "row" or panel["description"], panel["title"]
            assert all(one["datasource"]["uid"] == "${datasource}" for one in panel.get("targets", []))


def paragraph(heading: str) -> str:
    """What the runbook says below a heading."""
    parts = re.split(rf"^### {re.escape(heading)}$", RUNBOOK, flags=re.MULTILINE)
    assert len(parts) == 2, heading
    return re.split(r"^#{2,3} ", parts[1], flags=re.MULTILINE)[0]


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_an_alert_leads_to_its_paragraph(name: str) -> None:
    """What it means, what to look at, what to do, what not to do; and how bad it is."""
    rule = ALERTS[name]
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    text = paragraph(name)
    for part in ("**Means.**", "**Look at.**", "**Do.**", "**Don't.**"):
        assert part in text, part


def test_the_chart_has_these_very_alerts() -> None:
    """By a link, so that there is one source; tests/deploy renders it."""
    linked = ROOT / "deploy" / "helm" / "billing-payments" / "alerts.yml"
    assert linked.is_symlink()
    assert linked.samefile(RULES)


def test_a_paragraph_of_an_alert_that_is_gone_is_gone() -> None:
    """The runbook names none that nobody gets."""
    assert set(re.findall(r"^### (Billing\w+)$", RUNBOOK, re.MULTILINE)) == set(ALERTS)


def promtool_cases() -> dict[str, Any]:
    """The same cases for promtool: of each, whether its alert fires at the end."""
    tests = []
    for case in CASES:
        for changes, expected in ((case.loud, [case.labels]), (case.quiet, [])):
            severity = ALERTS[case.alert]["labels"]["severity"]
            samples = []
            for labels in expected:
                told = {"alertname": case.alert, "alertstate": "firing", "severity": severity} | labels
                text = ", ".join(f'{name}="{value}"' for name, value in told.items())
                samples.append({"labels": f"ALERTS{{{text}}}", "value": 1})
            expr = f'ALERTS{{alertname="{case.alert}", alertstate="firing"}}'
            tests.append(
                {
                    "interval": "1m",
                    "input_series": [{"series": name, "values": one} for name, one in series(changes).items()],
                    "promql_expr_test": [{"expr": expr, "eval_time": f"{END}m", "exp_samples": samples}],
                }
            )
    return {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}


def test_promtool_agrees_where_it_is_at_hand(tmp_path: Path) -> None:
    """PROMTOOL, or on the path: Prometheus's own word on the rules and on every case. Else ours, above, has to do."""
    promtool = os.environ.get("PROMTOOL") or shutil.which("promtool")
    (tmp_path / "cases.yml").write_text(yaml.safe_dump(promtool_cases()))
    for command in (["check", "rules", str(RULES)], ["test", "rules", str(tmp_path / "cases.yml")]):
        if promtool:
            done = subprocess.run([promtool, *command], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
