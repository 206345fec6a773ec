"""Repair: what is beyond doubt is mended, everything else is left alone; nothing is lost, nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.builtin.diagnose import RULES
from accord.builtin.json_text import only_value
from accord.builtin.near_names import is_near, renamed
from accord.builtin.readings import respelt
from accord.builtin.repair import Repair, repair
from accord.domain.schema import compile_schema

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
NUMBER = {"type": "number"}
FLAG = {"type": "boolean"}
DAY = {"type": "string", "format": "date"}
PERSON = {
    "type": "object",
    "properties": {
        "full_name": TEXT,
        "age": WHOLE,
        "mood": {"enum": ["Very Happy", "sad"]},
        "born": DAY,
        "tags": {"type": "array", "items": TEXT},
    },
    "required": ["full_name", "age"],
    "additionalProperties": False,
}
ANN = {"full_name": "Ann", "age": 3}
SHAPES = {
    "oneOf": [
        {
            "type": "object",
            "properties": {"kind": {"const": "circle"}, "radius": NUMBER},
            "required": ["kind", "radius"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"kind": {"const": "square"}, "side": NUMBER},
            "required": ["kind", "side"],
            "additionalProperties": False,
        },
    ]
}
TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"size": WHOLE, "parts": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
            "required": ["size"],
        }
    },
}


CLOSED = {"type": "object", "additionalProperties": False}


def member(schema: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"m": schema}, **more}


def rules(found: Repair | None) -> list[str]:
    return [change.rule for change in found.changes] if found else []


def mended(value: object, schema: Any) -> object:
    found = repair(value, compile_schema(schema))
    return "-" if found is None else found.value


@pytest.mark.parametrize(
    ("value", "schema", "expected", "expected_rules"),
    [
        ("3", WHOLE, 3, ["number-from-text"]),
        (" 3 ", WHOLE, 3, ["number-from-text"]),
        ("3.0", WHOLE, 3, ["number-from-text"]),
        ("1e3", WHOLE, 1000, ["number-from-text"]),
        ("-3.5", NUMBER, -3.5, ["number-from-text"]),
        ("18446744073709551615", WHOLE, 2**64 - 1, ["number-from-text"]),
        ("True", FLAG, True, ["boolean-from-text"]),
        ("false", FLAG, False, ["boolean-from-text"]),
        (3, TEXT, "3", ["text-from-number"]),
        (3.5, {"type": ["string", "null"]}, "3.5", ["text-from-number"]),
        (3, {"anyOf": [TEXT, {"type": "null"}]}, "3", ["text-from-number"]),
        ("3", {"anyOf": [WHOLE, {"type": "null"}]}, 3, ["number-from-text"]),
        ({"m": None}, member(WHOLE), {}, ["null-left-out"]),
        ({"m": None}, member({"anyOf": [WHOLE, TEXT]}), {}, ["null-left-out"]),
        ({"m": None}, member({**WHOLE, "default": 4}, required=["m"]), {"m": 4}, ["null-left-out", "filled"]),
        ({"x": None}, member(WHOLE, additionalProperties=False), {}, ["null-left-out"]),
        ({"x": None, "_meta": 1}, CLOSED, {}, ["null-left-out", "metadata-removed"]),
        ({"result": {}}, CLOSED, {}, ["unwrapped"]),
        ({}, member({"default": [1]}, required=["m"]), {"m": [1]}, ["filled"]),
        ({}, member({"const": None}, required=["m"]), {"m": None}, ["filled"]),
        ({}, member({"enum": ["x"]}, required=["m"]), {"m": "x"}, ["filled"]),
        ({}, {"allOf": [member({"const": 1}), {"required": ["m"]}]}, {"m": 1}, ["filled"]),
        ("very-happy", PERSON["properties"]["mood"], "Very Happy", ["matched-option"]),
        ("2", {"enum": [1, 2]}, 2, ["matched-option"]),
        (2, {"enum": ["1", "2"]}, "2", ["matched-option"]),
        ("YES", {"const": "yes"}, "yes", ["matched-option"]),
        (" ab ", {"type": "string", "pattern": "^[a-z]+$"}, "ab", ["trimmed"]),
        (" 2024-05-06\n", DAY, "2024-05-06", ["trimmed"]),
        ("6 May 2024", DAY, "2024-05-06", ["respelt-date"]),
        ("25/12/2024", DAY, "2024-12-25", ["respelt-date"]),
        (ANN | {"age": "3"}, PERSON, ANN, ["number-from-text"]),
        ({"FullName": "Ann", "age": 3}, PERSON, ANN, ["renamed"]),
        ({"full_nmae": "Ann", "age": 3}, PERSON, ANN, ["renamed"]),
        ({**ANN, "Mood": "sad"}, PERSON, {**ANN, "mood": "sad"}, ["renamed"]),
        ({**ANN, "_meta": {"model": "m"}}, PERSON, ANN, ["metadata-removed"]),
        ({"result": ANN}, PERSON, ANN, ["unwrapped"]),
        ({"person": ANN}, PERSON, ANN, ["unwrapped"]),
        ({"result": ANN, "status": "ok"}, PERSON, ANN, ["metadata-removed", "unwrapped"]),
        ({"data": {"result": ANN}}, PERSON, ANN, ["unwrapped", "unwrapped"]),
        ([ANN], PERSON, ANN, ["unwrapped"]),
        ({"value": "3"}, WHOLE, 3, ["unwrapped", "number-from-text"]),
        ({"items": ["1"]}, {"type": "array", "items": WHOLE}, [1], ["unwrapped", "number-from-text"]),
        (ANN, {"type": "array", "items": PERSON}, [ANN], ["wrapped"]),
        ("a", {"type": "array", "items": TEXT}, ["a"], ["wrapped"]),
        (3, member(WHOLE, required=["m"]), {"m": 3}, ["wrapped"]),
        ('{"full_name": "Ann", "age": 3}', PERSON, ANN, ["parsed-text"]),
        ('Sure:\n```json\n{"full_name": "Ann", "age": "3"}\n```', PERSON, ANN, ["parsed-text", "number-from-text"]),
        ({"kind": "circle", "radius": "2"}, SHAPES, {"kind": "circle", "radius": 2}, ["number-from-text"]),
        (
            {"m": {}},
            {"anyOf": [{"type": "null"}, member(member({"const": 1}, required=["m"]))]},
            {"m": {"m": 1}},
            ["filled"],
        ),
        (
            {"m": {}},
            {
                "anyOf": [{"type": "null"}, member({"$ref": "#/$defs/x"})],
                "$defs": {"x": member({"const": 1}, required=["m"])},
            },
            {"m": {"m": 1}},
            ["filled"],
        ),
        (
            {"result": 3},
            {"type": "object", "properties": {"results": WHOLE}, "required": ["results"]},
            {"results": 3},
            ["renamed"],
        ),
        (
            {"result": {"m": 1}, "meta": "3"},
            {"type": "object", "properties": {"m": WHOLE, "meta": WHOLE}, "required": ["m"]},
            {"m": 1},
            ["metadata-removed", "unwrapped"],
        ),
        ({"side": 2}, SHAPES, {"side": 2, "kind": "square"}, ["filled"]),
        (
            {"size": 1, "parts": [{"size": "2", "parts": {"size": "3"}}]},
            TREE,
            {"size": 1, "parts": [{"size": 2, "parts": [{"size": 3}]}]},
            ["number-from-text", "wrapped", "number-from-text"],
        ),
    ],
    ids=str,
)
def test_what_is_beyond_doubt_is_mended(
    value: object, schema: Any, expected: object, expected_rules: list[str]
) -> None:
    before = msgspec.json.encode(value)
    found = repair(value, compile_schema(schema))
    assert mended(value, schema) == expected
    assert rules(found) == expected_rules
    assert msgspec.json.encode(value) == before
    assert set(expected_rules) <= RULES.keys()


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (1, FLAG),
        ("1", FLAG),
        ("yes", FLAG),
        (True, TEXT),
        (True, {"enum": [1]}),
        (1, {"enum": [True, "a"]}),
        ("3.5", WHOLE),
        ("1,000", WHOLE),
        ("007", WHOLE),
        ("3 apples", WHOLE),
        ("", WHOLE),
        ("NaN", NUMBER),
        ("1e400", NUMBER),
        ("9" * 1000, WHOLE),
        (5, {"type": "integer", "maximum": 4}),
        ("5", {"type": "integer", "maximum": 4}),
        (3, {"anyOf": [{"type": "integer", "maximum": 2}, TEXT]}),
        ("A", {"enum": ["a_b", "aB"]}),
        ("AB", {"enum": ["a_b", "aB"]}),
        ("--", {"enum": ["-", "_"]}),
        ("03/04/2024", DAY),
        ("2024-05-06T10:00:00Z", DAY),
        ("2024-02-30", DAY),
        ("2024-05-06T10:00:00", {"type": "string", "format": "date-time"}),
        ({"x": 1}, CLOSED),
        ({"m": {}}, member(False)),
        ({"m": None}, member(WHOLE, required=["m"])),
        ({"k": None}, {"type": "object", "additionalProperties": WHOLE}),
        ([None], {"type": "array", "items": WHOLE}),
        ({}, member(WHOLE, required=["m"])),
        ({**ANN, "extra": 1}, PERSON),
        ({**ANN, "_meta": 1, "extra": 1}, PERSON),
        ({"full_nam": "a", "full_namee": "b", "age": 3}, PERSON),
        ({"result": ANN, "status": "error"}, PERSON),
        ({"result": ANN, "success": False}, PERSON),
        ({"result": ANN, "success": 1}, PERSON),
        ({"result": ANN, "error": "it broke"}, PERSON),
        ({"result": ANN, "data": ANN}, PERSON),
        ({"person": {**ANN, "age": "3"}}, PERSON),
        ([ANN, ANN], PERSON),
        ("a, b", {"type": "array", "items": TEXT}),
        (None, {"type": "array"}),
        ({"a": []}, {"type": "array"}),
        ({"radius": 1, "side": 1}, SHAPES),
        (3.5, {"anyOf": [TEXT, WHOLE]}),
        ({}, {"anyOf": [member({"const": 1}, required=["m"]), member({"const": 2}, required=["m"])]}),
        (
            {"result": {"result": {}, "m": 1}},
            {"type": "object", "properties": {"result": {"type": "object"}, "m": WHOLE}, "required": ["result", "m"]},
        ),
        (True, {"enum": ["true"]}),
        ({"result": None}, {"type": "null"}),
        ([None], {"type": "null"}),
        ({"colour": 1.5}, {"type": "array", "items": NUMBER}),
        (3, {"type": "array", "items": {"type": "array", "items": WHOLE}}),
        (3, {"type": "array", "items": member(WHOLE)}),
        ("3", {"allOf": [WHOLE, TEXT]}),
        ([], {"type": "array", "minItems": 1}),
        ([1, 1], {"type": "array", "uniqueItems": True}),
        (1, False),
        ('{"full_name": "Ann", "full_name": "Eve", "age": 3}', PERSON),
    ],
    ids=str,
)
def test_what_is_in_doubt_is_left_alone(value: object, schema: Any) -> None:
    assert mended(value, schema) == "-"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', {"a": 1}),
        ("42", 42),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ("```\n42\n```", 42),
        ('Here it is [sic]:\n\n{"a": [1]}\n\nI hope {name} likes it.', {"a": [1]}),
        ('~~~json\n["a"]\n~~~\nbye', ["a"]),
        ('```json\n{"a": 1}', {"a": 1}),
        ('\ufeff{"a": 1}', {"a": 1}),
        ('```python\nprint(3)\n```\n{"a": 1}', {"a": 1}),
        ("the answer is 42", "-"),
        ('{"a": 1} and {"b": 2}', "-"),
        ('```json\n{"a": 1}\n```\n{"b": 1}', "-"),
        ('```json\n{"a": 1,}\n```\nor {"b": 2}', "-"),
        ('{"a": [1, 2], }', "-"),
        ('```json\n{"a": [1, 2], }\n```', "-"),
        ('x {"a": {"b": 1}, c}', "-"),
        ('x {"a": 1, "a": 2}', "-"),
        ("x {'a': 1}", "-"),
        ("x " + "[" * 10_000, "-"),
        ("x " + "[" * 70 + "]" * 70, "-"),
        ("[NaN] x", "-"),
        ("", "-"),
        ("no brackets", "-"),
    ],
)
def test_the_only_json_value_of_a_text(text: str, expected: object) -> None:
    found = only_value(text)
    assert ("-" if found is msgspec.UNSET else found) == expected


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("2024/5/6", "date", "2024-05-06"),
        ("20240506", "date", "2024-05-06"),
        ("May 6th, 2024", "date", "2024-05-06"),
        ("6-Sept-2024", "date", "2024-09-06"),
        ("06.06.2024", "date", "2024-06-06"),
        ("2024-05-06T00:00:00Z", "date", "2024-05-06"),
        ("6 Maybe 2024", "date", None),
        ("2024-05/06", "date", None),
        ("32/01/2024", "date", None),
        ("2024-05-06 10:11:12Z", "date-time", "2024-05-06T10:11:12Z"),
        ("2024-05-06 10:11:12.5 UTC", "date-time", "2024-05-06T10:11:12.5Z"),
        ("2024-05-06T10:11:12+0200", "date-time", "2024-05-06T10:11:12+02:00"),
        ("{123E4567E89B12D3A456426614174000}", "uuid", "123E4567-E89B-12D3-A456-426614174000"),
        ("urn:uuid:123e4567-e89b-12d3-a456-426614174000", "uuid", "123e4567-e89b-12d3-a456-426614174000"),
        ("anything", "email", None),
        ("anything", None, None),
    ],
)
def test_other_spellings(text: str, form: str | None, expected: str | None) -> None:
    assert [one.value for one in respelt(text, form)] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("fullName", "full_name", True),
        ("descripton", "description", True),
        ("descirption", "description", True),
        ("total_price", "total_prices", True),
        ("is_valid", "is_invalid", False),
        ("include_patterns", "exclude_patterns", False),
        ("symmetric", "asymmetric", False),
        ("value_10", "value_11", False),
        ("min", "max", False),
        ("a", "b", False),
        ("_", "-", False),
    ],
)
def test_near_names(one: str, other: str, near: bool) -> None:
    assert is_near(one, other) is near
    assert is_near(other, one) is near


def test_an_exact_name_is_preferred_to_a_near_one() -> None:
    assert renamed(["Colours", "colourz"], ["colours"]) == {"Colours": "colours"}
    assert renamed(["colourx", "colourz"], ["colours"]) == {}
    assert renamed(["colourx"], ["colours", "colourz"]) == {}
    assert renamed(["_"], ["-"]) == {}


def test_many_violations_are_mended_in_few_rounds() -> None:
    many = [{"size": str(number)} for number in range(5000)]
    found = repair({"size": 1, "parts": many}, compile_schema(TREE))
    assert found is not None
    assert len(found.changes) == 5000
    assert found.changes[4999].pointer == "/parts/4999/size"


def test_what_is_removed_is_recorded() -> None:
    found = repair({"result": "3", "status": "ok", "_meta": [1]}, compile_schema(WHOLE))
    assert found is not None
    assert [(change.pointer, change.before) for change in found.changes if change.before is not None] == [
        ("/status", "ok"),
        ("/_meta", [1]),
        ("", "3"),
    ]


def test_pointers_are_escaped_and_of_the_whole() -> None:
    found = repair({"a/b": {"result": "3"}}, compile_schema({"type": "object", "properties": {"a/b": WHOLE}}))
    assert found is not None
    assert [change.pointer for change in found.changes] == ["/a~1b/result", "/a~1b"]


# -- properties ----------------------------------------------------------------------------------------------

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["3", " 4.5 ", "true", "a", "red", "RED ", "2024-05-06", "5 May 2024", '{"a": 1}', "[1]", ""]),
)
NAMES = st.sampled_from(["colour", "Colour", "colours", "amount", "amuont", "result", "data", "_meta", "status", "z"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
LEAVES: st.SearchStrategy[Any] = st.sampled_from(
    [
        TEXT,
        WHOLE,
        NUMBER,
        FLAG,
        DAY,
        {"type": ["integer", "null"]},
        {"enum": ["red", "green"]},
        {"const": 3},
        {"type": "integer", "minimum": 0, "default": 7},
        {"type": "string", "pattern": "^[a-z]+$"},
        {},
    ]
)


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(["colour", "amount", "result", "z"])
    return st.builds(
        lambda properties, optional, closed: {
            "type": "object",
            "properties": properties,
            "required": [name for name in properties if name not in optional],
            **({"additionalProperties": False} if closed else {}),
        },
        st.dictionaries(names, inner, max_size=3),
        st.sets(names),
        st.booleans(),
    )


SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        _objects(inner),
        inner.map(lambda items: {"type": "array", "items": items}),
        st.lists(inner, min_size=1, max_size=3).map(lambda some: {"anyOf": some}),
        st.lists(inner, min_size=1, max_size=2).map(lambda some: {"oneOf": some}),
        st.lists(inner, min_size=1, max_size=2).map(lambda some: {"allOf": some}),
    ),
    max_leaves=6,
)


def scalars(value: object) -> Iterator[str]:
    """The scalars in a value, as JSON; those inside of JSON text are in the text."""
    if isinstance(value, dict):
        for one in value.values():
            yield from scalars(one)
    elif isinstance(value, list):
        for one in value:
            yield from scalars(one)
    else:
        yield orjson.dumps(value).decode()


@given(VALUES, SCHEMAS)
def test_a_repair_is_valid_complete_and_always_the_same(value: Any, document: Any) -> None:
    schema = compile_schema(document)
    before = orjson.dumps(value)
    found = repair(value, schema)
    assert orjson.dumps(value) == before
    assert repair(value, schema) == found
    if found is None:
        assert not schema.is_valid(value)
        return
    assert schema.is_valid(found.value)
    assert repair(found.value, schema) == Repair(found.value)
    kept = {*scalars(found.value), *(one for change in found.changes for one in scalars(change.before))}
    assert set(scalars(value)) - {"null"} <= kept
    assert scalars_left_out(value, found) <= sum(change.rule == "null-left-out" for change in found.changes)


def scalars_left_out(value: object, found: Repair) -> int:
    """How many nulls of the value are neither in the repaired one nor in what was removed with a wrapper."""
    removed = [*scalars(found.value), *(one for change in found.changes for one in scalars(change.before))]
    return list(scalars(value)).count("null") - removed.count("null")


@given(VALUES, SCHEMAS)
def test_a_valid_value_is_returned_as_it_is(value: Any, document: Any) -> None:
    schema = compile_schema(document)
    found = repair(value, schema)
    assert (found is not None and found.value is value and found.changes == ()) is schema.is_valid(value)


@st.composite
def _spoilt(draw: st.DrawFn) -> tuple[dict[str, Any], Any]:
    """A record that keeps `PERSON`, and what an untidy agent makes of it."""
    record: dict[str, Any] = {"full_name": draw(st.sampled_from(["Ann", "Bo"])), "age": draw(st.integers(0, 99))}
    spoilt: Any = dict(record)
    if draw(st.booleans()):
        spoilt["age"] = draw(st.sampled_from([f"{record['age']}", f" {record['age']} ", f"{record['age']}.0"]))
    if draw(st.booleans()):
        spoilt[draw(st.sampled_from(["fullName", "Full-Name", "full_nmae"]))] = spoilt.pop("full_name")
    if draw(st.booleans()):
        record["mood"] = "Very Happy"
        spoilt["mood"] = draw(st.sampled_from(["very_happy", "VERY HAPPY", "VeryHappy"]))
    if draw(st.booleans()):
        spoilt["born"] = None
    for wrap in draw(st.lists(st.sampled_from(["result", "list", "text", "envelope"]), max_size=2)):
        spoilt = {
            "result": {"result": spoilt},
            "list": [spoilt],
            "text": orjson.dumps(spoilt).decode(),
            "envelope": {"data": spoilt, "status": "ok", "_meta": {"model": "m"}},
        }[wrap]
    return record, spoilt


@given(_spoilt())
def test_what_an_untidy_agent_meant_is_found(pair: tuple[dict[str, Any], Any]) -> None:
    record, spoilt = pair
    assert mended(spoilt, PERSON) == record


@given(VALUES, st.sampled_from(["", "Here you are: ", "As asked [1.x]:\n"]), st.sampled_from(["", "\nBye."]))
def test_a_document_is_found_in_the_text_around_it(value: Any, head: str, tail: str) -> None:
    document = orjson.dumps({"it": value}).decode()
    assert only_value(head + document + tail) == {"it": value}
    assert only_value(f"{head}\n```json\n{document}\n```\n{tail}") == {"it": value}
