"""Contracts: their digest, the schemas that they accept, and what they say of values that break them."""

from __future__ import annotations

import hashlib
import pickle
from datetime import timedelta
from decimal import Decimal

import pytest
import rfc8785

from accord.domain.contract import Contract, Limits, compile_contract, read_contract
from accord.domain.schema import MAX_VIOLATIONS, JsonSchema, compile_schema
from accord.errors import BadInput, ContractViolation

INPUT: JsonSchema = {
    "type": "object",
    "properties": {"text": {"type": "string", "minLength": 1}, "count": {"type": "integer", "maximum": 9}},
    "required": ["text"],
    "additionalProperties": False,
}
OUTPUT: JsonSchema = {"type": "object", "properties": {"when": {"type": "string", "format": "date-time"}}}
LIMITS = Limits(timedelta(seconds=30), Decimal("1.50"), Decimal("0.8"))


def contract(**changes: object) -> Contract:
    parts: dict[str, object] = {
        "capability": "text.summarize",
        "version": "1.2.0",
        "input_schema": INPUT,
        "output_schema": OUTPUT,
        "limits": LIMITS,
    }
    return compile_contract(**(parts | changes))  # type: ignore[arg-type]  # the parts of a contract by name


def problems_of(schema: object) -> list[tuple[str, str | None]]:
    with pytest.raises(ContractViolation) as caught:
        compile_schema(schema, pointer="/x")  # type: ignore[arg-type]  # no schema, on purpose
    return [(problem.code, problem.place.pointer) for problem in caught.value.problems]


class TestContract:
    def test_digest_is_over_the_canonical_form(self) -> None:
        form = {
            "capability": "text.summarize",
            "version": "1.2.0",
            "input": INPUT,
            "output": OUTPUT,
            "limits": {"deadline_s": 30, "max_cost": "1.5", "min_confidence": "0.8"},
        }
        assert contract().document() == form
        assert contract().digest == hashlib.sha256(rfc8785.dumps(form)).hexdigest()

    def test_order_of_members_does_not_matter(self) -> None:
        assert isinstance(INPUT, dict)
        assert contract(input_schema=dict(reversed(INPUT.items()))) == contract()
        assert hash(contract()) == hash(contract())

    @pytest.mark.parametrize(
        "change",
        [
            {"capability": "text.other"},
            {"version": "1.2.1"},
            {"input_schema": True},
            {"output_schema": False},
            {"limits": Limits(timedelta(seconds=31), Decimal("1.5"), Decimal("0.8"))},
        ],
    )
    def test_every_part_counts(self, change: dict[str, object]) -> None:
        assert contract(**change).digest != contract().digest
        assert contract(**change) != contract()

    def test_round_trip(self) -> None:
        assert read_contract(contract().document()) == contract()
        assert read_contract(contract(limits=Limits()).document()) == contract(limits=Limits())
        assert pickle.loads(pickle.dumps(contract())) == contract()  # noqa: S301 our own bytes
        assert str(contract().ref) == "text.summarize@1.2.0"

    def test_all_problems_at_once(self) -> None:
        with pytest.raises(BadInput) as caught:
            contract(
                capability="X",
                version="1",
                input_schema={"type": "strin", "minimum": "x"},
                output_schema={"$ref": "https://a.example/b"},
                limits=Limits(timedelta(0), Decimal(-1), Decimal(2)),
            )
        found = [(problem.code, problem.place.pointer) for problem in caught.value.problems]
        assert sorted(found, key=str) == sorted(
            [
                ("ACC230", None),
                ("ACC231", None),
                ("ACC240", "/input/type"),
                ("ACC240", "/input/minimum"),
                ("ACC241", "/output/$ref"),
                *[("ACC245", "/limits")] * 3,
            ],
            key=str,
        )

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"extra": 1}, "ACC246"),
            ({"limits": {"deadline": 3}}, "ACC246"),
            ({"limits": 3}, "ACC246"),
            ({"version": 3}, "ACC246"),
            ({"input": 3}, "ACC240"),
            ({"limits": {"deadline_s": "3"}}, "ACC245"),
            ({"limits": {"max_cost": 3}}, "ACC245"),
            ({"limits": {"min_confidence": "1e400"}}, "ACC245"),
            ({"limits": {"min_confidence": "NaN"}}, "ACC245"),
            ({"limits": {"deadline_s": 0}}, "ACC245"),
            ({"limits": {"deadline_s": True}}, "ACC245"),
            ({"limits": {"deadline_s": 1e300}}, "ACC245"),
            ({"limits": {"deadline_s": float("nan")}}, "ACC245"),
        ],
    )
    def test_reading_refuses(self, change: dict[str, object], code: str) -> None:
        with pytest.raises(ContractViolation) as caught:
            read_contract(contract().document() | change)
        assert [problem.code for problem in caught.value.problems] == [code]

    def test_reading_refuses_all_at_once(self) -> None:
        with pytest.raises(ContractViolation) as caught:
            read_contract(contract().document() | {"input": 1, "limits": {"deadline_s": -1, "max_cost": "x"}})
        assert [problem.code for problem in caught.value.problems] == ["ACC245", "ACC245", "ACC240"]

    def test_reading_refuses_what_is_missing(self) -> None:
        with pytest.raises(ContractViolation) as caught:
            read_contract({})
        assert len(caught.value.problems) == 4


