"""What the schemas say of an expression before it is ever evaluated."""

from __future__ import annotations

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.domain.expression import (
    RUN_RECORD,
    TASK_RECORD,
    compile_binding,
    compile_expression,
    evaluate,
    schema_of,
    schema_of_binding,
    static_problems,
)
from accord.domain.schema import JsonSchema
from accord.domain.schema_path import declared_names, schema_at, types_of

REPORT: JsonSchema = {
    "type": "object",
    "properties": {
        "score": {"type": "number"},
        "ok": {"type": "boolean"},
        "names": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
        "pair": {"prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
        "node": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
        "both": {"allOf": [{"properties": {"x": {"type": "integer"}}}, {"properties": {"x": {"minimum": 1}}}]},
        "any": True,
        "map": {"type": "object", "additionalProperties": {"type": "integer"}},
        "pattern": {"type": "object", "patternProperties": {"^a": {"type": "string"}}},
    },
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {"value": {"type": "integer"}, "next": {"$ref": "#/$defs/Node"}},
            "additionalProperties": False,
        }
    },
}
TYPES = {
    ("input",): REPORT,
    ("run",): RUN_RECORD,
    ("tasks",): {"properties": {"measure": True, "report": True}, "additionalProperties": False},
    ("tasks", "measure"): TASK_RECORD,
    ("tasks", "measure", "output"): REPORT,
}


def found(source: str, expected: str | None = None) -> list[tuple[str, str | None]]:
    problems = static_problems(compile_expression(source), TYPES, expected=expected, pointer="/when")
    assert all(problem.place.pointer == "/when" for problem in problems)
    return [(problem.code, problem.hint) for problem in problems]


@pytest.mark.parametrize(
    "source",
    [
        "input.score > 1",
        "input.unknown_and_unlike_anything",
        "has(input.scroe)",
        "has(input.scroe) && input.scroe > 1",
        "input.?scroe.orValue(1)",
        "input.node.next.next.value",
        "tasks.measure.output.node.value",
        "tasks.report.output.whatever",
        "input.any.a.b.c",
        "input.map.whatever",
        "input.any[0][0]",
        "input.names[0]",
        "input.pair[1]",
        "input.pattern.anything",
        "run.id",
        "item.x",
    ],
)
def test_nothing_to_say(source: str) -> None:
    assert found(source) == []


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("input.scroe > 1", "did you mean score? or test it with has()"),
        ("input.score.x", None),
        ("input.node.vlaue", "did you mean value?"),
        ("input.node.next.next.nxt", "did you mean next?"),
        ("tasks.mesure.output", "did you mean measure?"),
        ("tasks.measure.outputs", "did you mean output?"),
        ("tasks.measure.output.node.zzz", "there are next, value"),
        ("run.started", "did you mean started_at?"),
        ("has(run.started)", "did you mean started_at?"),
        ("input.names.first", None),
        ("input.map.a.b", None),
        ("run.id[0]", "a part of a text is `charAt(…)` or `substring(…)`"),
        ("input.names[0][1]", "a part of a text is `charAt(…)` or `substring(…)`"),
        ("input.score[0]", None),
        ("input.map[0].b", None),
    ],
)
def test_misspelt(source: str, hint: str | None) -> None:
    assert found(source) == [("ACC207", hint)]


@pytest.mark.parametrize(
    ("source", "expected", "fits"),
    [
        ("input.ok", "bool", True),
        ("input.score", "bool", False),
        ("input.score > 1", "bool", True),
        ("input.any", "bool", True),
        ("input.names", "list", True),
        ("input.names[0]", "string", True),
        ("input.names[0]", "list", False),
        ("input.node", "map", True),
        ("input.node", "string", False),
        ("1", "bool", False),
        ("'x'", "string", True),
        ("item", "list", True),
    ],
)
def test_expected_type(source: str, expected: str, fits: bool) -> None:
    assert found(source, expected) == ([] if fits else [("ACC208", None)])


def test_all_problems_at_once() -> None:
    assert [code for code, _ in found("input.scroe + run.started", "bool")] == ["ACC207", "ACC207"]
    assert [code for code, _ in found("size(run.started)", "bool")] == ["ACC207", "ACC208"]


