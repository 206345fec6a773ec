"""Expressions and bindings: what compiles, what is read, what comes out, and what is said of mistakes."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.domain.expression import (
    VARIABLES,
    Computed,
    Expression,
    Literal,
    Reference,
    compile_binding,
    compile_expression,
    evaluate,
    expressions,
)
from accord.errors import ExpressionInvalid

SCOPE = {
    "input": {"a": {"b": 3}, "list": [1, 2, 3], "text": "hi", "flag": True, "none": None, "a-b": 1},
    "tasks": {"measure": {"output": {"score": 0.5}, "confidence": 0.9, "status": "completed", "agent": "x"}},
    "run": {"id": "run_1", "template": "t@1.0.0", "started_at": "2024-01-01T00:00:00Z"},
    "item": {"name": "n"},
    "index": 2,
}


def value_of(source: str, scope: Mapping[str, object] = SCOPE) -> object:
    return compile_expression(source).evaluate(scope)


def codes(error: ExpressionInvalid) -> list[str]:
    return [problem.code for problem in error.problems]


def refused(source: str) -> list[str]:
    with pytest.raises(ExpressionInvalid) as caught:
        compile_expression(source)
    return codes(caught.value)


def failed(source: str, scope: Mapping[str, object] = SCOPE) -> list[str]:
    expression = compile_expression(source)
    with pytest.raises(ExpressionInvalid) as caught:
        expression.evaluate(scope)
    return codes(caught.value)


def references(source: str) -> set[str]:
    return {str(reference) for reference in compile_expression(source).references}


class TestCompile:
    @pytest.mark.parametrize(
        ("source", "kind"),
        [
            ("1 + 1", "int"),
            ("input.a.b > 1", "bool"),
            ("input.a", "dyn"),
            ("'a' + 'b'", "string"),
            ("[1, 2]", "list"),
            ("{'a': 1}", "map"),
            ("1.5", "double"),
            ("null", "null"),
            ("timestamp(0)", "string"),
            ("duration('1s')", "string"),
            ("b'a'", "string"),
            ("1u", "int"),
            ("input.?a.orValue(1)", "dyn"),
        ],
    )
    def test_result_type(self, source: str, kind: str) -> None:
        assert compile_expression(source).result_type == kind

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("input.x +", ["ACC200"]),
            ("", ["ACC200"]),
            ("a b", ["ACC200", "ACC201"]),
            ("inptu.x", ["ACC201"]),
            ("foo(1) + bar(2)", ["ACC201", "ACC201"]),
            ("1 + 'a'", ["ACC202"]),
            ("x" * 5000, ["ACC203"]),
            ("(" * 60 + "1" + ")" * 60, ["ACC203"]),
            ("tasks", ["ACC205"]),
            ("tasks.exists(t, true)", ["ACC205"]),
            ("tasks[input.name].output", ["ACC205"]),
            ("optional.of(1)", ["ACC206"]),
            ("[optional.of(1)]", ["ACC206"]),
            ("input.?a", ["ACC206"]),
            ("type(1)", ["ACC206"]),
            ("[type(1)]", ["ACC206"]),
        ],
    )
    def test_mistakes(self, source: str, expected: list[str]) -> None:
        found = refused(source)
        assert set(found) <= set(expected)
        assert len(found) >= len(set(expected)) or source == "a b"

    @pytest.mark.parametrize(
        ("source", "hint"),
        [
            ("sizee(input.x)", "did you mean size()?"),
            ("input.x.startWith('a')", "did you mean startsWith()?"),
            ("math.flor(input.x)", "did you mean math.floor()?"),
            ("input.x.length()", "functions are all, base64.decode"),
            ("inptu.size()", "did you mean input?"),
            ("size(inptu)", "did you mean input?"),
        ],
    )
    def test_a_function_that_is_not_there_is_told_of_by_functions(self, source: str, hint: str) -> None:
        with pytest.raises(ExpressionInvalid) as caught:
            compile_expression(source)
        assert all((problem.hint or "").startswith(hint) for problem in caught.value.problems)

    def test_place_and_hint(self) -> None:
        with pytest.raises(ExpressionInvalid) as caught:
            compile_expression("1 + inptu.x")
        (problem,) = caught.value.problems
        assert problem.place.column == 5
        assert problem.place.line is None
        assert problem.hint == "did you mean input?"

    def test_place_in_the_second_line(self) -> None:
        with pytest.raises(ExpressionInvalid) as caught:
            compile_expression("1 +\n  inptu")
        assert (caught.value.problems[0].place.line, caught.value.problems[0].place.column) == (2, 3)

    def test_dash_in_a_task_name(self) -> None:
        with pytest.raises(ExpressionInvalid, match=r'tasks\["like-this"\]'):
            compile_expression("tasks.my-score.output")

    def test_is_a_value(self) -> None:
        one, other = compile_expression("input.a > 1"), compile_expression("input.a > 1")
        assert one == other
        assert hash(one) == hash(other)
        assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301 our own bytes
        assert isinstance(one, Expression)

    def test_all_variables_exist(self) -> None:
        for name in VARIABLES:
            source = "tasks.x" if name == "tasks" else name
            assert compile_expression(source).references


class TestReferences:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("tasks.measure.output.score", {"tasks.measure.output.score"}),
            ('tasks["measure"].output', {"tasks.measure.output"}),
            ('tasks["my-task"].output', {'tasks["my-task"].output'}),
            ("input.list[0].name", {"input.list"}),
            ("input.list[index].name", {"input.list", "index"}),
            ("input[input.key].x", {"input", "input.key"}),
            ("has(input.a.b)", {"input.a.b"}),
            ("input.?a.b.orValue(tasks.x.output)", {"input.a.b", "tasks.x.output"}),
            ("size(input.list)", {"input.list"}),
            ("input.list.map(i, i.name)", {"input.list"}),
            ("input.list.map(input, input.x)", {"input.list"}),
            ("input.list.map(input, .input.x)", {"input.list", "input.x"}),
            ("input.list.map(i, tasks.t.output[i])", {"input.list", "tasks.t.output"}),
            ("input.list.map(tasks, tasks.a)", {"input.list"}),
            ("cel.bind(x, input.a, x.b + item.c)", {"input.a", "item.c"}),
            ("{'k': input.a, item.b: [run.id]}", {"input.a", "item.b", "run.id"}),
            ("input.a ? input.b : input.c", {"input.a", "input.b", "input.c"}),
            ("1 + 2", set()),
            ("int('3')", set()),
            ("input.list.exists(i, i > 2 && index > 1)", {"input.list", "index"}),
            ("[[1]].all(a, a.all(input, input > 0))", set()),
        ],
    )
    def test_every_constant_path(self, source: str, expected: set[str]) -> None:
        assert references(source) == expected

    @pytest.mark.parametrize(
        ("source", "guarded"),
        [
            ("has(input.a.b)", {"input.a.b"}),
            ("input.?a.b.orValue(1)", {"input.a", "input.a.b"}),
            ("tasks.a.?output.?b.orValue(1)", {"tasks.a.output", "tasks.a.output.b"}),
            ("has(input.a) ? input.a.b : 1", {"input.a"}),
            ("input.a.b", set()),
        ],
    )
    def test_guarded(self, source: str, guarded: set[str]) -> None:
        assert {str(each) for each in compile_expression(source).guarded} == guarded


class TestEvaluate:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("input.a.b", 3),
            ("input.a.b + 1", 4),
            ("input.list[1]", 2),
            ("input.list.map(i, i * 2)", [2, 4, 6]),
            ("input.list.filter(i, i > 1)", [2, 3]),
            ("input.none", None),
            ("input.none == null", True),
            ("has(input.zzz)", False),
            ("has(input.a.b)", True),
            ("input.?zzz.orValue(7)", 7),
            ("size(input.list)", 3),
            ("size(input)", 6),
            ("size(input) + input.a.b", 9),
            ("size(input.list) + input.list[0]", 4),
            ("tasks.measure.output.score >= 0.5 && index == 2", True),
            ("run.id + '/' + item.name", "run_1/n"),
            ('input["a-b"]', 1),
            ("'%s-%d'.format([input.text, index])", "hi-2"),
            ("input.text.upperAscii()", "HI"),
            ("['b', 'a'].join('+')", "b+a"),
            ("math.greatest(1, 5, 3)", 5),
            ("base64.encode(b'abc')", "YWJj"),
            ("cel.bind(x, input.a.b, x * x)", 9),
            ("9007199254740993", 9007199254740993),
            ("timestamp('2020-01-01T00:00:00.5Z')", "2020-01-01T00:00:00.500000Z"),
            ("timestamp(run.started_at) + duration('1h')", "2024-01-01T01:00:00Z"),
            ("duration('1500ms')", "1.5s"),
            ("duration('-1.25s')", "-1.25s"),
            ("duration('1h')", "3600s"),
            ("b'abc'", "YWJj"),
            ("5u", 5),
            ("{'b': 1, 'a': [1u, null, {'c': 1.5}]}", {"a": [1, None, {"c": 1.5}], "b": 1}),
        ],
    )
    def test_value(self, source: str, expected: object) -> None:
        found = value_of(source)
        assert found == expected
        assert type(found) is type(expected)

    @pytest.mark.parametrize(
        ("source", "code"),
        [
            ("error.code", "ACC210"),
            ("error.code == 'x'", "ACC210"),
            ("input.zzz", "ACC211"),
            ("input.zzz == 1", "ACC211"),
            ("tasks.other.output", "ACC211"),
            ("has(input.zzz.a)", "ACC211"),
            ("input.text.x", "ACC212"),
            ("input.text.x == 1", "ACC212"),
            ("input.text[0]", "ACC212"),
            ("input.list.x + 1", "ACC212"),
            ("input.list[3]", "ACC213"),
            ("input.list[3] + 1", "ACC213"),
            ("input.text + 1", "ACC202"),
            ("input.a + 1", "ACC214"),
            ("input.text ? 1 : 2", "ACC214"),
            ("1 / (input.a.b - 3)", "ACC215"),
            ("int(input.text)", "ACC215"),
            ("9223372036854775807 + index", "ACC215"),
            ("input.text.matches('(')", "ACC215"),
            ("0.0 / 0.0", "ACC218"),
            ("1.0 / 0.0", "ACC218"),
            ("{1: 2}", "ACC218"),
            ("18446744073709551615u", "ACC218"),
            ("dyn(type(1))", "ACC218"),
            ("dyn(optional.of(1))", "ACC218"),
            ("dyn([optional.of(1)])", "ACC218"),
        ],
    )
    def test_failure(self, source: str, code: str) -> None:
        if code == "ACC202":
            code = "ACC214"  # dynamic values are told apart only when evaluated
        assert failed(source) == [code]

    def test_an_end_that_the_library_takes_as_too_great_has_a_way_out(self) -> None:
        with pytest.raises(ExpressionInvalid) as refused:
            value_of("'BCADE'.substring(2, 5)")
        assert "substring(start)" in (refused.value.problems[0].hint or "")
        assert value_of("'BCADE'.substring(2)") == "ADE"

    def test_integers_beyond_64_bits_are_refused_where_cel_would_read_them(self) -> None:
        scope = {"input": {"big": 2**63, "small": 1}}
        assert failed("input.big > 1", scope) == ["ACC217"]
        assert value_of("input.small + 1", scope) == 2
        assert value_of("input.big", scope) == 2**63

    @pytest.mark.parametrize(
        "source",
        [
            "input.n + 1",
            "input.l[input.n - 3]",
            "input.l.map(x, x + 1)",
            "input.?n.orValue(0) % 2",
            "type(input.n) == int",
        ],
    )
    def test_a_number_is_the_same_however_it_is_spelt(self, source: str) -> None:
        one, other = {"n": 3.0, "l": [1.0, -2.0]}, {"n": 3, "l": [1, -2]}
        assert repr(value_of(source, {"input": one})) == repr(value_of(source, {"input": other}))
        assert repr(one) == "{'n': 3.0, 'l': [1.0, -2.0]}", "data is shared, and stays as it is"

    @pytest.mark.parametrize(
        ("number", "kind"),
        [
            (-0.0, "int"),
            (2.5, "double"),
            (-(2.0**63), "int"),
            (2.0**63, "double"),
            (2.0**63 - 1024, "int"),
            (1e300, "double"),
        ],
    )
    def test_a_double_without_a_fraction_is_an_integer_where_one_can_hold_it(self, number: float, kind: str) -> None:
        scope = {"input": {"n": number}}
        assert value_of(f"type(input.n) == {kind} && input.n == {number!r}", scope) is True
        assert value_of(f"input.n in [{number!r}]", scope) is True

    @pytest.mark.parametrize("value", [object(), (1, 2), {1, 2}, b"x"])
    def test_data_that_is_no_json(self, value: object) -> None:
        assert failed("input.x == 1", {"input": {"x": value}}) == ["ACC217"]

    def test_lone_surrogate(self) -> None:
        with pytest.raises(ExpressionInvalid):
            value_of("input.x + 'a'", {"input": {"x": "\ud800"}})

    def test_depth_is_bounded(self) -> None:
        deep: object = 1
        for _ in range(200):
            deep = [deep]
        assert failed("input.x == 1", {"input": {"x": deep}}) == ["ACC217"]

    def test_members_come_out_sorted(self) -> None:
        members = {chr(97 + number): number for number in range(20)}
        found = value_of("[input]", {"input": dict(reversed(members.items()))})
        assert json.dumps(found) == json.dumps([members])

    def test_only_what_is_read_is_asked_for(self) -> None:
        asked: list[str] = []

        class Lazy(Mapping[str, object]):
            def __getitem__(self, name: str) -> object:
                asked.append(name)
                if name == "absent":
                    raise KeyError(name)
                return {"output": {"x": 1}}

            def __iter__(self) -> Iterator[str]:
                raise AssertionError("nobody walks through all tasks")

            def __len__(self) -> int:
                return 10_000

        scope = {"tasks": Lazy(), "input": {}}
        assert value_of("tasks.a.output.x", scope) == 1
        assert value_of("tasks.b.output.x + tasks.c.output.x", scope) == 2
        assert value_of("has(tasks.absent)", scope) is False
        assert failed("tasks.absent.output.x", scope) == ["ACC211"]
        assert set(asked) == {"a", "b", "c", "absent"}

    def test_lazy_mappings_become_plain(self) -> None:
        class Record(Mapping[str, object]):
            def __getitem__(self, name: str) -> object:
                return {"output": 1}[name]

            def __iter__(self) -> Iterator[str]:
                return iter(["output"])

            def __len__(self) -> int:
                return 1

        scope = {"tasks": {"a": Record()}}
        assert value_of("tasks.a", scope) == {"output": 1}
        assert value_of("[tasks.a]", scope) == [{"output": 1}]

    def test_a_path_is_handed_on_as_it_is(self) -> None:
        large = list(range(300_000))
        assert value_of("input.large", {"input": {"large": large}}) is large

    def test_missing_member_says_where(self) -> None:
        with pytest.raises(ExpressionInvalid, match=r"`input\.a` has no member `zzz`"):
            value_of("input.a.zzz")


class TestBinding:
    def test_whole_values_keep_their_type(self) -> None:
        template = {"n": "${ input.a.b }", "l": ["${input.list}", "x", 1, None], "o": {"f": "${ input.flag }"}}
        binding = compile_binding(template)
        assert evaluate(binding, SCOPE) == {"n": 3, "l": [[1, 2, 3], "x", 1, None], "o": {"f": True}}

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("plain", "plain"),
            ("costs $5 and $", "costs $5 and $"),
            ("$${ input.a }", "${ input.a }"),
            ("a $${x} ${ input.text }", "a ${x} hi"),
            ("$$${x}", "$${x}"),
            ("hello ${ input.text }!", "hello hi!"),
            ("${input.text}${input.text}", "hihi"),
            ("${ input.a.b } items", "3 items"),
            ("l=${ input.list } n=${ input.none } o=${ input.a }", 'l=[1,2,3] n=null o={"b":3}'),
            ("${ {'a': {'b': 1}}['a']['b'] }", 1),
            ("${ '}' + \"}\" }", "}}"),
            ("${ 'it\\'s }' }", "it's }"),
            ("${ r'\\d}' }", "\\d}"),
            ('${ """a "}" b""" }', 'a "}" b'),
            ("  ${ input.a.b }\n", 3),
            ("${ input.a.b // why { ' not\n }", 3),
            ("x ${ {} } y", "x {} y"),
        ],
    )
    def test_text(self, text: str, expected: object) -> None:
        assert evaluate(compile_binding(text), SCOPE) == expected

    @pytest.mark.parametrize("number", [3, 3.0])
    def test_a_text_has_a_number_however_it_is_spelt(self, number: float) -> None:
        scope = {"input": {"n": number, "l": [number, 1.5]}}
        assert (
            evaluate(compile_binding("${ input.n } of ${ input.l }, ${ double(input.n) }"), scope) == "3 of [3,1.5], 3"
        )

    def test_all_problems_with_their_places(self) -> None:
        template = {"a/b": ["${ nope }", "x ${ 1 + }"], "c~": {"d": "${ open"}, "ok": "${ input.a }"}
        with pytest.raises(ExpressionInvalid) as caught:
            compile_binding(template, pointer="/with")
        found = {(each.code, each.place.pointer, each.place.column) for each in caught.value.problems}
        assert ("ACC201", "/with/a~1b/0", 4) in found
        assert ("ACC204", "/with/c~0/d", 1) in found
        assert ("ACC200", "/with/a~1b/1") in {each[:2] for each in found}
        assert len(found) == 3

    def test_all_failures_with_their_places(self) -> None:
        binding = compile_binding({"a": "${ input.zzz }", "b": "x ${ error.code }", "c": "${ input.a }"})
        with pytest.raises(ExpressionInvalid) as caught:
            evaluate(binding, SCOPE)
        assert [(each.code, each.place.pointer) for each in caught.value.problems] == [
            ("ACC211", "/a"),
            ("ACC210", "/b"),
        ]

    def test_references_and_expressions(self) -> None:
        binding = compile_binding({"a": "${ input.x }", "b": ["${ item.y } ${ input.x }", {"c": "${ index + 1 }"}]})
        assert binding.references == {Reference("input", ("x",)), Reference("item", ("y",)), Reference("index")}
        assert [each.pointer for each in expressions(binding)] == ["/a", "/b/0", "/b/0", "/b/1/c"]
        assert all(isinstance(each, Computed) for each in expressions(binding))

    def test_without_expressions_it_is_a_literal(self) -> None:
        value = {"a": [1, {"b": "c"}]}
        assert compile_binding(value) == Literal(value)
        assert compile_binding({"a": "$${"}) == Literal({"a": "${"})

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=10,
        )
    )
    @pytest.mark.abuse("ASI01", at="template", stride="tampering", case="text that looks like an expression stays text")
    def test_any_escaped_value_comes_back(self, value: object) -> None:
        assert evaluate(compile_binding(_escaped(value)), {}) == value


def _escaped(value: object) -> object:
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, list):
        return [_escaped(each) for each in value]
    if isinstance(value, dict):
        return {name: _escaped(each) for name, each in value.items()}
    return value


@pytest.mark.parametrize(
    "source",
    [
        "{'a': dyn(input.?a)}",
        "{'a': {'b': dyn(input.?zz)}}",
        "[{'a': dyn(optional.of(1))}]",
        "{'a': [{'b': dyn(input[?'a'])}]}",
        "input.l.map(x, {'a': dyn(input.?a)})",
    ],
)
def test_an_optional_inside_of_an_object_is_refused(source: str) -> None:
    # The runtime itself ends the process on these, with a segmentation fault.
    with pytest.raises(ExpressionInvalid) as refused:
        compile_expression(source).evaluate({"input": {"a": 1, "l": [1]}})
    assert [problem.code for problem in refused.value.problems] == ["ACC218"]
