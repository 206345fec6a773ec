"""Totality: every yes of an expression is a proof, and every no has an example for which it really fails."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from accord.domain.contract import compile_contract
from accord.domain.expression import compile_expression
from accord.domain.ids import TaskId
from accord.domain.schema import JsonSchema, compile_schema
from accord.errors import ExpressionInvalid, TemplateInvalid
from accord.testing.graphs import graph_of
from accord.testing.player import Done, Player
from accord.verifier import branches
from accord.verifier.known import ContractTable
from accord.verifier.report import Report
from accord.verifier.samples import Samples
from accord.verifier.verify import verify

COUNT: JsonSchema = {"type": "integer", "minimum": -(10**12), "maximum": 10**12}
RESULT: JsonSchema = {
    "type": "object",
    "properties": {"n": COUNT, "word": {"type": "string"}},
    "required": ["n"],
}
KNOWN = ContractTable(
    [compile_contract(capability="test.work", version="1.0.0", input_schema=True, output_schema=RESULT)]
)
ITEM: JsonSchema = {
    "type": "object",
    "properties": {"n": COUNT, "tag": {"type": "string"}},
    "required": ["n"],
}
PARTS: dict[str, Any] = {
    "n": COUNT,
    "small": {"type": "integer", "minimum": 0, "maximum": 9},
    "real": {"type": "number"},
    "maybe": {"type": ["integer", "null"], "minimum": -9, "maximum": 9},
    "flag": {"type": ["boolean", "null"]},
    "text": {"type": "string"},
    "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    "kind": {"oneOf": [{"const": "none"}, {"type": "object", "properties": {"id": {"const": 1}}, "required": ["id"]}]},
    "items": {"type": "array", "items": ITEM, "maxItems": 4},
    "some": {"type": "array", "items": ITEM, "minItems": 1, "maxItems": 4},
    "words": {"type": "array", "items": {"type": "string"}, "maxItems": 4},
    "gaps": {"type": "array", "items": {"type": ["string", "null"]}, "maxItems": 4},
    "numbers": {"type": "array", "items": {"type": "integer"}, "maxItems": 4},
    "pair": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
    "prices": {"type": "object", "additionalProperties": COUNT},
    "codes": {"type": "object", "patternProperties": {"^c": {"type": "string"}}, "additionalProperties": False},
    "list_or_map": {"type": ["array", "object"], "items": {"type": "string"}},
    "free": True,
}
GIVEN: JsonSchema = {"type": "object", "properties": {**PARTS, "note": {"type": "string"}}, "required": list(PARTS)}


def told(tasks: dict[str, Any], given: Any = GIVEN) -> Report:
    return verify(graph_of(tasks, input=given), KNOWN)


def about(report: Report, at: str = "/tasks/a/with/x") -> list[str]:
    """The codes of what is told of an expression."""
    codes = ("ACC831", "ACC834", "ACC835", "ACC172", "ACC825")
    return [each.code for each in report.findings if each.code in codes and each.place.pointer == at]


FAILING = [
    ("input.some[0].tag", "ACC831"),
    ("input.items.map(x, x.tag)", "ACC831"),
    ("input.items.filter(x, x.tag == 'a')", "ACC831"),
    ("input.items.all(x, x.tag == 'a')", "ACC831"),
    ("input.items.exists(x, x.tag == 'a')", "ACC831"),
    ("input.prices.apple", "ACC831"),
    ("input.prices['apple'] + 1", "ACC831"),
    ("input.codes.c1", "ACC831"),
    ("input.note + 'a'", "ACC831"),
    ("has(input.note) ? 'a' : input.note", "ACC831"),
    ("input.maybe + 1", "ACC834"),
    ("-input.maybe", "ACC834"),
    ("input.maybe > 1 && input.maybe < 5", "ACC834"),
    ("input.either + 1", "ACC834"),
    ("input.either + 'a'", "ACC834"),
    ("input.either < 3", "ACC834"),
    ("input.real + 1", "ACC834"),
    ("input.real * 2.0", "ACC834"),
    ("input.real - 1", "ACC834"),
    ("input.real - 0.5", "ACC834"),
    ("5 / input.real", "ACC834"),
    ("math.floor(input.real)", "ACC834"),
    ("input.gaps.join(',')", "ACC834"),
    ("input.numbers.join(',')", "ACC834"),
    ("math.greatest(input.maybe, 1)", "ACC834"),
    ("input.flag ? 1 : 2", "ACC834"),
    ("!input.flag", "ACC834"),
    ("string(input.maybe)", "ACC834"),
    ("input.gaps.map(x, size(x))", "ACC834"),
    ("input.gaps.map(x, x.upperAscii())", "ACC834"),
    ("input.kind.id", "ACC834"),
    ("has(input.kind.id)", "ACC834"),
    ("input.kind.?id.orValue(2)", "ACC834"),
    ("input.maybe in input.prices", "ACC834"),
    ("'a' in input.list_or_map ? input.list_or_map.a : 'b'", "ACC834"),
    ("input.list_or_map[?0].orValue('a') + input.list_or_map.?b.orValue('c')", "ACC834"),
]


@pytest.mark.parametrize(("source", "code"), FAILING)
def test_what_fails_for_some_input_is_an_error_with_one(source: str, code: str) -> None:
    report = told({"a": {"with": {"x": f"${{ {source} }}"}}})
    assert code in about(report), report.findings
    for error in report.errors:
        assert compile_schema(GIVEN).is_valid(error.example["input"])
        with pytest.raises(ExpressionInvalid):
            compile_expression(source).evaluate({"input": error.example["input"]})


@pytest.mark.parametrize(
    "source",
    [
        "math.greatest(input.numbers)",
        "math.least(input.numbers)",
        "input.numbers[0]",
        "has(input.items[0].tag)",
        "input.n / input.small",
        "input.n % input.small",
        "int(input.text)",
        "input.items.first().value().n",
        "input.n * input.n",
        "math.sqrt(input.real)",
        "input.pair[1]",
        "input.pair.map(k, input.pair[k])",
    ],
)
def test_what_may_fail_by_itself_is_told_with_an_input(source: str) -> None:
    report = told({"a": {"with": {"x": f"${{ {source} }}"}}})
    assert set(about(report)) == {"ACC172"}
    for warning in report.warnings:
        if warning.code == "ACC172":
            with pytest.raises(ExpressionInvalid):
                compile_expression(source).evaluate({"input": warning.example["input"]})


@pytest.mark.parametrize(
    "source",
    [
        "'note' in input ? input.note : 'a'",
        "'note' in input && input.note == 'a'",
        "has(input.note) ? input.note + 'a' : 'b'",
        "input.?note.optMap(t, t + 'a').orValue('b')",
        "input.?note.hasValue() ? input.note : 'b'",
        "input.items.filter(o, has(o.tag))",
        "input.items.filter(o, has(o.tag) && o.tag != '').map(o, o.tag).join(',')",
        "input.items.exists(o, has(o.tag) && o.tag == 'a')",
        "size(input.some) > 0 && has(input.some[0].tag) && input.some[0].tag == 'a'",
        "input.gaps.filter(g, g != null).join(',')",
        "input.maybe == null ? 0 : input.maybe + 1",
        "input.maybe != null && input.maybe > 1",
        "input.flag == true ? 1 : 2",
        "type(input.either) == string ? input.either + 'a' : string(input.either)",
        "type(input.real) == double ? input.real * 0.5 : 0.0",
        "double(input.real) * 0.5",
        "input.real > 2 ? 'more' : 'less'",
        "'apple' in input.prices ? input.prices.apple + 1 : 0",
        "size(input.numbers) > 0 ? math.greatest(input.numbers) : 0",
        "input.some.first().value().n + 1",
        "input.numbers.map(n, string(n)).join(', ')",
        "cel.bind(s, input.some[0], s.n + 1)",
        "[input.n, input.small].exists(n, n > 3)",
        "input.n in input.numbers || input.text in input.prices",
    ],
)
def test_what_is_guarded_is_proven(source: str) -> None:
    report = told({"a": {"with": {"x": f"${{ {source} }}"}}})
    assert report.ok
    assert about(report) == [], report.findings


def test_what_no_schema_speaks_of_is_not_proven() -> None:
    for source in ("input.free.x", "input.free + 1", "input.undeclared"):
        report = told({"a": {"with": {"x": f"${{ {source} }}"}}})
        assert report.ok
        assert about(report) == ["ACC835"]


def test_any_member_is_what_the_schema_says_of_all() -> None:
    report = told({"a": {"with": {"x": "${ input.prices.exists(name, input.prices[name] > 1) }"}}})
    assert about(report) == ["ACC172"], "that the key is there is all that is open"


def test_a_condition_is_true_or_false_and_a_for_each_a_list() -> None:
    report = told({"a": {"when": "${ input.flag }"}, "b": {"for_each": "${ input.n > 1 ? input.words : null }"}})
    assert (about(report, "/tasks/a/when"), about(report, "/tasks/b/for_each")) == (["ACC834"], ["ACC834"])
    assert report.errors[0].example["input"]["flag"] is None
    source = "type(input.flag) == bool ? input.flag : input.either + 'a' == 'b'"
    (error,) = told({"a": {"when": f"${{ {source} }}"}}).errors
    assert isinstance(error.example["input"]["either"], int), "it shows what is told"


def test_items_are_those_of_the_list() -> None:
    each = {"for_each": "${ input.items }", "with": {"x": "${ item.tag }"}}
    (error,) = told({"a": each}).errors
    assert (error.code, "tag" in error.example["item"]) == ("ACC831", False)
    assert error.example["item"] in error.example["input"]["items"]
    assert told({"a": {**each, "for_each": "${ input.items.filter(i, has(i.tag)) }"}}).ok


HARMLESS = {"with": {"x": 1}, "on_failure": "continue"}


@pytest.mark.parametrize(
    ("first", "source", "ok"),
    [
        (HARMLESS, "tasks.a.output.n", False),
        (HARMLESS, "tasks.a.status == 'failed' ? 0 : tasks.a.output.n", True),
        (HARMLESS, "tasks.a.status == 'completed' ? tasks.a.output.n + 1 : 0", True),
        (HARMLESS, "tasks.a.output == null ? 0 : tasks.a.output.n", True),
        ({**HARMLESS, "for_each": "${ input.words }"}, "tasks.a.output.map(o, o.n)", False),
        ({**HARMLESS, "for_each": "${ input.words }"}, "tasks.a.output[0].n", False),
        (
            {**HARMLESS, "for_each": "${ input.words }"},
            "tasks.a.status == 'failed' ? [] : tasks.a.output.filter(o, o != null).map(o, o.n)",
            True,
        ),
    ],
)
def test_a_task_that_may_fail_without_harm(first: Any, source: str, ok: bool) -> None:
    tasks = {"a": first, "b": {"with": {"x": f"${{ {source} }}"}}}
    report = told(tasks)
    assert report.ok is ok, report.findings
    assert ok or about(report, "/tasks/b/with/x")[0] == "ACC834"
    for error in report.errors:
        value = error.example["outputs"]["a"] if "outputs" in error.example else None
        scope = {"tasks": {"a": {"output": value, "status": "completed" if value is not None else "failed"}}}
        with pytest.raises(ExpressionInvalid):
            compile_expression(source).evaluate(scope)


def test_a_branch_that_computes_has_an_example_too() -> None:
    tasks = {
        "a": {"when": "${ input.n + input.small > 5 }", "with": {"x": 1}},
        "b": {"join": "settled", "with": {"x": "${ tasks.a.output.n }"}},
    }
    graph = graph_of(tasks, input=GIVEN)
    (error,) = verify(graph, KNOWN).errors
    assert error.code == "ACC825"
    player = Player(graph, {"a": Done({"n": 1}), "b": Done({"n": 1})}, given=error.example["input"])
    player.play()
    assert player.run.phase == "failed"


def test_what_is_proven_of_integers_holds_however_an_agent_writes_them() -> None:
    tasks = {"a": {"with": {"x": 1}}, "b": {"with": {"x": "${ tasks.a.output.n + 1 }", "y": "${ tasks.a.output.n }"}}}
    graph = graph_of(tasks)
    assert about(verify(graph, KNOWN), "/tasks/b/with/x") == []
    player = Player(graph, {"a": Done({"n": 3.0}), "b": Done({"n": 1})})
    player.play()
    assert player.run.phase == "completed"
    assert player.values.value(player.run.state(TaskId("b")).attempts[0].want.input) == {"x": 4, "y": 3}


def test_without_z3_values_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branches, "find_spec", lambda name: None)
    report = told({"a": {"with": {"x": "${ input.maybe + 1 }", "y": "${ input.some[0].tag }"}}})
    assert [error.code for error in report.errors] == ["ACC834", "ACC831"]
    assert all(error.example is not msgspec.UNSET for error in report.errors)


def test_a_compensation_is_looked_at() -> None:
    undo = {"uses": "test.work", "with": {"x": "${ task.output.word }"}}
    report = told({"a": {"with": {"x": 1}, "compensate": undo}})
    (error,) = report.errors
    assert (error.code, error.example["task"]["output"].keys()) == ("ACC831", {"n"})


# -- random schemas and expressions -----------------------------------------------------------------------------------

leaf_schemas = st.sampled_from(
    [
        {"type": "integer", "minimum": 0, "maximum": 3},
        {"type": ["integer", "null"]},
        {"type": "number"},
        {"type": "string", "maxLength": 2},
        {"enum": ["a", 1, None]},
        {"type": "boolean"},
        {"type": "number", "minimum": 0.5, "maximum": 2},
        {"anyOf": [{"type": "string", "maxLength": 1}, {"type": "boolean"}]},
    ]
)
object_schemas = st.builds(
    lambda p, q, needed, closed: {
        "type": "object",
        "properties": {"p": p, "q": q},
        "required": needed,
        **({"additionalProperties": False} if closed else {}),
    },
    leaf_schemas,
    leaf_schemas,
    st.sampled_from([[], ["p"], ["p", "q"]]),
    st.booleans(),
)
schemas = st.one_of(
    leaf_schemas,
    object_schemas,
    st.builds(
        lambda items, least: {"type": "array", "items": items, "minItems": least, "maxItems": 2},
        st.one_of(leaf_schemas, object_schemas),
        st.integers(0, 1),
    ),
    st.builds(lambda values: {"type": "object", "additionalProperties": values}, leaf_schemas),
)
LEAVES = ["input.a", "input.b", "input.a.p", "input.b[0]", "input.a.?p.orValue(1)", "1", "'a'", "null", "true", "1.5"]
SHAPES = [
    *("{0}[0]", "({0})[{1}]"),
    *("{0} + {1}", "{0} == {1}", "{0} < {1}", "({0}) && ({1})", "({0}) || ({1})", "({0}) ? ({1}) : ({0})", "!({0})"),
    *("has(input.a.p) ? {0} : {1}", "'p' in {0}", "{0} == null ? {1} : {0}", "{0} != null && {0} > {1}"),
    *("input.b.map(x, x)", "input.b.filter(x, has(x.p) && x.p == {0})", "input.b.all(x, x.p == {0})", "[{0}, {1}]"),
    *("type({0}) == int ? {0} + 1 : 2", "type({0}) == string ? {0} + 'b' : ({1})", "size({0})", "string({0})"),
    *("input.b.join(',')", "math.greatest({0}, {1})", "size(input.b) > 0 ? input.b[0] : ({0})", "{{'k': {0}}}"),
    *("{0}.matches('^[0-9]{{1,3}}$') ? int({0}) : {1}", "{0}.startsWith('a') ? {0} : string({0})"),
    *("{0} * {1}", "{0} / {1}", "double({0}) * 2.0", "{0} - 1", "math.abs({0})"),
    *("{0} in [{1}, 1]", "{0} in {1}", "input.b.exists(x, x == {0})", "input.b.map(x, x.q)", "-({0})"),
]
sources = st.recursive(
    st.sampled_from(LEAVES), lambda parts: st.builds(str.format, st.sampled_from(SHAPES), parts, parts), max_leaves=3
)


@given(schemas, schemas, sources)
def test_verdicts_agree_with_evaluation(one: Any, other: Any, source: str) -> None:
    given_: JsonSchema = {"type": "object", "properties": {"a": one, "b": other}, "required": ["a", "b"]}
    try:
        report = told({"a": {"with": {"x": f"${{ {source} }}"}}}, given_)
    except (TemplateInvalid, ExpressionInvalid):
        assume(False)
    expression = compile_expression(source)
    for finding in report.findings:
        if finding.code in ("ACC831", "ACC834"):
            assert fails(expression, finding.example["input"]), finding
    if all(finding.severity == "proof" or finding.code == "ACC823" for finding in report.findings):
        for read in Samples().several(given_):
            assert not fails(expression, read), (given_, read)


def fails(expression: Any, read: Any) -> bool:
    try:
        expression.evaluate({"input": read})
    except ExpressionInvalid:
        return True
    return False
