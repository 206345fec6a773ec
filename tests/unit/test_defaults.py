"""What inputs are completed with, and what is known of them then."""

from __future__ import annotations

from typing import Any

import pytest

from accord.domain.defaults import completed, schema_when_completed
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
