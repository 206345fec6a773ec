"""Where in an objective a template's input is said, though it is none of the template's phrases."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.domain.template import Template
from accord.planner.spans import Filled, fill, wanted_of

TEXT = {"type": "string"}
DATE = {"type": "string", "format": "date"}
LASTING = {"type": "string", "format": "duration"}
SHORT = {"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d))+$"}
PATH = {"type": "string", "format": "path"}


def template(*examples: str, needed: tuple[str, ...] | None = None, **properties: Any) -> Template:
    value = {
        "accord": "template/1",
        "name": "some",
        "version": "1.0.0",
        "examples": examples,
        "input": {
            "type": "object",
            "properties": properties,
            "required": list(properties if needed is None else needed),
        },
        "tasks": {"only": {"uses": "text.any"}},
    }
    return msgspec.convert(value, Template)


def filled(objective: str, *examples: str, given: dict[str, Any] | None = None, **properties: Any) -> Filled:
    return fill(objective, template(*examples, **properties), given or {})


@pytest.mark.parametrize(
    ("objective", "schema", "value"),
    [
        ("hotel for us from 12 March 2027 please", DATE, "2027-03-12"),
        ("something on March 3rd, 2027", DATE, "2027-03-03"),
        ("something on 2027/3/9 perhaps", DATE, "2027-03-09"),
        ("do it for 90 minutes", LASTING, "PT90M"),
        ("it takes 1 hour and 30 minutes of work", LASTING, "PT1H30M"),
        ("it takes 2 days and 3 hrs", LASTING, "P2DT3H"),
        ("wait 1 h 30 min then go", SHORT, "1h30m"),
        ("look into ./src/lib and tell", PATH, "./src/lib"),
        ("read report.pdf for me", PATH, "report.pdf"),
        ("mail to anna@example.org now", {"type": "string", "format": "email"}, "anna@example.org"),
        ("fetch https://example.org/a?b=c for us", {"type": "string", "format": "uri"}, "https://example.org/a?b=c"),
        ("fetch https://example.org, then tell us", {"type": "string", "format": "uri"}, "https://example.org"),
        ("ticket ABC-17 is open", {"type": "string", "pattern": "^[A-Z]+-[0-9]+$"}, "ABC-17"),
        ("i would like twenty-one of them", {"type": "integer"}, 21),
        ("give me 2.5 of it", {"type": "number"}, 2.5),
        ("make it very fast for us", {"enum": ["very-fast", "slow"]}, "very-fast"),
    ],
)
def test_what_is_typed_stands_for_itself(objective: str, schema: dict[str, Any], value: Any) -> None:
    assert filled(objective, one=schema).input == {"one": value}


def test_what_leads_to_a_date_still_stands_in_front_of_its_slot() -> None:
    phrases = ("plan a visit of {patient} on {day}", "invite {patient} for {day}")
    found = filled("schedule a visit of Bob on 4 December 2026", *phrases, patient=TEXT, day=DATE)
    assert found.input == {"patient": "Bob", "day": "2026-12-04"}
    assert found.words["day"] == "4 December 2026"


@pytest.mark.parametrize(
    ("objective", "schema"),
    [
        ("on 12 March", DATE),
        ("on 31 February 2027", DATE),
        ("soon", DATE),
        ("between 3 and 5 of them", {"type": "integer"}),
        ("the source code", PATH),
        ("in a while", LASTING),
        ("as purple as can be", {"enum": ["red", "green"]}),
        ("on and off", {"type": "boolean"}),
    ],
)
def test_nothing_is_guessed(objective: str, schema: dict[str, Any]) -> None:
    assert filled(objective, one=schema).input == {}


def test_of_two_numbers_each_goes_where_its_name_is_said() -> None:
    number = {"type": "integer"}
    found = filled("split it among 3 people in 12 parts", people=number, parts=number)
    assert found.input == {"people": 3, "parts": 12}
    assert found.words == {"people": "3", "parts": "12"}
    assert filled("split it, 3 and 12", people=number, parts=number).input == {}


def test_a_number_that_is_not_needed_is_taken_where_its_name_is_said_alone() -> None:
    some = template(needed=(), files={"type": "integer"})
    assert fill("at most 40 files", some, {}).input == {"files": 40}
    assert fill("in 40 minutes", some, {}).input == {}


def test_a_text_is_what_stands_where_a_phrase_has_it() -> None:
    found = filled("would you kindly summarize moby dick", "summarize {book}", book=TEXT)
    assert found.input == {"book": "moby dick"}


def test_a_text_stands_behind_the_word_that_leads_to_it() -> None:
    phrases = ("tell {person} about {topic}", "write to {person} about {topic}")
    found = filled("let anna know about the new house", *phrases, person=TEXT, topic=TEXT)
    assert found.input["topic"] == "the new house"


def test_the_only_text_is_what_is_in_quotation_marks() -> None:
    assert filled("what about 'the big one' then", book=TEXT).input == {"book": "the big one"}


def test_a_list_is_read_whole_and_a_text_ends_at_a_comma() -> None:
    many = {"type": "array", "items": TEXT}
    assert filled("please do compare a, b and c", "compare {those}", those=many).input == {"those": ["a", "b", "c"]}
    assert filled("please do take one, will you", "take {it}", it=TEXT).input == {"it": "one"}


def test_what_is_given_is_not_sought() -> None:
    found = filled("give me 3", given={"n": 4}, n={"type": "integer"})
    assert found.input == {}
    assert wanted_of(template(n={"type": "integer"}, m=TEXT), {"n": 4}) == ("m",)


WORDS = st.lists(st.sampled_from(["please", "do", "it", "some", "way", "soon"]), max_size=4).map(" ".join)


@given(st.dates(min_value=date(1900, 1, 1), max_value=date(2199, 12, 31)), WORDS, WORDS, st.integers(0, 2))
def test_any_date_is_read_back(day: date, before: str, after: str, form: int) -> None:
    month = day.strftime("%B")
    said = (day.isoformat(), f"{day.day} {month} {day.year}", f"{month[:3]} {day.day}, {day.year}")[form]
    assert filled(f"{before} {said} {after}", when=DATE).input == {"when": day.isoformat()}


@given(st.integers(-(10**12), 10**12), WORDS, WORDS)
def test_any_number_is_read_back(number: int, before: str, after: str) -> None:
    found = filled(f"{before} {number} {after}", n={"type": "integer"})
    assert found.input == {"n": number}
    assert found.words == {"n": str(number)}


@given(st.integers(1, 999), st.sampled_from(["seconds", "minutes", "hours", "days"]), WORDS)
def test_any_duration_is_read_back(number: int, unit: str, after: str) -> None:
    letter = unit[0].upper()
    wanted = f"P{number}D" if letter == "D" else f"PT{number}{letter}"
    assert filled(f"it lasts {number} {unit} {after}", lasting=LASTING).input == {"lasting": wanted}


OPTIONS = st.lists(st.from_regex(r"[a-z]{4,9}(-[a-z]{3,6})?", fullmatch=True), min_size=1, max_size=5, unique=True)


@given(OPTIONS, st.data())
def test_any_option_is_read_back(options: list[str], data: st.DataObject) -> None:
    said = data.draw(st.sampled_from(options))
    found = filled(f"make 1 {said.replace('-', ' ')} 2", kind={"enum": options}).input
    assert found in ({"kind": said}, {}) or found["kind"] in options
    if len(options) == 1:
        assert found == {"kind": said}


@given(st.text(max_size=60))
def test_any_text_gives_a_valid_input_or_none(text: str) -> None:
    found = filled(text, "go to {place} on {day}", place=TEXT, day=DATE, n={"type": "integer"})
    assert set(found.input) == set(found.words)
    assert all(word.strip() for word in found.words.values())
