"""The schema of what an expression gives: every value that evaluation gives keeps it."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
from hypothesis import example, given
from hypothesis import strategies as st

from accord.domain.expression import Expression, compile_expression, schema_of, syntax_of
from accord.domain.expression.inference import Types
from accord.domain.expression.totality import Totality
from accord.domain.schema import JsonSchema
from accord.errors import ExpressionInvalid
from accord.verifier.compatibility import covers

ITEM: JsonSchema = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": -3, "maximum": 3}, "k": {"enum": ["x", "yy", None]}},
    "required": ["n"],
    "additionalProperties": False,
}
INPUT: JsonSchema = {
    "type": "object",
    "properties": {
        "i": {"type": "integer"},
        "small": {"type": "integer", "minimum": 0, "maximum": 9},
        "nullable": {"type": ["integer", "null"], "minimum": 1},
        "d": {"type": "number", "exclusiveMinimum": -2, "maximum": 2.5},
        "b": {"type": "boolean"},
        "s": {"type": "string", "maxLength": 4},
        "t": {"type": "string", "minLength": 1},
        "mixed": {"anyOf": [{"type": "string", "maxLength": 2}, {"type": "integer", "maximum": 5}, {"type": "null"}]},
        "l": {"type": "array", "items": ITEM, "maxItems": 3},
        "pair": {"type": "array", "prefixItems": [{"const": 1}, {"type": "string"}], "items": False, "minItems": 2},
        "o": {"type": "object", "properties": {"p": {"type": "integer"}}, "additionalProperties": {"type": "boolean"}},
        "real": {"type": "number"},
        "divisor": {"type": "integer", "minimum": 1},
        "free": True,
    },
    "required": ["real", "divisor", "i", "small", "nullable", "d", "b", "t", "mixed", "l", "pair", "o", "free"],
    "additionalProperties": False,
}
TYPES: Types = {("input",): INPUT, ("tasks", "a", "output"): {"type": ["object", "null"], "properties": {"p": ITEM}}}

integers = st.integers(-5, 10) | st.sampled_from([2**53, -(2**53), 2**63 - 1, -(2**63), 1e25, -1.5e300])
items = st.fixed_dictionaries(
    {"n": st.integers(-3, 3) | st.sampled_from([1.0, -2.0])}, optional={"k": st.sampled_from(["x", "yy", None])}
)
inputs = st.fixed_dictionaries(
    {
        "i": integers | st.sampled_from([3.0, 4.0, -0.0]),
        "small": st.integers(0, 9) | st.sampled_from([7.0]),
        "nullable": st.integers(1, 3) | st.none(),
        "d": st.floats(-2, 2.5, exclude_min=True) | st.integers(-1, 2),
        "b": st.booleans(),
        "real": st.integers(-2, 2) | st.floats(allow_nan=False, allow_infinity=False),
        "divisor": st.integers(1, 9) | st.sampled_from([2**62, 3e25]),
        "t": st.text("aé𝄞 ,", min_size=1, max_size=6),
        "mixed": st.text("ab", max_size=2) | st.integers(-5, 5) | st.none(),
        "l": st.lists(items, max_size=3),
        "pair": st.just([1, "q"]),
        "o": st.fixed_dictionaries({}, optional={"p": st.integers(-2, 2), "q": st.booleans()}),
        "free": st.none()
        | st.booleans()
        | st.integers(-2, 2)
        | st.text("ab", max_size=2)
        | st.lists(st.integers(0, 2)),
    },
    optional={"s": st.text("ab", max_size=4)},
)
outputs = st.none() | st.fixed_dictionaries({}, optional={"p": items})

LEAVES = [
    *(f"input.{name}" for name in INPUT["properties"]),  # type: ignore[index, call-overload]  # it is an object
    *("0", "1", "2", "-3", "2.5", "true", "null", "'a'", "'yy'", "''", "[]", "[1, 2]", "{'n': 2}", "1u"),
    *("x", "x.n", "x.k", "input.?s", "tasks.a.?output", "tasks.a.?output.?p", "input.l[?0]", "input.o.?p", "x.?k"),
    *("input.l[0].n", "input.pair[1]", "optional.none()"),
]
UNARY = [
    *("!({0})", "-({0})", "size({0})", "({0}).n", "({0}).?n", "({0})[0]", "({0})[?1]", "string({0})", "int({0})"),
    *("double({0})", "dyn({0})", "type({0}) == string", "type({0}) == int", "({0}).split(',')", "({0}).trim()"),
    *("({0}).charAt(0)", "({0}).upperAscii()", "({0}).reverse()", "math.abs({0})", "math.round({0})", "math.ceil({0})"),
    *("math.sign({0})", "math.floor({0})", "optional.of({0})", "({0}).hasValue()", "({0}).value()", "({0}) == null"),
    *("({0}) != null", "({0}).map(x, x)", "({0}).map(x, [x])", "({0}).exists(x, x == 1)", "({0}).all(x, x.n > 0)"),
    *("[?({0}), 1]", "{{'a': {0}}}", "{{?'a': {0}, 'b': 1}}", "[{0}]", "({0}).optMap(x, [x])", "math.trunc({0})"),
    *(
        "({0}).join(',')",
        "({0}).first()",
        "({0}).last()",
        "optional.ofNonZeroValue({0})",
        "({0}).exists_one(x, x == 1)",
    ),
    *(
        "({0}).substring(1)",
        "({0}).substring(1, 2)",
        "({0}).lowerAscii()",
        "({0}).indexOf('a')",
        "math.sqrt({0})",
        "({0}).exists_one(x, x == 1)",
        "'%s!'.format([{0}])",
    ),
    *("duration({0})", "timestamp({0})", "bytes({0})", "base64.encode(bytes({0}))", "({0}).replace('a', 'bb')"),
]
BINARY = [
    *("({0}) + ({1})", "({0}) - ({1})", "({0}) * ({1})", "({0}) / ({1})", "({0}) % ({1})", "({0}) == ({1})"),
    *("({0}) < ({1})", "({0}) >= ({1})", "({0}) && ({1})", "({0}) || ({1})", "({0}).orValue({1})", "({0})[{1}]"),
    *("({0}).or({1})", "({0}) in [{1}, 1, 'a']", "[{0}, {1}]", "{{'p': {0}, 'q': {1}}}", "math.greatest({0}, {1})"),
    *("math.least({0}, {1})", "({0}).map(x, {1})", "({0}).filter(x, {1})", "cel.bind(x, {0}, {1})", "({0}) != ({1})"),
    *("({0}).optMap(x, {1})", "({0}).optFlatMap(x, {1})", "{{string({0}): {1}}}", "({0}).map(x, x.n > 0, {1})"),
]
TERNARY = ["({0}) ? ({1}) : ({2})", "({0}).map(x, {1}, {2})", "cel.bind(x, {0}, ({1}) ? ({2}) : x)"]
GUARDED = [
    *("{0} == null ? ({1}) : {0}", "{0} != null ? {0} : ({1})", "{0} > 1 ? {0} : ({1})", "!({0} <= 1) ? [{0}] : [1]"),
    *("{0} in ['a', 1, null] ? {0} : ({1})", "type({0}) == string ? {0} + 'a' : ({1})", "size({0}) > 1 ? {0} : ({1})"),
    *("{0} != 1 && {0} != null ? {0} : ({1})", "{0} == 'a' || {0} == null ? ({1}) : {0}", "2 >= {0} ? {0} : ({1})"),
    *("type({0}) != string ? {0} : 'b'", "size({0}) == 1 ? {0} : ({1})", "{0} ? ({1}) : {0}"),
]


def _inner(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds(str.format, st.sampled_from(UNARY), parts),
        st.builds(str.format, st.sampled_from(BINARY), parts, parts),
        st.builds(str.format, st.sampled_from(TERNARY), parts, parts, parts),
        st.builds(str.format, st.sampled_from(GUARDED), st.sampled_from([*LEAVES[:12], "x", "x.n", "x.k"]), parts),
    )


sources = st.recursive(st.sampled_from(LEAVES), _inner, max_leaves=7)


@given(sources, inputs, outputs)
def test_what_evaluation_gives_keeps_the_schema(source: str, read: Any, output: Any) -> None:
    bound = f"cel.bind(x, input.l, {source})" if "x" in source else source
    try:
        value = compile_expression(bound).evaluate({"input": read, "tasks": {"a": {"output": output}}})
    except ExpressionInvalid:
        return  # it is about what expressions give, not about those that do not compile or fail
    schema = schema_of(compile_expression(bound), TYPES)
    assert schema is None or jsonschema_rs.is_valid(schema, value), f"{bound} gives {value}, not {schema}"


ASKING = [
    *(
        "!({0})",
        "({0}) && ({1})",
        "({0}) || ({1})",
        "({0}) == ({1})",
        "({0}) != ({1})",
        "({0}) < ({1})",
        "({0}) >= ({1})",
    ),
    *("({0}) ? ({1}) : ({0})", "({0}).orValue({1})", "({0}).or({1})", "({0}).hasValue()", "({0}).?n", "({0}).?p"),
    *("has(input.s)", "{0}.?k.hasValue()", "{0} != null ? {0} < 2 : ({1})", "type({0}) == string ? {0} < 'b' : ({1})"),
    *(
        "has(input.s) && ({0})",
        "'s' in input ? ({0}) : ({1})",
        "input.?s.optMap(x, {0})",
        "input.l.filter(x, has(x.k) && ({0}))",
    ),
    *(
        "{0} + 1",
        "[{0}, {1}].map(y, y)",
        "type({0}) == int ? {0} + 1 : ({1})",
        "type({0}) == double ? {0} * 1.5 : ({1})",
    ),
    *(
        "input.l.map(x, {0})",
        "input.l.all(x, {0})",
        "input.l.exists(x, {0})",
        "{0} > 1 && {0} < 5",
        "size({0}) > 0 ? ({0})[0] : ({1})",
    ),
    *(
        "{{'p': {0}}}",
        "({0}).join(',')",
        "math.greatest({0}, {1})",
        "double({0}) + 1.0",
        "has(input.l[0].k) ? {0} : {1}",
    ),
]
questions = st.recursive(
    st.sampled_from([*LEAVES, "input.s", "input.o.p", "input.l[0].k"]),
    lambda parts: st.builds(str.format, st.sampled_from(ASKING), parts, parts),
    max_leaves=5,
)


def is_proven(wanted: JsonSchema, given: JsonSchema) -> bool:
    return covers(wanted, given).proven


def is_looked_at(error: ExpressionInvalid) -> bool:
    """Whether it is not about too much data, or a double that is infinite."""
    problem = error.problems[0]
    return problem.code != "ACC216" and not any(
        word in problem.message for word in ("gives inf", "gives -inf", "gives nan")
    )


WHOLE = {"i": 3.0, "small": 7.0, "nullable": 1.0, "d": 1.0, "b": True, "t": "t", "mixed": None, "l": [{"n": 1.0}]}


@given(st.one_of(sources, questions), inputs, outputs)
@example("input.i + 1", WHOLE, None)
@example("input.l.map(x, x.n + input.small)", WHOLE, None)
def test_what_is_total_never_fails(source: str, read: Any, output: Any) -> None:
    bound = (
        f"cel.bind(x, input.pair[0] == 1 ? {{'n': 1}} : {{'n': 2, 'k': 'x'}}, {source})" if "x" in source else source
    )
    try:
        expression = compile_expression(bound)
    except ExpressionInvalid:
        return
    failures = Totality(TYPES, is_proven, expression.guarded).failures(syntax_of(expression))
    error = failing(expression, {"input": read, "tasks": {"a": {"output": output}}})
    assert failures or error is None or not is_looked_at(error), f"{bound} is not total: {error}"


def failing(expression: Expression, scope: dict[str, Any]) -> ExpressionInvalid | None:
    try:
        expression.evaluate(scope)
    except ExpressionInvalid as error:
        return error
    return None