class TestViolations:
    def test_none(self) -> None:
        assert contract().violations_of_input({"text": "x", "count": 3}) == ()
        assert contract().violations_of_output({"when": "2024-01-01T00:00:00Z"}) == ()

    def test_all_of_them(self) -> None:
        found = contract().violations_of_input({"text": "", "count": 12, "more": 1})
        assert {each.code for each in found} == {"ACC250"}
        assert {each.place.pointer for each in found} == {"/text", "/count", "/more"}
        assert {each.hint for each in found} == {
            "rule /properties/text/minLength",
            "rule /properties/count/maximum",
            "there are `text`, `count`; rule /additionalProperties",
        }

    def test_formats_are_checked(self) -> None:
        (found,) = contract().violations_of_output({"when": "yesterday"})
        assert (found.code, found.place.pointer) == ("ACC251", "/when")

    def test_the_alternative_that_was_meant(self) -> None:
        schema = compile_schema(
            {"anyOf": [{"type": "null"}, {"properties": {"a": {"type": "integer"}}, "type": "object"}]}
        )
        (found,) = schema.violations({"a": "x"})
        assert found.hint is not None
        assert found.place.pointer == "/a"
        assert found.message == '"x" is not of type "integer"'

    def test_of_a_value_that_is_of_no_alternatives_type_the_types_are_told(self) -> None:
        document: dict[str, object] = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}]}
        (wrong,) = compile_schema(document).violations(5)
        assert wrong.message == '5 is not of types "string", "null"'
        (short,) = compile_schema(document).violations("")
        assert (short.message, short.hint) == ('"" is shorter than 1 character', "rule /anyOf/0/minLength")

    def test_a_missing_member_may_be_there_under_another_name(self) -> None:
        schema = compile_schema({"properties": {"sides": {}, "size": {}}, "required": ["sides"]})
        assert [each.hint for each in schema.violations({"sdies": 3})] == ["is it what `sdies` means? rule /required"]
        assert [each.hint for each in schema.violations({"size": 3})] == ["rule /required"]

    def test_their_number_and_length_are_bounded(self) -> None:
        schema = compile_schema({"items": {"type": "string"}})
        found = schema.violations([1] * 200)
        assert len(found) == MAX_VIOLATIONS + 1
        assert "more violations" in found[-1].message
        (long,) = compile_schema({"type": "integer"}).violations("x" * 10_000)
        assert len(long.message) < 300

    @pytest.mark.parametrize("value", [{1: 2}, object(), {"text": object()}])
    def test_what_is_no_json_is_invalid(self, value: object) -> None:
        schema = compile_schema({"type": "object", "additionalProperties": {"type": "object"}})
        assert not schema.is_valid(value)
        assert [each.code for each in schema.violations(value)] == ["ACC250"]

    def test_pointers_are_escaped(self) -> None:
        (found,) = compile_schema({"properties": {"a/b~": {"type": "null"}}}).violations({"a/b~": 1})
        assert found.place.pointer == "/a~1b~0"


