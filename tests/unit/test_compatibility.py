"""Compatibility along an edge and between versions: what is proven, what is refuted, and by which example."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.domain.contract import Contract, compile_contract
from accord.domain.schema import JsonSchema, compile_schema
from accord.errors import ContractViolation
from accord.verifier.compatibility import Verdict, compatible_version, covers

CLOSED: JsonSchema = {"type": "object", "properties": {"x": {"type": "integer"}}, "additionalProperties": False}


def objects(**properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties, "required": sorted(properties)}


def tree(name: str, leaf: str = "integer") -> dict[str, object]:
    node = objects(value={"type": leaf, "title": name}, kids={"type": "array", "items": {"$ref": f"#/$defs/{name}"}})
    return {**objects(root={"$ref": f"#/$defs/{name}"}), "$defs": {name: node}}


PROVEN: list[tuple[JsonSchema, JsonSchema]] = [
    (True, {"type": "string"}),
    ({"type": "string"}, {"type": "string", "maxLength": 3}),
    ({"type": ["string", "null"]}, {"anyOf": [{"type": "null"}, {"type": "string"}]}),
    ({"type": "number"}, {"type": "integer", "minimum": 3}),
    ({"type": "integer", "multipleOf": 2}, {"type": "integer", "multipleOf": 4}),
    ({"enum": ["a", "b", "c"]}, {"enum": ["a", "c"]}),
    ({"type": "object", "required": ["a"]}, objects(a={"type": "string"}, b=True)),
    ({"type": "array", "items": {"type": "string"}}, {"type": "array", "items": {"const": "a"}, "minItems": 1}),
    ({"type": "string"}, {"type": "string", "format": "date", "pattern": "^2"}),
    (tree("A"), tree("B")),
    (tree("A"), {**tree("B"), "additionalProperties": False}),
]
REFUTED: list[tuple[JsonSchema, JsonSchema, object]] = [
    (False, True, 0),
    (CLOSED, {**CLOSED, "properties": {"x": {"type": "number"}}}, {"x": 0.5}),
    (CLOSED, {"type": "object", "properties": {"x": {"type": "integer"}}}, {"a": None}),
    ({"type": "string", "maxLength": 3}, {"type": "string"}, "aaaa"),
    ({"type": "string", "minLength": 2}, {"type": "string", "minLength": 1}, "a"),
    ({"enum": ["a", "b"]}, {"enum": ["a", "c"]}, "c"),
    ({"type": "integer", "maximum": 10}, {"type": "integer", "minimum": 5}, 11),
    ({"type": "integer", "multipleOf": 3}, {"type": "integer", "multipleOf": 2}, 2),
    (objects(a=True), {"type": "object", "properties": {"a": True}}, {}),
    ({"type": "array", "minItems": 1}, {"type": "array"}, []),
    ({"type": "array", "maxItems": 3}, {"type": "array", "items": {"type": "null"}}, [None] * 4),
    ({"type": "array", "uniqueItems": True}, {"type": "array", "items": {"type": "null"}}, [None, None]),
    ({"type": "string", "pattern": "^[a-z]{2,4}$"}, {"type": "string", "pattern": "^[a-z]{2,}$"}, "aaaaaa"),
    ({"type": "string", "format": "date"}, {"type": "string"}, ""),
    ({"type": "string"}, {"type": ["string", "null"]}, None),
    (
        objects(list={"type": "array", "items": objects(score={"type": "number", "maximum": 0.5})}),
        objects(list={"type": "array", "items": objects(score={"type": "number", "maximum": 1, "minimum": 0})}),
        {"list": [{"score": 1}]},
    ),
    (
        {"properties": {"kind": {"const": "a"}}},
        {"oneOf": [objects(kind={"const": "a"}), objects(kind={"const": "b"}, more={"type": "integer"})]},
        {"kind": "b", "more": 0},
    ),
    (tree("A"), tree("A", "number"), {"root": {"kids": [], "value": 0.5}}),
]


class TestCovers:
    @pytest.mark.parametrize(("consumer", "producer"), PROVEN)
    def test_proven(self, consumer: JsonSchema, producer: JsonSchema) -> None:
        assert covers(consumer, producer) == Verdict("proven")

    @pytest.mark.parametrize("schema", [consumer for consumer, _, _ in REFUTED] + [producer for _, producer in PROVEN])
    def test_every_schema_covers_itself(self, schema: JsonSchema) -> None:
        assert covers(schema, schema).proven

    @pytest.mark.parametrize(("consumer", "producer", "witness"), REFUTED)
    def test_refuted(self, consumer: JsonSchema, producer: JsonSchema, witness: object) -> None:
        verdict = covers(consumer, producer)
        assert verdict.refuted
        assert len(verdict.shown_witness()) <= len(Verdict("refuted", witness).shown_witness())
        assert compile_schema(producer).is_valid(verdict.witness)
        assert not compile_schema(consumer).is_valid(verdict.witness)
        assert verdict.violations

    def test_the_example_of_the_design(self) -> None:
        verdict = covers(CLOSED, {**CLOSED, "properties": {"x": {"type": "number"}}})
        assert verdict.witness == {"x": 0.5}
        assert verdict.violations[0].place.pointer == "/x"

    def test_unknown_is_not_proven(self) -> None:
        verdict = covers({"type": "string", "pattern": r"\ba"}, {"type": "string", "pattern": r"\bab"})
        assert verdict == Verdict("unknown")
        assert not verdict.proven
        assert not verdict.refuted

    def test_what_is_no_schema_is_refused(self) -> None:
        with pytest.raises(ContractViolation):
            covers({"type": "strin"}, True)

    def test_long_witnesses_are_shown_cut(self) -> None:
        verdict = covers({"type": "string", "maxLength": 999}, {"type": "string", "minLength": 500})
        assert len(str(verdict.witness)) == 1000
        assert len(verdict.shown_witness()) < 250


LEAVES: st.SearchStrategy[JsonSchema] = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "maxLength": 2},
        {"type": "string", "pattern": "^a+$"},
        {"type": "integer"},
        {"type": "integer", "minimum": 0, "maximum": 3},
        {"type": "number", "exclusiveMinimum": 0},
        {"enum": ["a", 1, None]},
        {"const": "a"},
        {"type": ["boolean", "null"]},
        True,
    ]
)
SCHEMAS: st.SearchStrategy[JsonSchema] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda item, least: {"type": "array", "items": item, "minItems": least}, inner, st.integers(0, 2)),
        st.builds(
            lambda members, required, closed: {
                "type": "object",
                "properties": members,
                "required": sorted(required & members.keys()),
                **({"additionalProperties": False} if closed else {}),
            },
            st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            st.frozensets(st.sampled_from("abc")),
            st.booleans(),
        ),
        st.builds(lambda parts: {"anyOf": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: {"allOf": parts}, st.lists(inner, min_size=1, max_size=2)),
        st.builds(lambda part: {"not": part}, inner),
    ),
    max_leaves=6,
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5) | st.sampled_from(["", "a", "aa", "aaa", "b", 0.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=6,
)


class TestSoundness:
    @settings(max_examples=300, deadline=None)
    @given(SCHEMAS, SCHEMAS)
    def test_every_refutation_is_confirmed(self, consumer: JsonSchema, producer: JsonSchema) -> None:
        verdict = covers(consumer, producer)
        if verdict.refuted:
            assert compile_schema(producer).is_valid(verdict.witness)
            assert not compile_schema(consumer).is_valid(verdict.witness)
            assert verdict.violations
        else:
            assert verdict.violations == ()

    @settings(max_examples=300, deadline=None)
    @given(SCHEMAS, SCHEMAS, VALUES)
    def test_no_value_contradicts_a_proof(self, consumer: JsonSchema, producer: JsonSchema, value: object) -> None:
        if compile_schema(producer).is_valid(value) and not compile_schema(consumer).is_valid(value):
            assert not covers(consumer, producer).proven


def contract(version: str, accepts: object, gives: object, capability: str = "a.b") -> Contract:
    return compile_contract(capability=capability, version=version, input_schema=accepts, output_schema=gives)  # type: ignore[arg-type]  # schemas, all of them


NARROW, WIDE = {"type": "integer"}, {"type": "number"}


class TestVersions:
    @pytest.mark.parametrize(
        ("old", "new", "expected"),
        [
            (("1.0.0", NARROW, WIDE), ("1.1.0", WIDE, NARROW), []),
            (("1.0.0", NARROW, WIDE), ("1.0.1", NARROW, WIDE), []),
            (("1.0.0", WIDE, NARROW), ("1.1.0", NARROW, NARROW), ["ACC260"]),
            (("1.0.0", WIDE, NARROW), ("1.0.1", WIDE, WIDE), ["ACC261"]),
            (("1.0.0", WIDE, NARROW), ("1.1.0", NARROW, WIDE), ["ACC260", "ACC261"]),
            (("1.1.0", NARROW, WIDE), ("1.0.1", WIDE, NARROW), ["ACC260", "ACC261"]),
            (("1.0.0", WIDE, NARROW), ("2.0.0", NARROW, WIDE), []),
            (("0.1.0", WIDE, NARROW), ("0.2.0", NARROW, WIDE), []),
            (("0.1.0", WIDE, NARROW), ("0.1.1", NARROW, WIDE), ["ACC260", "ACC261"]),
            (("1.0.0", WIDE, NARROW), ("1.1.0-rc.1", NARROW, WIDE), []),
            (("1.0.0", NARROW, WIDE), ("1.0.0", NARROW, WIDE), []),
            (("1.0.0", NARROW, WIDE), ("1.0.0", WIDE, NARROW), ["ACC263"]),
            (("1.0.0", NARROW, WIDE), ("1.0.0+build", NARROW, WIDE), ["ACC263"]),
            (("1.0.0", {"pattern": r"\bab"}, True), ("1.1.0", {"pattern": r"\ba"}, True), ["ACC262"]),
        ],
    )
    def test_rules(self, old: tuple[str, object, object], new: tuple[str, object, object], expected: list[str]) -> None:
        assert [problem.code for problem in compatible_version(contract(*old), contract(*new))] == expected

    def test_the_example_is_in_the_message(self) -> None:
        (problem,) = compatible_version(contract("1.0.0", WIDE, True), contract("1.1.0", NARROW, True))
        assert problem.message == (
            'a.b@1.1.0 refuses an input that 1.0.0 accepts, such as 0.5: 0.5 is not of type "integer"'
        )
        assert problem.place.pointer == "/input"

    def test_two_capabilities(self) -> None:
        (problem,) = compatible_version(contract("1.0.0", True, True), contract("1.0.0", True, True, "a.c"))
        assert problem.code == "ACC264"
