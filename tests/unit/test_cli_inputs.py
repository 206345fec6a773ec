"""Inputs from the command line: `--input`, `--set`, answers to forms."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.cli.asking import read_answer
from accord.cli.finding import read_moment
from accord.cli.inputs import changed, changes, read_input, read_value
from accord.errors import BadInput

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "limit": {"type": "integer", "default": 7},
        "products": {"type": "array", "items": {"type": "string"}},
        "numbers": {"type": "array", "items": {"type": "integer"}},
        "deep": {"type": "object", "properties": {"ratio": {"type": "number"}, "text": {"type": "string"}}},
        "any": {},
    },
    "required": ["name"],
    "additionalProperties": False,
}


@given(st.text())
def test_a_member_that_is_a_string_is_taken_as_it_is(text: str) -> None:
    assert changed({}, [f"name={text}"], SCHEMA) == {"name": text}


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53), st.lists))
def test_a_member_of_any_type_is_json(value: Any) -> None:
    assert changed({}, [f"any={json.dumps(value)}"], SCHEMA) == {"any": value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("products=typer, rich", {"products": ["typer", "rich"]}),
        ('products=["a,b"]', {"products": ["a,b"]}),
        ("numbers=1, 2,three", {"numbers": [1, 2, "three"]}),
        ("products=1,2", {"products": ["1", "2"]}),
        ("limit=3", {"limit": 3}),
        ("limit=three", {"limit": "three"}),
        ("deep.ratio=0.5", {"deep": {"ratio": 0.5}}),
        ("deep.text=0.5", {"deep": {"text": "0.5"}}),
        ("name=a=b", {"name": "a=b"}),
        ("other=1", {"other": 1}),
    ],
)
def test_what_set_means_is_told_by_the_schema(text: str, value: Any) -> None:
    assert changed({}, [text], SCHEMA) == value


def test_sets_change_what_the_input_says_and_defaults_fill_the_rest() -> None:
    given_ = read_input('{"name": "a", "deep": {"ratio": 1}}', ["deep.text=x"], SCHEMA)
    assert given_.value == {"name": "a", "limit": 7, "deep": {"ratio": 1, "text": "x"}}


def test_all_sets_that_are_wrong_are_told_at_once() -> None:
    with pytest.raises(BadInput) as caught:
        changed({"name": 1}, ["nonsense", "=x", "a..b=1", "name.x=1"], SCHEMA)
    assert [problem.code for problem in caught.value.problems] == ["ACC911"] * 4


def test_violations_have_the_lines_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "input.yaml"
    file.write_text("name: a\nlimit: many\nextra: 1\n")
    with pytest.raises(BadInput) as caught:
        read_input(str(file), [], SCHEMA)
    assert [(one.place.line, one.place.column) for one in caught.value.problems] == [(2, 8), (3, 1)]
    assert {one.place.file for one in caught.value.problems} == {str(file)}


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3), ("-1.5e2", -150), ("true", True), ("null", None), ('"a"', "a"), ("[1]", [1])]
)
def test_json_of_any_kind_is_taken_as_it_stands(text: str, value: Any) -> None:
    assert read_value(text, "--data").value == value


def test_an_input_may_come_by_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"name": "piped"}'))
    assert read_value("-", "--input").value == {"name": "piped"}


@pytest.mark.parametrize("text", ["", "no/such/file.json", '{"a":', "[1,", '{"a": 1, "a": 2}'])
def test_an_input_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_value(text, "--input")
    assert caught.value.problems[0].code.startswith("ACC")


def test_changes_are_members_of_an_object() -> None:
    assert changes(None, ["limit=1"], SCHEMA) == {"limit": 1}
    assert changes(None, [], SCHEMA) == {}
    with pytest.raises(BadInput):
        changes("[1]", [], SCHEMA)


def test_times_are_told_by_how_long_ago_or_exactly() -> None:
    assert abs(datetime.now(UTC) - timedelta(hours=2) - read_moment("2h", "--since")) < timedelta(minutes=1)
    assert read_moment("2026-01-02T03:04:05Z", "--since") == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    with pytest.raises(BadInput):
        read_moment("yesterday", "--at")


@pytest.mark.parametrize(
    ("said", "schema", "value"),
    [
        ("y", {"type": "boolean"}, True),
        ("No", {"type": "boolean"}, False),
        ("12", {"type": "string"}, "12"),
        ("12", {"type": "integer"}, 12),
        ("b", {"enum": ["a", "b"]}, "b"),
        ("[1, 2]", {"type": "array"}, [1, 2]),
    ],
)
def test_answers_are_read_by_the_form(said: str, schema: dict[str, Any], value: Any) -> None:
    assert read_answer(said, schema) == value


@pytest.mark.parametrize(
    ("said", "schema"), [("maybe", {"type": "boolean"}), ("x", {"type": "integer"}), ("c", {"enum": ["a"]})]
)
def test_answers_that_do_not_fit_are_refused(said: str, schema: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        read_answer(said, schema)


def test_what_is_missing_is_told_with_the_option_that_gives_it() -> None:
    open_schema = {**SCHEMA, "additionalProperties": True}
    with pytest.raises(BadInput) as missing:
        read_input(None, [], open_schema)
    assert [one.hint for one in missing.value.problems] == ["give it with --set name=…; rule /required"]
    with pytest.raises(BadInput) as misspelt:
        read_input(None, ["nmae=x"], open_schema)
    assert [one.hint for one in misspelt.value.problems] == ["is it what `nmae` means? rule /required"]
