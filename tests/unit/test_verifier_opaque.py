"""Opaque parts of conditions: macros and functions that have no formula give the same wherever they stand again, and
what is proven of them is so for every input.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.domain.contract import compile_contract
from accord.domain.expression.program import compile_expression
from accord.errors import ExpressionInvalid
from accord.testing.graphs import graph_of
from accord.verifier.known import ContractTable
from accord.verifier.report import Report
from accord.verifier.verify import verify

KNOWN = ContractTable(
    [compile_contract(capability="test.work", version="1.0.0", input_schema=True, output_schema=True)]
)
GIVEN = {
    "type": "object",
    "properties": {
        "l": {"type": "array", "items": {"type": "integer"}},
        "m": {"type": "array", "items": {"type": ["integer", "null"]}},
        "o": {"type": "object", "additionalProperties": {"type": "integer"}},
        "s": {"type": "string"},
        "t": {"type": "string"},
        "any": True,
    },
    "required": ["l", "m", "o", "s", "any"],
}


def told(*conditions: str, takes: str = "exactly_one", given: Any = GIVEN, **more: Any) -> Report:
    tasks = {name: {"when": f"${{ {one} }}"} for name, one in zip("ab", conditions, strict=True)}
    choices = [{"between": ["a", "b"], "takes": takes}]
    return verify(graph_of({**tasks, **more}, input=given, choices=choices), KNOWN)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("input.l.exists(i, i > 3)", "!input.l.exists(i, i > 3)"),
        ("input.l.exists(i, i > 3)", "!input.l.exists(other, other > 3)"),
        ("input.l.exists(i, i > 3)", "input.l.all(i, i <= 3)"),
        ("input.l.exists(i, !(i > 3 && i < 9))", "input.l.all(i, i > 3 && i < 9)"),
        ("input.m.all(i, i != null)", "input.m.exists(i, i == null)"),
        ("input.o.exists(k, k == 'a')", "!input.o.exists(k, k == 'a')"),
        ("input.l.exists_one(i, i == 1)", "!input.l.exists_one(i, i == 1)"),
        ("input.l.exists(input, .input.l.exists(i, i > input))", "!input.l.exists(a, input.l.exists(b, b > a))"),
        ("size(input.l.filter(i, i > 3)) > 0", "size(input.l.filter(i, i > 3)) == 0"),
        ("input.l == [1]", "input.l != [1]"),
        ("input.l.exists(i, [1].exists(i, i > 0) && i > 3)", "!input.l.exists(i, [1].exists(j, j > 0) && i > 3)"),
        ("size(input.l) == 0", "input.l.exists(i, i > 3) || size(input.l) > 0"),
        ("cel.bind(q, 0, q > 1 ? q : size(input.s)) > 2", "cel.bind(q, 0, q > 1 ? q : size(input.s)) <= 2"),
    ],
)
def test_what_is_written_again_gives_the_same(one: str, other: str) -> None:
    report = told(one, other)
    assert [finding.severity for finding in report.findings if "/choices" in (finding.place.pointer or "")] == [
        "proof",
        "proof",
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("input.o.map(k, k) == ['a', 'b']", "input.o.map(k, k) != ['a', 'b']"),  # they come in no certain order
        ("[0.0 / 0.0].exists(i, i > 3.0)", "[0.0 / 0.0].all(i, i <= 3.0)"),  # NaN is neither
        ("input.l.map(i, double(i) / 0.0).exists(i, i > 3.0)", "input.l.map(i, double(i) / 0.0).all(i, i <= 3.0)"),
        ("input.any.exists(i, i)", "input.any.exists(i, !i)"),  # of some it may be both, of none neither
        (
            "input.l.exists(i, input.l.exists(i, input.m.exists(j, i == j)))",
            "!input.l.exists(i, input.l.exists(i, input.m.exists(j, j == j)))",
        ),
        ("[input.any].exists(i, i == 1)", "![input.any].exists(i, i == true)"),
        ("input.l.exists(i, i > 3)", "!input.m.exists(i, i > 3)"),
    ],
)
def test_what_is_not_the_same_is_not_taken_for_it(one: str, other: str) -> None:
    claims = [finding.message for finding in told(one, other).proofs]
    assert not all(any(claim.startswith(said) for claim in claims) for said in ("no two", "one of"))


def test_an_example_of_what_has_no_formula_is_found_by_trying() -> None:
    report = told("input.l.exists(i, i > 3)", "input.l.all(i, i < 9)")
    (error,) = report.errors
    items = error.example["input"]["l"]
    assert (error.code, any(each > 3 for each in items), all(each < 9 for each in items)) == ("ACC836", True, True)


def test_a_branch_that_a_macro_decides_is_read_where_it_is_taken() -> None:
    reads = {"join": "any", "needs": ["a", "b"], "with": {"x": "${ input.l.exists(i, i > 3) ? tasks.a.output : 1 }"}}
    proven = told("input.l.exists(i, i > 3)", "input.l.all(j, j <= 3)", c=reads)
    assert not [one for one in proven.findings if one.severity != "proof" and one.place.pointer == "/tasks/c/with/x"]
    wrong = told("input.l.exists(i, i > 2)", "input.l.all(j, j <= 4)", c=reads)
    assert [one for one in wrong.findings if one.severity != "proof" and one.place.pointer == "/tasks/c/with/x"]


def test_what_always_fails_says_nothing_of_all_else() -> None:
    report = told("input.s.join(',') == 'x'", "input.s == 'x'", takes="at_most_one")
    assert [one.code for one in report.findings if one.place.pointer == "/tasks/a/when"] != ["ACC833"]
    assert "ACC830" not in [one.code for one in report.errors if one.place.pointer.startswith("/tasks/b")]


def test_what_reads_an_absent_output_inside_of_a_macro_may_fail() -> None:
    reads = {"join": "settled", "needs": ["a"], "when": "${ input.l.exists(i, tasks.a.output == i) || input.s == '' }"}
    report = told("input.s == 'x'", "input.s != 'x'", c=reads)
    assert [one for one in report.findings if one.severity != "proof" and one.place.pointer == "/tasks/c/when"]


_PARTS = [
    *(f"input.l.{macro}(i, {what})" for macro in ("exists", "all", "exists_one") for what in ("i > 1", "i <= 1")),
    *(
        f"input.m.{macro}(i, {what})"
        for macro in ("exists", "all")
        for what in ("i == 1", "i != 1", "i > 1", "!(i > 1)")
    ),
    *(f"input.any.{macro}(i, {what})" for macro in ("exists", "all") for what in ("i > 1", "i", "!i", "i == input.s")),
    *(f"input.o.{macro}(k, k {what} 'a')" for macro in ("exists", "all") for what in ("==", "!=")),
    *(f"input.{what}.matches('{how}')" for what in ("s", "t") for how in ("^a", "b$", "^[ab]*$")),
    *("input.s.startsWith('a')", "input.s == 'ab'", "has(input.t)", "size(input.l) > 0", "input.l == [1]"),
    *("size(input.l.filter(i, i > 1)) > 0", "size(input.m.filter(i, i > 1)) == 0", "input.any", "input.any == 1"),
    "input.l.map(i, double(i) / 0.0).exists(i, i > 1.0)",
    "input.l.map(i, double(i) / 0.0).all(i, i <= 1.0)",
]
_CONDITIONS = st.recursive(
    st.sampled_from(_PARTS),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda one: f"!({one})"),
    ),
    max_leaves=3,
)
_LISTS: list[list[Any]] = [[], [0], [1], [2], [1, 2], [0, 1]]
_INPUTS = [
    {"l": ints, "m": m, "o": o, "s": s, "any": any_, **t}
    for number, (ints, m, o, s, any_, t) in enumerate(
        itertools.product(
            _LISTS,
            [[], [1], [None], [2, None], [1, 2]],
            [{}, {"a": 1}, {"b": 1, "a": 0}],
            ["", "a", "ab", "cb"],
            [None, True, 1, [], [True], [1, 2], [True, False], {"x": 1}],
            [{}, {"t": "ab"}, {"t": "c"}],
        )
    )
    if number % 37 == 0
]


def _said(condition: str) -> list[bool | None]:
    """What a condition gives for each input; None where it fails."""
    found: list[bool | None] = []
    expression = compile_expression(condition)
    for one in _INPUTS:
        try:
            value = expression.evaluate({"input": one})
        except ExpressionInvalid:
            value = None
        found.append(value if isinstance(value, bool) else None)
    return found


@settings(max_examples=60, deadline=None)
@given(one=_CONDITIONS, other=_CONDITIONS, related=st.integers(0, 3))
def test_what_is_proven_of_conditions_is_so_for_every_input(one: str, other: str, related: int) -> None:
    other = {1: f"!({one})", 2: one.replace("exists(", "all(").replace("i > 1", "i <= 1")}.get(related, other)
    report = told(one, other)
    pairs = list(zip(_said(one), _said(other), strict=True))
    claims = [finding.message for finding in report.proofs]
    if any(claim.startswith("no two") for claim in claims):
        assert (True, True) not in pairs
    if any(claim.startswith("one of") for claim in claims):
        assert (False, False) not in pairs
    dead = {error.place.pointer for error in report.errors if error.code == "ACC830"}
    assert "/tasks/a/when" not in dead or True not in [first for first, _ in pairs]
    assert "/tasks/b/when" not in dead or True not in [second for _, second in pairs]
