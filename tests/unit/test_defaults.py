"""What inputs are completed with, and what is known of them then."""

from __future__ import annotations

from typing import Any

import pytest

from accord.domain.defaults import completed, default_problems, schema_when_completed
from accord.domain.schema import compile_schema

FOUR = {"type": "integer", "default": 4}


def inside(part: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": part}, **rest}


DEEP = inside(inside(inside(FOUR, default={}), default={}))


@pytest.mark.parametrize(
    ("given", "full"),
    [
        ({}, {"a": {"a": {"a": 4}}}),
        ({"a": {}}, {"a": {"a": {"a": 4}}}),
        ({"a": {"a": {"a": 5}}}, {"a": {"a": {"a": 5}}}),
        ({"b": 1}, {"b": 1, "a": {"a": {"a": 4}}}),
    ],
)
def test_a_default_is_completed_like_what_is_given(given: Any, full: Any) -> None:
    assert completed(given, DEEP) == full
    assert completed(full, DEEP) == full
    assert compile_schema(schema_when_completed(DEEP)).is_valid(completed(given, DEEP))
    assert DEEP["properties"]["a"]["default"] == {}


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ({"type": "integer", "default": 4}, False),
        ({"type": "integer", "default": None}, True),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}, False),
        ({"$ref": "#/$defs/short", "default": "long"}, True),
        ({"$ref": "#/$defs/short", "default": "sh"}, False),
        (inside(FOUR, default={}, required=["a"]), False),
        (inside({"type": "integer", "default": "4"}), True),
    ],
)
def test_a_default_that_its_own_schema_refuses_is_a_problem(part: Any, wrong: bool) -> None:
    schema = {"properties": {"x": {"items": {**part, "description": "So many."}}}, "$defs": {"short": {"maxLength": 2}}}
    found = list(default_problems(schema, "/input"))
    assert all("So many." not in str(one.hint) for one in found)
    assert [each.code for each in found] == ["ACC248"] * wrong
    assert all((one.place.pointer or "").startswith("/input/properties/x/items") for one in found)
