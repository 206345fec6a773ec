"""The search for witnesses: what it finds, that it is deterministic, and that it ends."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.domain.schema import JsonSchema, compile_schema
from accord.verifier.pattern import counts_in, texts_for
from accord.verifier.witness import find_witness


def witness(producer: JsonSchema, consumer: JsonSchema) -> tuple[object, ...]:
    return find_witness(compile_schema(producer), compile_schema(consumer))


class TestFinding:
    @pytest.mark.parametrize(
        "producer",
        [
            {"type": "integer", "minimum": 10, "multipleOf": 7},
            {"type": "number", "exclusiveMinimum": 0.25, "exclusiveMaximum": 1},
            {"type": "string", "minLength": 30},
            {"type": "string", "pattern": r"^[A-Z]{3}-\d{4}$"},
            *({"type": "string", "format": name} for name in ("date-time", "email", "uuid", "ipv6", "uri", "duration")),
            {"type": "array", "minItems": 5, "items": {"type": "boolean"}},
            {"type": "array", "prefixItems": [{"const": 1}, {"type": "string"}], "minItems": 2, "items": False},
            {"type": "object", "required": ["a"], "properties": {"a": {"enum": ["x"]}}},
            {"type": "object", "minProperties": 1, "additionalProperties": {"type": "integer"}},
            {"allOf": [{"properties": {"a": {"type": "integer"}}}, {"required": ["a"], "type": "object"}]},
            {"allOf": [{"minimum": 5}, {"maximum": 6}, {"type": "integer"}]},
            {"oneOf": [{"type": "string"}, {"const": "a"}]},
            {
                "$ref": "#/$defs/a",
                "$defs": {"a": {"required": ["b"], "type": "object", "properties": {"b": {"const": 3}}}},
            },
            {"const": {"deep": [1, {"x": None}]}},
        ],
    )
    def test_a_value_of_every_kind_of_schema(self, producer: JsonSchema) -> None:
        """Against a consumer that accepts nothing, any valid value is a witness."""
        (found,) = witness(producer, False)
        assert compile_schema(producer).is_valid(found)

    def test_nothing_where_there_is_nothing(self) -> None:
        assert witness({"type": "string"}, True) == ()
        assert witness(False, {"type": "string"}) == ()
        assert witness({"type": "integer"}, {"type": "number"}) == ()

    def test_a_value_may_be_null(self) -> None:
        assert witness({"type": ["null", "string"]}, {"type": "string"}) == (None,)

    def test_hints_come_first(self) -> None:
        producer, consumer = compile_schema({"type": "integer"}), compile_schema({"not": {"const": 123456}})
        assert find_witness(producer, consumer, hints=[{"const": 123456}]) == (123456,)

    def test_the_shortest_is_taken(self) -> None:
        assert witness({"type": "object", "properties": {"a": True, "b": True}}, False) == ({},)

    def test_recursion_ends(self) -> None:
        node: JsonSchema = {
            "$ref": "#/$defs/n",
            "$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}, "m": {"$ref": "#/$defs/n"}}}},
        }
        assert witness(node, {"type": "object", "additionalProperties": False}) != ()
        endless: JsonSchema = {"type": "object", "required": ["n"], "properties": {"n": {"$ref": "#"}}}
        assert witness(endless, False) == ()

    def test_schemas_that_unfold_end(self) -> None:
        """Six levels of a hundred members each: a million million schemas, if all were read."""
        levels: dict[str, object] = {
            f"l{level}": {
                "type": "object",
                "properties": {f"p{n}": {"$ref": f"#/$defs/l{level + 1}"} for n in range(100)},
            }
            for level in range(6)
        }
        schema: JsonSchema = {"$ref": "#/$defs/l0", "$defs": {**levels, "l6": {"type": "integer"}}}
        assert witness(schema, {"type": "object", "maxProperties": 1}) != ()

    def test_wide_schemas_end(self) -> None:
        wide: JsonSchema = {"type": "object", "properties": {f"p{n}": {"enum": list(range(50))} for n in range(200)}}
        assert witness(wide, {"type": "object", "properties": {"p199": {"maximum": 0}}}) != ()


def test_it_does_not_depend_on_the_process() -> None:
    """Names are compared by text, never by hash: equal in processes with different hash seeds."""
    program = (
        "from accord.verifier.compatibility import covers\n"
        "print(covers({'type': 'object', 'maxProperties': 1}, {'type': 'object', 'properties': "
        "{n: {'type': ['string', 'integer', 'null']} for n in 'zyxabc'}}).witness)"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(answers) == 1


class TestPattern:
    @pytest.mark.parametrize(
        "pattern",
        [
            "^abc$",
            "^[a-z]+$",
            r"^\d{4}-\d{2}$",
            "a|bc|d",
            "^(x|yz)*w?$",
            r"^[^a-z0]{2,3}$",
            r"^\w+@\w+\.(com|org)$",
            "^(?:ab){2}$",
            r"^[\]x]$",
            "^.+$",
            r"^\$\{[A-Z_]+\}$",
            "",
        ],
    )
    def test_texts_match(self, pattern: str) -> None:
        texts = texts_for(pattern)
        assert texts
        assert [text for text in texts if not re.search(pattern, text)] == []

    @pytest.mark.parametrize("pattern", ["(?=a)b", "(?<n>a)", r"\p{L}", "a{", "(a", "[a", "*a", "a)", "\\"])
    def test_what_it_cannot_read_gives_nothing(self, pattern: str) -> None:
        assert texts_for(pattern) == ()

    @given(st.text("ab[](){}|*+?^$\\.,-0123dw", max_size=12))
    def test_never_another_error(self, pattern: str) -> None:
        assert all(isinstance(text, str) for text in texts_for(pattern))

    def test_counts(self) -> None:
        assert counts_in("a{2}b{3,}c{4,5}") == (2, 3, 4, 5)