class TestSchema:
    @pytest.mark.parametrize(
        ("schema", "expected"),
        [
            (5, [("ACC240", "/x")]),
            ({"type": "strin"}, [("ACC240", "/x/type")]),
            ({"$schema": "http://json-schema.org/draft-07/schema#"}, [("ACC240", "/x/$schema")]),
            ({"pattern": "(?=a)"}, [("ACC240", "/x/pattern")]),
            ({"pattern": "(a{1,1000}){1,1000}"}, [("ACC240", "/x/pattern")]),
            ({"$ref": "https://a.example/b"}, [("ACC241", "/x/$ref")]),
            ({"items": {"$ref": "other.json"}}, [("ACC241", "/x/items/$ref")]),
            ({"$ref": "file:///etc/passwd"}, [("ACC241", "/x/$ref")]),
            ({"$ref": "#/$defs/nowhere"}, [("ACC241", "/x")]),
            ({"properties": {"a": {"$id": "https://a.example/"}}}, [("ACC241", "/x/properties/a/$id")]),
            ({"const": 2**60}, [("ACC242", "/x")]),
            ({"const": float("nan")}, [("ACC242", "/x")]),
            ({"const": "x" * 300_000}, [("ACC242", "/x")]),
            ({"requird": ["a"]}, [("ACC243", "/x/requird")]),
            ({"properties": {"a": {"maxLenght": 1}}}, [("ACC243", "/x/properties/a/maxLenght")]),
            ({"format": "datetime"}, [("ACC244", "/x/format")]),
        ],
    )
    def test_refused(self, schema: object, expected: list[tuple[str, str]]) -> None:
        assert problems_of(schema) == expected

    @pytest.mark.parametrize(
        "schema",
        [
            True,
            False,
            {},
            {"$id": "https://a.example/x", "$schema": "https://json-schema.org/draft/2020-12/schema"},
            {"properties": {"requird": {"type": "string"}, "$ref": {"type": "string"}}},
            {"const": {"$ref": "https://a.example", "requird": 1}},
            {"examples": [{"$ref": "https://a.example"}], "x-own": 1, "discriminator": {"propertyName": "k"}},
            {"$ref": "https://json-schema.org/draft/2020-12/schema"},
            {"format": "binary"},
            {"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"b": {"$ref": "#/$defs/a"}}}}},
        ],
    )
    def test_accepted(self, schema: JsonSchema) -> None:
        assert compile_schema(schema).document == schema

    def test_depth_is_bounded(self) -> None:
        schema: dict[str, object] = {}
        for _ in range(70):
            schema = {"items": schema}
        assert problems_of(schema) == [("ACC242", "/x")]

    @pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
    def test_schemas_that_unfold_without_end_are_refused(self, keyword: str) -> None:
        """Thirty definitions that each use the next one twice: a value would be checked 2^30 times."""
        definitions: dict[str, object] = {
            f"a{number}": {keyword: [{"$ref": f"#/$defs/a{number + 1}"}] * 2} for number in range(30)
        }
        definitions["a30"] = {"$anchor": "end", "type": "string"}
        assert problems_of({"$ref": "#/$defs/a0", "$defs": definitions}) == [("ACC242", "/x")]

    def test_long_chains_are_refused(self) -> None:
        definitions: dict[str, object] = {f"a{number}": {"$ref": f"#/$defs/a{number + 1}"} for number in range(3000)}
        definitions["a3000"] = True
        assert problems_of({"$ref": "#/$defs/a0", "$defs": definitions}) == [("ACC242", "/x")]

    def test_is_a_value(self) -> None:
        one, other = (
            compile_schema({"type": "string", "minLength": 1}),
            compile_schema({"minLength": 1, "type": "string"}),
        )
        assert one == other
        assert hash(one) == hash(other)
        assert one != compile_schema({"type": "string"})
        assert one.validator is other.validator
        assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301 our own bytes
