"""What is asked about a plan is of the plan that runs then."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from accord.domain.contract import Contract, compile_contract
from accord.domain.schema import canonical_form, compile_schema, digest_of
from accord.domain.template import template_from_json
from accord.errors import ContractViolation, InputRequired, NotUnderstood
from accord.planner.plan import Plan, plan
from accord.planner.ways import KnownTemplate, Objective
from accord.verifier.known import ContractTable

TEXT, TRUTH, WHOLE = ({"type": one} for one in ("string", "boolean", "integer"))


def able(name: str, takes: dict[str, Any], gives: dict[str, Any], **definitions: Any) -> Contract:
    def schema(members: dict[str, Any]) -> dict[str, Any]:
        needed = [one for one in members if "default" not in members[one]]
        return {"type": "object", "properties": members, "required": needed, "additionalProperties": False}

    accepts = schema(takes) | ({"$defs": definitions} if definitions else {})
    return compile_contract(capability=name, version="1.0.0", input_schema=accepts, output_schema=schema(gives))


ADDRESS = {"type": "object", "properties": {"city": TEXT}, "required": ["city"], "title": "Address"}
LIBRARY = {
    able("books.availability", {"book": TEXT}, {"available": TRUTH, "copies": WHOLE}): (
        "Check whether a copy of a book is available."
    ),
    able("books.search", {"topic": TEXT, "max_results": {**WHOLE, "maximum": 100, "default": 10}}, {"found": WHOLE}): (
        "Search the catalogue for books about a topic."
    ),
    able("loans.lend", {"book": TEXT, "member": TEXT}, {"loan": TEXT, "member": TEXT}): "Lend a book to a member.",
    able("holds.place", {"book": TEXT, "member": TEXT}, {"hold": TEXT}): "Reserve a book for a member.",
    able(
        "members.register", {"name": TEXT, "address": {"$ref": "#/$defs/Address"}}, {"member": TEXT}, Address=ADDRESS
    ): "Register a new member of the library.",
}
LIBRARY |= {
    able("loans.find", {"member": TEXT}, {"loans": {"type": "array", "items": TEXT}}): "Find all loans of a member.",
    able("parcel.track", {"parcel": TEXT}, {"status": TEXT}): "Track a parcel.",
    able("stock.price", {"symbol": TEXT}, {"price": WHOLE}): "The price of a stock.",
    able("loans.return", {"loan": TEXT}, {"returned": TRUTH}): "Return the book of a loan: take it back.",
    able("books.labels", {"books": {"type": "array", "items": TEXT}}, {"printed": WHOLE}): (
        "Print labels for the spines of books."
    ),
}
LEND = {
    "accord": "template/1",
    "name": "lend-or-reserve",
    "version": "1.0.0",
    "examples": [
        "get {book} for {member}",
        "lend or reserve {book} for {member}",
        "give {member} the book {book}",
        "hand out {book} to {member}",
        "let {member} have {book} for {weeks} weeks",
    ],
    "input": {
        "type": "object",
        "required": ["book", "member"],
        "properties": {"book": TEXT, "member": TEXT, "weeks": {**WHOLE, "default": 4}},
    },
    "tasks": {
        "check": {"uses": "books.availability@^1", "with": {"book": "${input.book}"}},
        "lend": {
            "uses": "loans.lend@^1",
            "when": "${ tasks.check.output.available }",
            "with": {"book": "${input.book}", "member": "${input.member}"},
        },
    },
}

CHASE = {
    "accord": "template/1",
    "name": "chase-overdue",
    "version": "1.0.0",
    "examples": [
        "chase {member}",
        "chase overdue loans of {member}",
        "remind {member} of all that is overdue",
        "ask {member} to bring everything back",
        "dun {member}",
    ],
    "input": {"type": "object", "required": ["member"], "properties": {"member": TEXT}},
    "tasks": {"loans": {"uses": "loans.find@^1", "with": {"member": "${input.member}"}}},
}

ROOM = {
    "accord": "template/1",
    "name": "reading-room",
    "version": "1.0.0",
    "examples": [
        "reading room {room} at {start}",
        "we need room {room} from {start} on",
        "get us the room {room} at {start}",
        "group study in {room} from {start}",
    ],
    "input": {"type": "object", "required": ["room", "start"], "properties": {"room": TEXT, "start": TEXT}},
    "tasks": {"rest": {"sleep": "1s"}},
}


def planned(words: str, *templates: dict[str, Any], **given: Any) -> Plan:
    known = [canonical_form(one) for one in templates]
    objective = Objective(
        words,
        [KnownTemplate(template_from_json(one), digest_of(one)) for one in known],
        ContractTable(LIBRARY),
        change=lambda value, _: {**value, **given},
        described={str(one.ref): said for one, said in LIBRARY.items()},
    )
    return asyncio.run(plan(objective))


def test_what_is_given_decides_nothing_about_which_plan_is_meant() -> None:
    pytest.importorskip("sklearn")
    with pytest.raises(InputRequired) as raised:
        planned('lend "B12" to "M3"', LEND, CHASE, ROOM)
    assert raised.value.wanting is not None
    found = planned('lend "B12" to "M3"', LEND, CHASE, ROOM, book="B12", member="M3")
    assert found.template == raised.value.wanting.template
    assert found.input == {"book": "B12", "member": "M3"}


def test_what_is_said_of_something_that_is_given_otherwise_is_told() -> None:
    with pytest.raises(InputRequired):
        planned("search for books about the topic bees from 1999")
    found = planned("search for books about the topic bees from 1999", max_results=7)
    assert found.input["max_results"] == 7
    assert "not used: `1999`, as `max_results` is given beside the words" in found.left_out
    assert found.slots.keys() == {"topic"}


def test_what_is_asked_for_can_be_checked_although_its_schema_has_definitions() -> None:
    with pytest.raises(InputRequired) as raised:
        planned('register the member "Ada"')
    wanting = raised.value.wanting
    assert wanting is not None
    schema = compile_schema(wanting.schema)
    assert schema.is_valid({"address": {"city": "Rome"}})
    assert not schema.is_valid({"address": {"city": 3}})


def test_what_is_never_done_in_one_run_hands_nothing_over() -> None:
    words = (
        'check whether book "B12" is available; if it is, lend it to member "M3", otherwise reserve it for the member'
    )
    found = planned(words)
    assert found.report.ok
    assert found.document is not None
    assert found.document["tasks"]["place"]["with"]["member"] == "${ input.member }"


@pytest.mark.parametrize(
    ("words", "missing"),
    [('find the loan "L4"', ["member"]), ('return the book "B12"', ["loan"])],
)
def test_a_value_that_is_called_another_thing_is_asked_about(words: str, missing: list[str]) -> None:
    with pytest.raises(InputRequired) as raised:
        planned(words)
    assert raised.value.wanting is not None
    assert raised.value.wanting.schema["required"] == missing


@pytest.mark.parametrize("words", ["find member M7", "print the book B12", "return whether the book B12 is a novel"])
def test_what_is_only_taken_is_not_what_is_asked_for(words: str) -> None:
    with pytest.raises(NotUnderstood) as raised:
        planned(words)
    assert not isinstance(raised.value, InputRequired)


@pytest.mark.parametrize(
    ("words", "task"),
    [
        ('how many copies of the book "B12" are there?', "availability"),
        ('what is the status of the parcel "P1"?', "track"),
        ('what is the price of the stock "ACME"?', "price"),
    ],
)
def test_a_question_is_answered_by_what_gives_what_is_asked_for(words: str, task: str) -> None:
    found = planned(words)
    assert found.document is not None
    assert list(found.document["tasks"]) == [task]


def test_a_question_for_what_an_act_gives_does_not_wish_the_act() -> None:
    with pytest.raises(NotUnderstood) as raised:
        planned('what is the hold of the book "B12" for the member "M3"?')
    assert [one.code for one in raised.value.problems][-1] == "ACC816"


CLOSED = {**LEND, "input": {**LEND["input"], "additionalProperties": False}}


@pytest.mark.parametrize(("words", "templates"), [('lend book "B12"', ()), ('hand out "B12"', (CLOSED,))])
def test_what_is_given_and_is_no_part_of_the_input_is_refused_before_anything_is_asked(
    words: str, templates: tuple[dict[str, Any], ...]
) -> None:
    with pytest.raises(ContractViolation) as caught:
        planned(words, *templates, membr="M3")
    (problem,) = caught.value.problems
    assert (problem.code, problem.place.pointer) == ("ACC450", "/membr")
    assert "did you mean `member`?" in str(problem.hint)


def test_a_template_that_takes_any_member_asks_for_what_is_missing() -> None:
    with pytest.raises(InputRequired):
        planned('hand out "B12"', LEND, membr="M3")
