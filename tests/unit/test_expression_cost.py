"""The work of an evaluation is bounded before it begins."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.domain.expression import compile_expression
from accord.domain.expression.cost import Growth, Size, growth_of, size_of
from accord.domain.expression.json_value import MAX_DATA_UNITS
from accord.domain.expression.program import _environment, _program
from accord.domain.expression.syntax import UnreadableSyntaxError, read_syntax
from accord.errors import ExpressionInvalid

NUMBERS = list(range(9000))
OBJECTS = [{"name": f"n{number}", "score": number, "tags": ["a", "b"]} for number in range(500)]


def outcome(source: str, value: object) -> object:
    try:
        return compile_expression(source).evaluate({"input": value})
    except ExpressionInvalid as error:
        return error.problems[0].code


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("input.map(i, i)", NUMBERS),
        ("input.filter(i, true)", NUMBERS),
        ("input.all(i, i in input)", NUMBERS),
        ("input.all(i, input == input)", NUMBERS),
        ("input.map(i, input.map(j, i + j))", NUMBERS),
        ("input.all(i, size(input + input) > 0)", NUMBERS),
        ("[input]" + ".map(a, a + a)" * 25 + "[0].size()", "x"),
        ("[[input]]" + ".map(a, a + a)" * 25 + "[0].size()", "x"),
        ("input" + " + input" * 25, "x" * 3_000_000),
        ("input.replace('x', input).replace('x', input)", "x" * 5000),
        ("input.split('').join(input).replace('x', input)", "x" * 3000),
        ("input.size()", list(range(MAX_DATA_UNITS + 1))),
        ("input.all(i, i >= 0)", list(range(20_000))),
    ],
)
@pytest.mark.abuse(
    "ASI05", "ASI08", at="template", stride="denial of service", case="an expression that works without end"
)
def test_too_much_work_is_refused(source: str, value: object) -> None:
    assert outcome(source, value) == "ACC216"


@pytest.mark.parametrize(
    ("source", "value", "expected"),
    [
        ("input.all(i, i >= 0)", NUMBERS, True),
        ("input.exists(i, i == 8999)", NUMBERS, True),
        ("size(input)", list(range(45_000)), 45_000),
        ("size(input.map(i, i.name))", OBJECTS, 500),
        ("size(input.filter(i, i.score > 250 && i.tags.exists(t, t == 'b')))", OBJECTS, 249),
        ("size(input.map(i, i.tags.map(t, t + '!')))", OBJECTS, 500),
        ("input.map(i, i.name).join(',').size()", OBJECTS, 2389),
        ("input.map(i, '%s=%d'.format([i.name, i.score])).size()", OBJECTS, 500),
        ("input.matches('^x*$')", "x" * 100_000, True),
        ("(input + input).size()", "x" * 100_000, 200_000),
        ("input.?a.optMap(v, v + 1).orValue(0)", {"a": 1}, 2),
        ("input.map(k, input[k]).size()", {str(number): number for number in range(500)}, 500),
    ],
)
def test_ordinary_work_is_done(source: str, value: object, expected: object) -> None:
    assert outcome(source, value) == expected


def test_only_the_outline_of_what_is_counted_is_read() -> None:
    """The items hold far more than may be read, and what CEL could not hold; their number is all that is asked."""
    large = [{"x": 2**70, "y": list(range(100))} for _ in range(5000)]
    assert outcome("size(input.items) > 4000 && has(input.items)", {"items": large}) is True
    assert outcome("input.items.size()", {"items": large}) == 5000


@pytest.mark.parametrize(
    ("source", "growth"),
    [
        ("input.a > 1 && has(input.b)", Growth.FLAT),
        ("[input.a, {'k': input.b + 'x'}]", Growth.EVEN),
        ("{'k': input.a.replace('a', 'bb')}", Growth.STEEP),
        ("input.all(i, true)", Growth.STEEP),
        ("[input.a].map(i, i)[0].b", Growth.STEEP),
        ("[1].size() > 2 ? input.join() : 'x'", Growth.STEEP),
    ],
)
def test_growth(source: str, growth: Growth) -> None:
    assert _program(source).growth is growth
    assert growth_of(_program(source).syntax) is growth


def test_sizes() -> None:
    assert size_of(None) == Size(0, 1, 0)
    assert size_of("abc") == Size(0, 1, 3)
    found = size_of({"a": ["x", "yyy"], "bc": [1, 2, 3]})
    assert (found.count, found.values, found.characters) == (2, 8, 7)
    assert found.child == Size(3, 4, 4, Size(0, 1, 3))
    assert found.child.child == Size(0, 1, 3)


VALUES = st.recursive(
    st.none() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=4),
    max_leaves=15,
)


@given(VALUES)
def test_no_part_is_larger_than_its_bound(value: object) -> None:
    def check(part: object, bound: Size) -> None:
        own = size_of(part)
        assert own.count <= bound.count
        assert own.values <= bound.values
        assert own.characters <= bound.characters
        children = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        for child in children:
            check(child, bound.child)

    check(value, size_of(value))


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_reader_refuses_what_is_no_tree(data: bytes) -> None:
    """Whatever the bytes: a tree or a refusal, never another error."""
    try:
        read_syntax(data)
    except UnreadableSyntaxError:
        return


@given(st.data())
def test_reader_refuses_damaged_trees(data: st.DataObject) -> None:
    whole = _environment().compile("input.a.map(i, i.b + {'x': [1, 2u, 'y']}.x[0]) == [has(input.c)]").serialize()
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :]
    for each in (damaged, whole[:at]):
        try:
            read_syntax(each)
        except UnreadableSyntaxError:
            continue