class TestSchemaAt:
    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            (("score",), {"type": "number"}),
            (("names", 0), {"type": "string"}),
            (("names", 3), False),
            (("names", -1), False),
            (("names", "x"), False),
            (("pair", 1), {"type": "string"}),
            (("pair", 2), False),
            (("both", "x"), {"allOf": [{"type": "integer"}, {"minimum": 1}]}),
            (("unknown",), None),
            (("any", "x"), None),
            (("map", "x"), {"type": "integer"}),
            (("pattern", "x"), None),
            (("node", "value"), {"type": "integer"}),
            (("node", "zzz"), False),
            (("score", "x"), False),
        ],
    )
    def test_path(self, path: tuple[str | int, ...], expected: object) -> None:
        assert schema_at(REPORT, path) == expected

    def test_every_part_of_a_conjunction_can_rule_out(self) -> None:
        schema: JsonSchema = {"properties": {"a": True}, "allOf": [{"properties": {"b": {"type": "integer"}}}]}
        closed: JsonSchema = {**schema, "allOf": [{"additionalProperties": False, "properties": {"b": True}}]}
        assert schema_at(schema, ("b",)) == {"type": "integer"}
        assert (
            schema_at({**schema, "properties": {"b": {"minimum": 1}}, "additionalProperties": False}, ("c",)) is False
        )
        assert schema_at({**closed, "properties": {"a": {"type": "string"}}}, ("a",)) is False

    def test_the_answer_is_self_contained(self) -> None:
        node = schema_at(REPORT, ("node", "next"))
        assert isinstance(node, dict)
        assert jsonschema_rs.is_valid(node, {"value": 1, "next": {"value": 2}})
        assert not jsonschema_rs.is_valid(node, {"value": 1, "next": {"value": "2"}})

    @pytest.mark.parametrize(
        "schema",
        [
            {"$ref": "#"},
            {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
            {"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}},
            {"$ref": "#nowhere"},
            {"$dynamicRef": "#x"},
        ],
    )
    def test_circles_are_unknown(self, schema: JsonSchema) -> None:
        assert schema_at(schema, ("a",)) is None
        assert declared_names(schema) == frozenset()
        assert "string" in types_of(schema)

    def test_many_alternatives_are_unknown(self) -> None:
        wide: JsonSchema = {"allOf": [{"anyOf": [{"minimum": n}, {"maximum": n}]} for n in range(10)]}
        assert schema_at(wide, ("a",)) is None

    def test_shared_definitions_take_no_time(self) -> None:
        shared: dict[str, object] = {f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(12)}
        schema: JsonSchema = {"$ref": "#/$defs/a0", "$defs": {**shared, "a12": False}}
        assert schema_at(schema, ("a",)) is False


class TestSchemaOfBinding:
    @pytest.mark.parametrize(
        ("template", "expected"),
        [
            ("x", {"const": "x"}),
            ("${ input.score }", {"type": "number"}),
            ("${ input.score > 1 }", {"type": "boolean"}),
            ("a ${ input.score }", {"type": "string", "minLength": 3, "maxLength": 27}),
            ("${ item }", None),
        ],
    )
    def test_simple(self, template: str, expected: object) -> None:
        assert schema_of_binding(compile_binding(template), TYPES) == expected

    def test_definitions_are_joined(self) -> None:
        binding = compile_binding(
            {"a": "${ input.node }", "default": [{"x": "${ tasks.measure.output.node.next }"}, 1]}
        )
        schema = schema_of_binding(binding, TYPES)
        assert isinstance(schema, dict)
        check = jsonschema_rs.Draft202012Validator(schema, offline=True).is_valid
        assert check({"a": {"value": 1}, "default": [{"x": {"value": 2, "next": {"value": 3}}}, 1]})
        assert not check({"a": {"value": 1}, "default": [{"x": {"value": 2, "next": {"value": "3"}}}, 1]})
        assert not check({"a": {"value": 1}, "default": [{"x": {"value": 2}}, 2]})
        assert not check({"a": {"value": 1}})

    def test_what_cannot_be_moved_is_unknown(self) -> None:
        types = {("input",): {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}}}}
        schema = schema_of_binding(compile_binding({"a": "${ input }"}), types)
        assert isinstance(schema, dict)
        assert schema["properties"] == {"a": True}

    @given(
        st.recursive(
            st.sampled_from(["${ input.score }", "${ input.ok }", "x ${ input.ok }", "${ 1 + 2 }", "y", 1, None]),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            max_leaves=8,
        )
    )
    def test_holds_for_what_comes_out(self, template: object) -> None:
        binding = compile_binding(template)
        schema = schema_of_binding(binding, TYPES)
        assert schema is not None
        value = evaluate(binding, {"input": {"score": 0.5, "ok": True}})
        assert jsonschema_rs.is_valid(schema, value)


def test_schema_of() -> None:
    assert schema_of(compile_expression("run.id"), TYPES) == {"type": "string"}
    assert schema_of(compile_expression("input.names[1]"), TYPES) == {"type": "string"}
    assert schema_of(compile_expression("[input.ok].map(x, x)"), TYPES) == {
        "type": "array",
        "items": {"type": "boolean"},
        "minItems": 1,
        "maxItems": 1,
    }
    assert schema_of(compile_expression("dyn(input.any)"), TYPES) is None
