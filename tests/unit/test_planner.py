"""The planner: objectives that are understood, and those that are honestly not."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accord.builtin
from accord.domain.contract import compile_contract
from accord.domain.ids import Digest
from accord.domain.schema import canonical_form, digest_of
from accord.domain.template import Template
from accord.errors import ContractViolation, NotUnderstood, Problem
from accord.planner.by_rules import Rules
from accord.planner.plan import Plan, plan, plan_template
from accord.planner.slots import Unusable, read_slot
from accord.planner.ways import Answer, Found, KnownTemplate, Objective, Unsure, Way, WayName
from accord.planner.words import stem, words_of
from accord.templates.reading import read_source
from accord.verifier.known import ContractTable
from accord.views.planning import made_entry

AGENTS = ContractTable(each.contract for agent in accord.builtin.agents() for each in agent.capabilities.values())


def built_in() -> list[KnownTemplate]:
    folder = Path(accord.builtin.__file__).parent / "templates"
    sources = [read_source(path) for path in sorted(folder.glob("*.yaml"))]
    return [KnownTemplate(source.template, source.digest) for source in sources]


TEMPLATES = built_in()


def at_once(planning: Coroutine[Any, Any, Plan]) -> Plan:
    """What is planned without waiting for anything."""
    try:
        planning.send(None)
    except StopIteration as end:
        return cast(Plan, end.value)
    raise AssertionError("it waits")


def planned(objective: str, templates: list[KnownTemplate] = TEMPLATES, agents: ContractTable = AGENTS) -> Plan:
    return at_once(plan(Objective(objective, templates, agents)))


def refused(objective: str, templates: list[KnownTemplate] = TEMPLATES) -> NotUnderstood:
    with pytest.raises(NotUnderstood) as raised:
        planned(objective, templates)
    return raised.value


COMPARISONS: list[tuple[str, list[str], str]] = [
    (
        "compare fastapi, litestar and flask for a new web service",
        ["fastapi", "litestar", "flask"],
        "a new web service",
    ),
    ("Compare FastAPI, Litestar, and Flask for a web service.", ["FastAPI", "Litestar", "Flask"], "a web service"),
    ("please compare the rich and textual", ["rich", "textual"], ""),
    ("Could you compare rich with textual?", ["rich", "textual"], ""),
    ("compare rich vs textual", ["rich", "textual"], ""),
    ("rich vs. textual for a terminal app", ["rich", "textual"], "a terminal app"),
    ("httpx versus requests", ["httpx", "requests"], ""),
    ("comparing ./left and ../right for speed", ["./left", "../right"], "speed"),
    ("compare \"my product\" and 'the other one of them'", ["my product", "the other one of them"], ""),
    ("Which of a, b or c is best for parsing?", ["a", "b", "c"], "parsing"),
    ("choose between django & flask for a shop", ["django", "flask"], "a shop"),
    ("I would like you to evaluate attrs and pydantic for settings", ["attrs", "pydantic"], "settings"),
]


@pytest.mark.parametrize(("objective", "products", "purpose"), COMPARISONS, ids=[row[0] for row in COMPARISONS])
def test_a_comparison(objective: str, products: list[str], purpose: str) -> None:
    found = planned(objective)
    assert found.template == "competitive-analysis@1.0.0"
    assert found.input == {"products": products, "purpose": purpose}
    assert found.report.ok


@pytest.mark.parametrize(
    ("objective", "directory"),
    [
        ("audit the source code in ./src", "./src"),
        ("Please audit ./src!", "./src"),
        ("audit the code of /srv/app/", "/srv/app/"),
        ("audit the code in /srv/app", "/srv/app"),
        ("review the source code in 'my project'", "my project"),
        ("source audit of .", "."),
        ("auditing src", "src"),
    ],
)
def test_an_audit(objective: str, directory: str) -> None:
    found = planned(objective)
    assert found.template == "source-audit@1.0.0"
    assert found.input == {"directory": directory, "most_files": 5000}


@pytest.mark.parametrize(
    ("objective", "code"),
    [
        ("book me a flight to Rome", "ACC800"),
        ("delete everything", "ACC800"),
        ("write a poem about code", "ACC800"),
        ("what is a comparison?", "ACC800"),
        ("do not compare rich and textual", "ACC800"),
        ("don't audit ./src", "ACC800"),
        ("competitve analysis of rich and textual", "ACC800"),
        ("for", "ACC800"),
        ("compare", "ACC802"),
        ("audit", "ACC802"),
        ("compare for a web service", "ACC803"),
        ("compare rich", "ACC803"),
        ("compare everything", "ACC803"),
        ("compare it with that", "ACC803"),
        ("compare rich, and", "ACC803"),
        ("compare and delete everything", "ACC809"),
        ("compare the weather in rome with the weather in paris", "ACC803"),
        ("compare how people feel about the war and what they do", "ACC803"),
        ("audit my life", "ACC803"),
        ("audit the code", "ACC802"),
        ("audit ./src and delete it", "ACC809"),
        ("audit it", "ACC803"),
        ("", "ACC805"),
        ("  ?! ", "ACC805"),
        ("word " * 200, "ACC805"),
        ("compare {products} for {purpose}", "ACC808"),
    ],
)
def test_not_understood(objective: str, code: str) -> None:
    problems = refused(objective).problems
    assert problems[0].code == code
    assert problems[0].hint or code == "ACC805"


def test_a_refusal_names_what_is_missing_and_how_to_say_it() -> None:
    (problem,) = refused("compare").problems
    assert "`products`" in problem.message
    assert "`compare {products} for {purpose}`" in str(problem.hint)


@pytest.mark.parametrize(
    ("text", "near"),
    [("audti ./src", "source-audit"), ("what is the weather", None), ("bake a cake", None), ("book the ark", None)],
)
def test_only_what_is_near_is_called_so(text: str, near: str | None) -> None:
    (hint,) = [one.hint for one in refused(text).problems if one.code == "ACC800"]
    assert str(hint).startswith("none has a word of it" if near is None else f"the nearest: `{near}`")


def test_a_refusal_names_the_nearest_template_first() -> None:
    (problem,) = refused("auditor for my books").problems
    assert problem.hint == "the nearest: `source-audit` (`audit {directory}`)"


def known(name: str, *examples: str, version: str = "1.0.0", **properties: Any) -> KnownTemplate:
    value = {
        "accord": "template/1",
        "name": name,
        "version": version,
        "examples": examples,
        "input": {"type": "object", "properties": properties, "required": list(properties)},
        "tasks": {"only": {"uses": "text.any"}},
    }
    return KnownTemplate(msgspec.convert(value, Template), Digest(f"{name}@{version}"))


TEXT = {"type": "string"}


def test_two_that_fit_equally_well_are_refused_by_name() -> None:
    templates = [
        known("book-summary", "summarize {book}", book=TEXT),
        known("page-summary", "summarize {page}", page=TEXT),
    ]
    (problem,) = refused("summarize moby dick", templates).problems
    assert problem.code == "ACC801"
    assert "book-summary" in problem.message
    assert "page-summary" in problem.message


def test_the_phrase_that_says_more_is_meant() -> None:
    templates = [
        known("general", "summarize {book}", book=TEXT),
        known("reviews", "summarize reviews of {book}", book=TEXT),
    ]
    found = planned("summarize the reviews of moby dick", templates)
    assert (found.template, found.input) == ("reviews@1.0.0", {"book": "moby dick"})
    assert [other.template for other in found.alternatives] == ["general@1.0.0"]


def test_only_the_newest_version_is_considered() -> None:
    templates = [known("sum", "sum {n}", n=TEXT, version=version) for version in ("1.9.0", "1.10.0", "1.2.0")]
    assert planned("sum these words", templates).template == "sum@1.10.0"


def test_a_plan_says_why_for_every_part() -> None:
    found = planned("compare rich and textual for terminals")
    assert found.slots == {"products": "rich and textual", "purpose": "terminals"}
    assert found.confidence == 1.0
    assert any("`rich and textual` is its `products`" in reason for reason in found.reasons)
    score = next(task for task in found.tasks if task.task == "score")
    assert score.capability == "software.score@^1"
    assert score.why
    assert {need.task: need.why for need in score.after}["tests"] == "with.tests: ${ tasks.tests.output }"
    assert found.tasks[0].task == "discover"
    assert msgspec.json.decode(msgspec.json.encode(found))["report"]["template"] == found.template


class Told:
    """A way that gives what it is told."""

    name: WayName = "composition"

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def find(self, objective: Objective) -> Answer:
        self.asked.append(objective.text)
        return self.answer


def asked(*ways: Way, text: str = "sum these words") -> Plan:
    return at_once(plan(Objective(text, [known("sum", "sum {n}", n=TEXT)], AGENTS), ways))


def test_ways_are_asked_in_order_and_the_first_that_knows_ends_it() -> None:
    unsure, after = Told(Unsure()), Told(Unsure())
    found = asked(unsure, Rules(), after)
    assert (found.way, found.template) == ("rules", "sum@1.0.0")
    assert (unsure.asked, after.asked) == (["sum these words"], [])


def test_what_is_clear_but_incomplete_is_not_guessed_by_the_next_way() -> None:
    after = Told(Unsure())
    with pytest.raises(NotUnderstood) as raised:
        asked(Rules(), after, text="sum")
    assert [problem.code for problem in raised.value.problems] == ["ACC802"]
    assert not after.asked


def test_where_no_way_knows_each_says_why_and_nothing_is_said_twice() -> None:
    problems = (Problem("ACC800", "one"), Problem("ACC800", "two"))
    with pytest.raises(NotUnderstood) as raised:
        asked(Told(Unsure(problems[:1])), Told(Unsure(problems)))
    assert raised.value.problems == problems


def test_a_template_that_a_way_has_made_is_in_its_plan() -> None:
    document = {"accord": "template/1", "name": "made", "version": "1.0.0", "tasks": {"only": {"sleep": "1s"}}}
    template = msgspec.convert(document, Template)
    made = KnownTemplate(template, digest_of(canonical_form(document)))
    found = asked(Told(Found(known=made, input={}, confidence=0.7, reasons=("it fits",), document=document)))
    assert (found.way, found.confidence, found.document) == ("composition", 0.7, document)
    entry = made_entry(document)
    assert (entry.digest, entry.template) == (found.digest, template)
    assert [task.task for task in found.tasks] == ["only"]


def test_a_graph_that_a_way_has_made_and_that_does_not_hold_is_no_plan() -> None:
    document = {"accord": "template/1", "name": "made", "version": "1.0.0", "tasks": {"only": {"uses": "text.any"}}}
    made = KnownTemplate(msgspec.convert(document, Template), digest_of(canonical_form(document)))
    with pytest.raises(NotUnderstood) as raised:
        asked(Told(Found(known=made, input={}, confidence=0.7, reasons=("it fits",), document=document)))
    assert [one.code for one in raised.value.problems] == ["ACC859", "ACC820"]


def test_a_plan_of_a_named_template_completes_and_checks_its_input() -> None:
    audit = next(each for each in TEMPLATES if each.template.name == "source-audit")
    found = plan_template(audit, {"directory": "src"}, AGENTS)
    assert found.input == {"directory": "src", "most_files": 5000}
    with pytest.raises(ContractViolation):
        plan_template(audit, {"directory": 3}, AGENTS)


def test_a_plan_that_cannot_run_says_so_in_its_report() -> None:
    table = ContractTable(
        [compile_contract(capability="text.other", version="1.0.0", input_schema=True, output_schema=True)]
    )
    found = planned("sum it up", [known("sum", "sum it up")], table)
    assert [error.code for error in found.report.errors] == ["ACC820"]


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("3", {"type": "integer"}, 3),
        ("-2.5", {"type": "number"}, -2.5),
        ("twenty-one", {"type": "integer"}, 21),
        ("a dozen", {"type": "integer"}, 12),
        ("yes", {"type": "boolean"}, True),
        ("very fast", {"enum": ["very-fast", "slow"]}, "very-fast"),
        ("one, two and three", {"type": "array", "items": {"type": "integer"}}, [1, 2, 3]),
        ("both a and b", {"type": "array", "items": TEXT}, ["a", "b"]),
        ("a+b and c", {"type": "array", "items": TEXT}, ["a+b", "c"]),
        ("the big one", TEXT, "the big one"),
    ],
)
def test_slots_are_read_by_their_schema(text: str, schema: Any, value: Any) -> None:
    assert read_slot(words_of(text), text, schema) == value


@pytest.mark.parametrize(
    ("text", "name", "kind", "value"),
    [
        ("30 seconds", "minutes", "number", 0.5),
        ("two hours", "minutes", "integer", 120),
        ("500ms", "timeout_s", "number", 0.5),
        ("1 week", "days", "integer", 7),
        ("-4 \u00b0F", "celsius", "integer", -20),
        ("5 lbs", "grams", "number", 2267.96185),
        ("30 seconds", "minutes", "integer", None),
        ("70 \u00b0F", "celsius", "number", None),
        ("5 kg", "minutes", "number", None),
        ("5 minutes", "timeout_ms", "integer", 300000),
        ("5 minutes", "rounds", "integer", None),
    ],
)
def test_a_number_is_read_in_the_unit_of_its_slot(text: str, name: str, kind: str, value: Any) -> None:
    if value is not None:
        assert read_slot(words_of(text), text, {"type": kind}, name) == value
        return
    with pytest.raises(Unusable):
        read_slot(words_of(text), text, {"type": kind}, name)


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("many", {"type": "integer"}),
        ("2.5", {"type": "integer"}),
        ("perhaps", {"type": "boolean"}),
        ("purple", {"enum": ["red", "green"]}),
        ("11", {"type": "integer", "maximum": 10}),
        ("a,,b", {"type": "array", "items": TEXT}),
        ("in the garden", {"type": "string", "format": "path"}),
        ("that", TEXT),
        ("thing", {"type": "object"}),
    ],
)
def test_slots_that_do_not_fit(text: str, schema: Any) -> None:
    with pytest.raises(Unusable):
        read_slot(words_of(text), text, schema)


@pytest.mark.parametrize("word", ["audit", "audits", "auditing", "audited"])
def test_stems(word: str) -> None:
    assert stem(word) == "audit"


NAMES = st.from_regex(r"[b-z][a-z]{1,8}[0-9](-[a-z]{2,5})?", fullmatch=True)
"""With a digit, as a word may say something else: `not`, `with`."""


@given(st.lists(NAMES, min_size=2, max_size=5, unique=True), st.sampled_from([", and ", " and ", ", ", " or ", " vs "]))
def test_any_list_of_names_is_read_back(names: list[str], last: str) -> None:
    said = ", ".join(names[:-1]) + last + names[-1]
    try:
        found = planned(f"compare {said}")
    except NotUnderstood as error:
        pytest.fail(str(error))
    assert found.input["products"] == names


@given(st.text(max_size=80))
def test_any_text_is_planned_or_refused(text: str) -> None:
    try:
        found = planned(text)
    except NotUnderstood:
        return
    assert found.confidence >= 0.8


@given(
    st.lists(
        st.sampled_from(["buy", "sell", "the", "stock", "of", "rome", "tickets", "to", "for", "me", "send", "mail"]),
        max_size=8,
    )
)
def test_other_wishes_are_never_planned(words: list[str]) -> None:
    assert refused(" ".join(words)).problems
