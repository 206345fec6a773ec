"""Risks: what may fail by itself is proven never to, or told with a run in which it does."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from accord.cli.rules import rules
from accord.domain.contract import compile_contract
from accord.domain.duration import parse_duration
from accord.testing.graphs import graph_of
from accord.verifier import branches
from accord.verifier.known import ContractTable
from accord.verifier.report import Report
from accord.verifier.verify import verify

KNOWN = ContractTable(
    [compile_contract(capability="test.work", version="1.0.0", input_schema=True, output_schema=True)]
)
COUNT = {"type": "integer", "minimum": -(10**12), "maximum": 10**12}
PARTS: dict[str, Any] = {
    "l": {"type": "array", "items": COUNT},
    "full": {"type": "array", "minItems": 1},
    "n": COUNT,
    "positive": {"type": "number", "minimum": 0.001},
    "other": COUNT,
    "any": {"type": "integer"},
    "least": {"type": "integer", "minimum": 1},
    "real": {"type": "number"},
    "price": {"type": "number", "minimum": 0, "maximum": 1000000},
    "tiny": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "all": {"type": "array", "items": {"type": "integer"}},
    "lists": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
    "text": {"type": "string"},
    "digits": {"type": "string", "pattern": "^[0-9]{1,5}$"},
    "map": {"type": "object"},
    "maybe": {"type": ["array", "null"], "minItems": 1},
    "objects": {"type": "array", "items": {"type": "object"}},
    "code": {"type": "string", "pattern": "^[a-z]{3}$"},
    "flag": {"type": "boolean"},
    "delay": {"type": "string", "pattern": "^[0-9]{1,3}(s|m)$"},
    "endless": {"type": "string", "pattern": "^[0-9]+s$"},
}
GIVEN = {"type": "object", "properties": PARTS, "required": list(PARTS)}


def told(task: dict[str, Any]) -> Report:
    return verify(graph_of({"a": task}, input=GIVEN), KNOWN)


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.warnings if finding.code in ("ACC172", "ACC173")]


@pytest.mark.parametrize(
    ("source", "when"),
    [
        ("input.full[0]", None),
        ("input.l[0]", "size(input.l) > 0"),
        ("input.l[input.n]", "input.n >= 0 && input.n < size(input.l)"),
        ("size(input.l) > 0 ? input.l[0] : 1", None),
        ("size(input.l) == 0 ? 1 : input.l[0]", None),
        ("size(input.l) > 0 && input.l[0] == 1", None),
        ("input.n == 0 || 5 / input.n == 1", None),
        ("type(input.positive) == double ? 5.0 / input.positive : 1.0", None),
        ("5 / input.n", "input.n != 0"),
        ("5 % input.n", "input.n > 3"),
        ("input.n / 2", None),
        ("int(input.digits)", None),
        ("int(input.n)", None),
        ("int(input.text)", "input.text == '12'"),
        ("input.map[input.text]", "input.text in input.map"),
        ("input.text.split(',')[0]", None),
        ("input.maybe == null ? 1 : input.maybe[0]", None),
        ("input.text.matches('^a')", None),
        ("input.l.map(x, x / 2)", None),
        ("timestamp('2026-01-02T03:04:05Z')", None),
        ("input.full[input.l.map(x, 0)[0]]", "size(input.l) > 0"),
        ("input.l.map(x, x == 0 ? 0 : 5 / x)", None),
        ("input.l.filter(x, x > 0 && 5 / x > 1)", None),
        ("input.l.map(x, x > 1, 5 % x)", None),
        ("input.lists.map(l, size(l) > 0 ? l[0] : 1)", None),
        ("cel.bind(n, input.n, n < 1 ? 0 : 5 / n)", None),
        ("input.n + input.n - 1", None),
        ("input.n * 1000", None),
        ("size(input.l) - 1", None),
        ("input.text.lastIndexOf('a') - 1 + size(input.text)", None),
        ("input.text + input.text", None),
        ("input.n * input.n", "input.n < 1000 && input.n > -1000"),
        ("input.n * input.other", "input.n == 2 || input.n == 3"),
        ("input.any + 1", "input.any > -5 && input.any < 5"),
        ("input.any > 5", None),
        ("input.any > 3 && input.any < 9 ? input.any * input.any : 0", None),
        ("input.all[?0].orValue(1)", None),
        ("size(input.all) - 1", None),
        ("double(input.price) * 1.19", None),
        ("double(input.real) * 0.5", None),
        ("double(input.real) + 1.0", None),
        ("double(input.real) * 2.0 > 5.0", None),
        ("size(input.l) > 0 ? double(input.real) / double(size(input.l)) : 0.0", None),
        ("cel.bind(x, double(input.real) * 2.0, x < 5.0 ? 1 : 0)", None),
        ("input.code.substring(0, 2) + input.code.substring(3) + input.code.charAt(3)", None),
        ("input.text.substring(0) + input.text.charAt(0)", None),
    ],
)
def test_what_schemas_or_conditions_show_is_proven(source: str, when: str | None) -> None:
    report = told({"with": {"x": f"${{ {source} }}"}, **({"when": f"${{ {when} }}"} if when else {})})
    assert report.ok
    assert codes(report) == []


@pytest.mark.parametrize(
    ("source", "when"),
    [
        ("input.l[0]", None),
        ("input.l[1]", "size(input.l) > 0"),
        ("input.full[input.n]", None),
        ("input.full[-1]", None),
        ("size(input.l) > 0 ? 1 : input.l[0]", None),
        ("size(input.l) > 0 || input.l[0] == 1", None),
        ("5 / input.n", None),
        ("5 % input.n", "input.n >= 0"),
        ("int(input.text)", None),
        ("timestamp(input.text)", None),
        ("input.map[input.text]", None),
        ("'a'.matches(input.text)", "input.text == '('"),
        ("input.text.substring(3)", None),
        ("input.n * input.n", None),
        ("input.n * input.other", "input.n > 0"),
        ("input.code.substring(0, 3)", None),
        ("input.code.substring(2, 1)", None),
        ("input.code.charAt(4)", None),
        ("input.any * 2", None),
        ("input.any + 1", "input.any > 5"),
        ("input.least - 1", None),
        ("-input.any", None),
        ("math.abs(input.any)", None),
        ("input.any % 2", None),
        ("input.any % -1", None),
        ("int(input.any)", None),
        ("input.all.map(x, x + 1)", None),
        ("input.all[?input.any].orValue(1)", None),
        ("double(input.real) * 2.0", None),
        ("[double(input.real) - double(input.any)]", None),
        ("{'x': double(input.real) * 2.0}.x", None),
        ("1.0 / double(input.tiny)", None),
        ("cel.bind(x, double(input.real) * 9.0 - double(input.real) * 9.0, x < 1.0 || x > 5.0 ? 0 : int(x))", None),
    ],
)
def test_what_may_fail_is_told_with_a_run_in_which_it_does(source: str, when: str | None) -> None:
    task = {"with": {"x": f"${{ {source} }}"}, **({"when": f"${{ {when} }}"} if when else {})}
    report = told(task)
    assert report.ok
    assert codes(report) == ["ACC172"]
    (finding,) = (one for one in report.warnings if one.code == "ACC172")
    assert finding.hint
    assert finding.place.pointer == "/tasks/a/with/x"
    assert finding.example is not msgspec.UNSET
    open_ = {fact.check: fact.open for fact in report.facts}
    assert (open_["expressions"], open_["paths"]) == (1, 1)


@pytest.mark.parametrize(
    "source",
    [
        "input.l.map(x, 5 / x)",
        "input.l.filter(n, 5 / input.n > n)",
        "input.l.map(x, x > 0 ? 1 : 5 / x)",
        "input.lists.map(l, size(l) > 0 ? l[1] : 1)",
        "input.l.map(x, x * x)",
    ],
)
def test_inside_of_a_comprehension_it_is_told(source: str) -> None:
    assert codes(told({"with": {"x": f"${{ {source} }}"}})) == ["ACC172"]


def test_a_variable_of_a_comprehension_is_not_what_has_its_name_outside() -> None:
    task = {"when": "${ input.n > 0 }", "with": {"x": "${ input.objects.map(input, 5 / input.n) }"}}
    assert "ACC835" in [warning.code for warning in told(task).warnings]


def test_each_item_of_a_for_each_and_its_guard() -> None:
    items = {"for_each": "${ input.l }", "with": {"x": "${ item / input.n }"}}
    assert codes(told(items)) == ["ACC172"]
    assert codes(told({**items, "when": "${ input.n > 0 }"})) == []
    assert codes(told({"for_each": "${ input.l }", "with": {"x": "${ 5 / item }"}})) == ["ACC172"]


@pytest.mark.parametrize(
    ("sleep", "proven", "shown"),
    [
        ("3d", True, False),
        ("${ input.delay }", True, False),
        ("${ input.endless }", False, False),
        ("${ input.text }", False, True),
        ("${ input.n }${ input.delay }", False, False),
        ("${ size(input.text) > 3 ? '1s' : '2s' }", True, False),
        ("${ size(input.text) > 3 ? '1s' : input.endless }", False, False),
    ],
)
def test_a_timer_gets_a_duration(sleep: str, proven: bool, shown: bool) -> None:
    report = told({"sleep": sleep})
    assert codes(report) == ([] if proven else ["ACC173"])
    told_of = [one.example for one in report.warnings if one.code == "ACC173" and one.example is not msgspec.UNSET]
    assert [text for text in told_of if parse_duration(text)] == []
    assert bool(told_of) == shown


def test_without_the_extra_what_the_schemas_leave_open_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branches, "find_spec", lambda name: None)
    guarded = {"when": "${ input.n > 0 || input.n < 0 }", "with": {"x": "${ 5 / input.n }", "y": "${ input.full[0] }"}}
    assert codes(told(guarded)) == ["ACC172"]


def test_each_code_of_what_may_fail_has_its_rule() -> None:
    assert {"ACC172", "ACC173", "ACC174", "ACC175"} <= rules().keys()


def test_an_item_of_what_may_be_no_list_is_an_error_with_a_run_in_which_it_is_none() -> None:
    (error,) = told({"with": {"x": "${ input.maybe[0] }"}}).errors
    assert (error.code, error.example["input"]["maybe"]) == ("ACC834", None)
    assert not told({"with": {"x": "${ input.maybe != null ? input.maybe[0] : 1 }"}}).errors
