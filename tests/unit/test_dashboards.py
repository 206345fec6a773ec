"""Dashboard and alert rules: every metric that they name is in the table, with these labels; every alert has a page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import promql_parser
import pytest
from ruamel.yaml import YAML

from accord.telemetry import METRICS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "accord.json"

SCRAPED = {"job", "instance"}
"""Labels that Prometheus gives everything."""
OTHERS = {"up", "process_cpu_seconds_total", "process_resident_memory_bytes"}
"""What is not Accord's own."""


class Named(NamedTuple):
    """A metric in an expression, with the labels that it is asked for."""

    metric: str
    labels: frozenset[str]


def named_in(expression: str) -> Iterator[Named]:
    """The metrics of an expression; labels that it is grouped by count for all metrics below."""
    yield from _walk(promql_parser.parse(expression), frozenset())


def _walk(node: Any, grouped: frozenset[str]) -> Iterator[Named]:
    if isinstance(node, promql_parser.VectorSelector):
        labels = {one.name for one in node.matchers.matchers}
        yield Named(node.name, grouped | labels)
    elif isinstance(node, promql_parser.MatrixSelector):
        yield from _walk(node.vector_selector, grouped)
    elif isinstance(node, promql_parser.AggregateExpr):
        by = set(node.modifier.labels) if node.modifier is not None else set()
        yield from _walk(node.expr, grouped | by)
    elif isinstance(node, promql_parser.BinaryExpr):
        yield from _walk(node.lhs, grouped)
        yield from _walk(node.rhs, grouped)
    elif isinstance(node, promql_parser.Call):
        for argument in node.args:
            yield from _walk(argument, grouped)
    elif isinstance(node, promql_parser.ParenExpr | promql_parser.UnaryExpr | promql_parser.SubqueryExpr):
        yield from _walk(node.expr, grouped)
    else:
        assert isinstance(node, promql_parser.NumberLiteral | promql_parser.StringLiteral), node


def wrong_with(named: Named) -> str:
    """What is wrong with it; nothing where it is in the table."""
    if named.metric in OTHERS:
        return ""
    family = re.sub(r"_(bucket|sum|count)$", "", named.metric)
    one = METRICS.get(named.metric) or METRICS.get(family)
    if one is None:
        return f"{named.metric} is not in the table"
    if (one.kind == "histogram") != (named.metric != one.name):
        return f"{named.metric} is no {one.kind}"
    more = {"le"} if named.metric.endswith("_bucket") else set()
    unknown = set(named.labels) - {*one.labels, *SCRAPED, *more}
    return f"{named.metric} has no labels {unknown}" if unknown else ""


def panels() -> list[Any]:
    return [one for one in json.loads(DASHBOARD.read_text())["panels"] if one["type"] != "row"]


def rules() -> list[Any]:
    groups = YAML(typ="safe").load(RULES)["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> Iterator[tuple[str, str]]:
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$__rate_interval", "1m")


@pytest.mark.parametrize(("where", "expression"), list(expressions()), ids=lambda text: text[:40])
def test_every_metric_that_is_named_is_there_with_these_labels(where: str, expression: str) -> None:
    found = list(named_in(expression))
    assert found, where
    assert [said for said in map(wrong_with, found) if said] == []


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("accord_runs_stucked > 0", "not in the table"),
        ("rate(accord_commit_seconds[5m])", "no histogram"),
        ('sum by (worker) (accord_runs{state="running"})', "no labels {'worker'}"),
        ('accord_attempts_ended_total{reason="x"}', "no labels {'reason'}"),
        ("histogram_quantile(0.9, sum by (le) (accord_runs))", "no labels {'le'}"),
    ],
)
def test_what_is_wrong_is_found(expression: str, wrong: str) -> None:
    assert any(wrong in wrong_with(one) for one in named_in(expression))


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_says_what_it_is_and_where_to_read_on(rule: Any) -> None:
    assert re.fullmatch(r"Accord[A-Za-z]+", rule["alert"])
    assert rule["labels"]["severity"] in ("info", "warning", "critical")
    told = rule["annotations"]
    assert told["summary"]
    assert told["description"]
    page, _, anchor = told["runbook"].partition("#")
    headings = re.findall(r"^## (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert rule["alert"] in headings
    assert anchor == rule["alert"].lower()


def test_every_alert_that_the_page_tells_of_is_there() -> None:
    headings = re.findall(r"^## (Accord.+)$", (ROOT / "docs" / "how-to" / "alerts.md").read_text(), re.MULTILINE)
    assert headings == [rule["alert"] for rule in rules()]


def test_panels_have_words_and_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells
        assert panel["title"]
        assert panel["type"] == "row" or panel["description"]
        assert place["x"] + place["w"] <= 24


def test_the_metrics_that_operators_need_are_shown() -> None:
    shown = {one.metric for _, expression in expressions() for one in named_in(expression)}
    families = {re.sub(r"_(bucket|sum|count)$", "", one) for one in shown}
    assert set(METRICS) - families - shown == {"accord_attempts_assigned_total"}


def test_compose_brings_rules_and_dashboard_where_they_are_read() -> None:
    compose = YAML(typ="safe").load(DEPLOY / "compose.yaml")["services"]
    brought = {volume.split(":")[1] for name in ("prometheus", "grafana") for volume in compose[name]["volumes"]}
    prometheus = YAML(typ="safe").load(DEPLOY / "prometheus" / "prometheus.yml")
    assert set(prometheus["rule_files"]) <= brought
    provider = YAML(typ="safe").load(DEPLOY / "grafana" / "provisioning" / "dashboards" / "accord.yaml")["providers"][0]
    assert f"{provider['options']['path']}/accord.json" in brought
