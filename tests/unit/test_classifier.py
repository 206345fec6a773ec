"""The second way: other words than those of phrases, learnt from examples."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from accord.domain.contract import Contract, compile_contract
from accord.domain.ids import Digest
from accord.domain.learning import DecidedBy, Lesson, Meant
from accord.domain.template import Template
from accord.errors import InputRequired, NotUnderstood
from accord.planner.by_classifier import Classifier
from accord.planner.classifier import models, training
from accord.planner.classifier.examples import Example, digest_of_examples, examples_of, phrase_of, phrases_of
from accord.planner.classifier.features import Features, piece_features, word_features
from accord.planner.classifier.model import Model
from accord.planner.classifier.models import Models, learnable
from accord.planner.classifier.training import Trained, Training
from accord.planner.plan import Plan, plan
from accord.planner.ways import Found, Judge, KnownTemplate, Objective, Unsure
from accord.verifier.known import ContractTable

NOTHING = ContractTable([])
TEXT = {"type": "string"}

SAID: dict[str, tuple[dict[str, Any], list[str]]] = {
    "weather-report": (
        {"place": TEXT},
        [
            "what is the weather in {place}",
            "will it rain in {place}",
            "weather forecast for {place}",
            "how warm is it in {place}",
            "tell me the temperature in {place}",
            "do i need an umbrella in {place}",
        ],
    ),
    "money-transfer": (
        {"amount": {"type": "integer"}, "to": TEXT},
        [
            "send {amount} dollars to {to}",
            "transfer {amount} to {to}",
            "pay {to} {amount} dollars",
            "move {amount} dollars of my money to {to}",
            "wire {amount} to the account of {to}",
        ],
    ),
    "alarm-setting": (
        {"time": {"type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$"}},
        [
            "set an alarm for {time}",
            "wake me up at {time}",
            "alarm at {time} please",
            "i want to be woken at {time}",
            "ring the alarm clock at {time}",
        ],
    ),
    "music-player": (
        {"kind": {"enum": ["jazz", "rock", "classical"]}},
        [
            "play some {kind}",
            "put on {kind} music",
            "i want to hear {kind}",
            "start a playlist of {kind}",
            "turn on some {kind} songs",
        ],
    ),
}


def known(name: str, properties: dict[str, Any], examples: Sequence[str]) -> KnownTemplate:
    value = {
        "accord": "template/1",
        "name": name,
        "version": "1.0.0",
        "examples": examples,
        "input": {"type": "object", "properties": properties, "required": list(properties)},
        "tasks": {"only": {"uses": "text.any"}},
    }
    return KnownTemplate(msgspec.convert(value, Template), Digest(name))


TEMPLATES = [known(name, *of) for name, of in SAID.items()]
WAYS = {"by words": Classifier(), "by what words mean": Classifier(), "by what sentences mean, too": Classifier()}
IN_USE: list[Classifier] = []


@pytest.fixture(autouse=True, params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything holds without the extras `meaning` and `sentences`, and with them."""
    if request.param == "by words":
        monkeypatch.setattr(training, "meanings", lambda: None)
    if request.param != "by what sentences mean, too":
        monkeypatch.setattr(training, "sentences", lambda: None)
    IN_USE[:] = [WAYS[request.param]]


def planned(text: str, *, templates: Sequence[KnownTemplate] = TEMPLATES, **more: Any) -> Plan:
    return asyncio.run(plan(Objective(text, templates, NOTHING, **more), IN_USE))


@pytest.mark.parametrize(
    ("text", "template", "value"),
    [
        ("could you tell me whether it will rain in rome", "weather-report", {"place": "rome"}),
        ("i need the weather forecast in new york", "weather-report", {"place": "new york"}),
        ("please transfer 50 dollars of my money to anna", "money-transfer", {"amount": 50, "to": "anna"}),
        ("i want an alarm, wake me up at 7:30 am", "alarm-setting", {"time": "07:30"}),
        ("turn on the music, i want to hear some rock songs", "music-player", {"kind": "rock"}),
    ],
)
def test_other_words_are_understood(text: str, template: str, value: dict[str, Any]) -> None:
    found = planned(text)
    assert (found.way, found.template) == ("classifier", f"{template}@1.0.0")
    assert found.input == value
    assert 0.5 < found.confidence <= 1
    assert any(template in reason for reason in found.reasons)
    assert set(found.slots) == set(value)


@pytest.mark.parametrize(
    "text",
    [
        "who won the election of 1912",
        "translate this poem into latin",
        "quantum chromodynamics",
        "delete everything",
        "??? 17",
        "my cat seems unhappy since tuesday",
    ],
)
def test_what_is_unlike_all_examples_is_refused_and_names_nothing_that_is_far(text: str) -> None:
    with pytest.raises(NotUnderstood) as raised:
        planned(text)
    (problem,) = raised.value.problems
    assert problem.code == "ACC807"
    assert (problem.message, problem.hint) == ("it is too unlike all examples", None) or " sure of `" in problem.message
    assert raised.value.several == (), "what is outside of all is asked about by nobody"


@pytest.mark.parametrize(
    ("confidence", "shares", "several"),
    [
        (0.45, (0.5, 0.4), ("weather-report", "music-player")),
        (0.45, (0.6, 0.2), ()),
        (0.2, (0.5, 0.4), ()),
    ],
)
def test_templates_that_are_about_equally_likely_are_named(
    confidence: float, shares: tuple[float, float], several: tuple[str, ...]
) -> None:
    async def judge(objective: str) -> Meant:
        best = tuple(zip(("weather-report", "music-player"), shares, strict=True))
        return Meant(label=None, confidence=confidence, best=best)

    with pytest.raises(NotUnderstood) as raised:
        planned("what about singing in the rain", judge=judge)
    assert raised.value.several == several


@pytest.mark.parametrize(("confidence", "near"), [(0.45, ["weather-report", "music-player"]), (0.05, [])])
def test_templates_that_are_likely_are_near_though_they_have_no_word_of_it(confidence: float, near: list[str]) -> None:
    async def judge(objective: str) -> Meant:
        best = (("weather-report", 0.5), ("music-player", 0.4), ("money-transfer", 0.1))
        return Meant(label=None, confidence=confidence, best=best)

    with pytest.raises(NotUnderstood) as raised:
        planned("drizzle ahead", judge=judge)
    (hint,) = [str(one.hint) for one in raised.value.problems if one.code == "ACC807"]
    assert [name for name in ("weather-report", "music-player", "money-transfer") if f"`{name}`" in hint] == near


@pytest.mark.parametrize("by", ["words", "sentences"])
def test_a_plan_says_where_the_whole_sentence_has_decided(by: DecidedBy) -> None:
    async def judge(objective: str) -> Meant:
        best = (("weather-report", 0.9), ("music-player", 0.1))
        return Meant(label="weather-report", confidence=0.85, best=best, by=by)

    found = planned("what is the weather like in rome", judge=judge)
    assert any("whole sentence" in reason for reason in found.reasons) is (by == "sentences")


def test_exactly_the_missing_part_is_asked_for() -> None:
    with pytest.raises(InputRequired) as raised:
        planned("transfer some of my money to anna, in dollars")
    wanting = raised.value.wanting
    assert wanting is not None
    assert (wanting.template, wanting.input) == ("money-transfer@1.0.0", {"to": "anna"})
    assert wanting.schema == {
        "type": "object",
        "properties": {"amount": {"type": "integer"}},
        "required": ["amount"],
    }
    assert "`amount`" in raised.value.problems[0].message


def test_what_is_given_beside_the_words_is_not_asked_for() -> None:
    found = planned("transfer some of my money to anna, in dollars", change=lambda value, _: {**value, "amount": 7})
    assert found.template == "money-transfer@1.0.0"
    assert found.input == {"to": "anna"}


def test_a_negation_that_no_example_has_is_refused() -> None:
    with pytest.raises(NotUnderstood) as raised:
        planned("do not transfer 50 dollars of my money to anna")
    assert "`not`" in raised.value.problems[0].message


def judging(lessons: Sequence[Lesson]) -> Judge:
    """A classifier that has learnt these, as its version 3."""
    of, school = [one.template for one in TEMPLATES], Models()

    async def judge(objective: str) -> Meant | None:
        examples = learnable([*phrases_of(of), *examples_of(lessons, of)])
        return await (await school.of(examples)).judged(objective, 3)

    return judge


def test_examples_from_use_teach_other_words() -> None:
    text = "any grib charts outdoors, at my place"
    with pytest.raises(NotUnderstood) as before:
        planned(text)
    assert before.value.problems[0].code == "ACC807"
    learnt = [
        Lesson(objective=f"{start} in {place}", template="weather-report")
        for start in ("any grib charts", "grib charts outdoors", "grib charts")
        for place in ("{place}", "oslo", "lima")
    ]
    found = planned(text, judge=judging(learnt))
    assert (found.template, found.input) == ("weather-report@1.0.0", {"place": "my place"})
    assert found.classifier == 3
    assert planned("will it snow in rome").classifier == 0


def test_of_the_same_words_the_newest_example_counts_and_slots_are_filled() -> None:
    of = [one.template for one in TEMPLATES]
    said = [("Play {kind}", "money-transfer"), ("play {kind}", "music-player"), ("feed the cat", "pet-care")]
    lessons = [Lesson(objective=words, template=template) for words, template in [*said, ("order a pizza", None)]]
    assert list(examples_of(lessons, of)) == [Example("play jazz", "music-player"), Example("order a pizza", None)]


def test_what_goes_into_the_input_is_not_learnt() -> None:
    assert phrase_of("send 50 dollars to anna of {x}", {"to": "anna", "amount": "50"}) == (
        "send {amount} dollars to {to} of (x)"
    )


ABILITIES = {
    compile_contract(capability=name, version="1.0.0", input_schema=True, output_schema=True): words
    for name, words in (("text.any", "Look up what is asked for."), ("report.send", "Send a report to a doctor."))
}


def judged_as(template: str) -> Judge:
    """A classifier that takes all for one template."""

    async def judge(objective: str) -> Meant:
        return Meant(label=template, confidence=0.95, best=((template, 1.0),))

    return judge


@pytest.mark.parametrize(
    ("text", "beyond", "several"),
    [
        ("repair the temperature in rome", "`repair`: it is not known to mean that", ("weather-report",)),
        ("tell me the temperature in rome, then feed them", "`feed`: it is not known", ("weather-report",)),
        ("send a report of the temperature in rome", "in rome`: `report.send` does that", ()),
        ("after lunch tell me the temperature in rome", "`after`: nothing would be done for it", ()),
        ("tell me twice the temperature in rome", "`twice`: nothing would be done for it", ()),
    ],
)
def test_a_template_is_not_meant_by_what_it_does_not_do(text: str, beyond: str, several: tuple[str, ...]) -> None:
    described = {str(one.ref): words for one, words in ABILITIES.items()}
    asked = Objective(text, TEMPLATES, ContractTable(ABILITIES), described=described, judge=judged_as("weather-report"))
    answer = asyncio.run(Classifier().find(asked))
    assert isinstance(answer, Unsure)
    assert [one.code for one in answer.problems] == ["ACC809"]
    assert beyond in answer.problems[0].message
    assert answer.several == several


def capability(name: str, takes: dict[str, Any], gives: dict[str, Any]) -> Contract:
    several = [
        {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}
        for members in (takes, gives)
    ]
    return compile_contract(capability=name, version="1.0.0", input_schema=several[0], output_schema=several[1])


COLD = {
    capability(
        "freezer.check", {"freezer": TEXT}, {"alarm": {"type": "boolean"}}
    ): "Check the temperature of a freezer.",
    capability("technician.call", {}, {"called": {"type": "boolean"}}): "Call the technician on duty.",
}
WATCH = {
    "accord": "template/1",
    "name": "freezer-watch",
    "version": "1.0.0",
    "examples": ["look after freezer {freezer}", "watch the freezer {freezer}", "make sure that {freezer} is cold"],
    "input": {"type": "object", "properties": {"freezer": TEXT}, "required": ["freezer"]},
    "tasks": {
        "check": {"uses": "freezer.check", "with": {"freezer": "${ input.freezer }"}},
        "call": {"uses": "technician.call", "when": "${ tasks.check.output.alarm }"},
    },
}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("check the freezer F1", "`freezer-watch` is not for `check the freezer F1`: it does more"),
        ("first call the technician, then check the freezer F1", "it uses `technician.call` under a condition"),
        ("check the humidity of freezer F1", "is not for `humidity`: nothing would be done for it"),
        ("have a look at the freezer F1", None),
        ("look at the freezer", "for `freezer-watch` the objective does not say `freezer`"),
    ],
)
def test_what_is_said_in_the_words_of_capabilities_is_done_as_it_is_said(text: str, told: str | None) -> None:
    described = {str(one.ref): words for one, words in COLD.items()}
    watch = KnownTemplate(msgspec.convert(WATCH, Template), Digest("freezer-watch"))
    asked = Objective(text, [watch], ContractTable(COLD), described=described, judge=judged_as("freezer-watch"))
    answer = asyncio.run(Classifier().find(asked))
    if told is None:
        assert isinstance(answer, Found)
    else:
        assert isinstance(answer, Unsure)
        assert told in answer.problems[0].message


def test_what_only_describes_is_told_and_makes_a_template_less_likely() -> None:
    plain, more = (
        planned(text, judge=judged_as("weather-report"))
        for text in ("predict the weather in rome", "predict the purple weather in rome")
    )
    assert (plain.confidence, plain.left_out) == (0.95, ())
    assert more.left_out == ("not understood: `the purple`",)
    assert more.left_out[0] in more.reasons
    assert more.confidence < 0.8


@pytest.mark.parametrize("how", [{"version": 3}, {"by": "sentences"}])
def test_no_word_is_strange_where_other_examples_or_sentences_have_decided(how: dict[str, Any]) -> None:
    async def judge(objective: str) -> Meant:
        return Meant(label="weather-report", confidence=0.95, best=(("weather-report", 1.0),), **how)

    found = planned("is it about to pour cats outdoors in rome", judge=judge)
    assert (found.confidence, found.left_out) == (0.95, ())


def test_few_examples_are_not_trusted() -> None:
    few = [known("one", {}, ["say one", "say the one"]), known("two", {}, ["do two"])]
    answer = asyncio.run(Classifier().find(Objective("say one", few, NOTHING)))
    assert answer == Unsure()
    assert not learnable([*phrases_of(one.template for one in few)])


def test_without_scikit_learn_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "find_spec", lambda name: None)
    answer = asyncio.run(Classifier().find(Objective("send money", TEMPLATES, NOTHING)))
    assert isinstance(answer, Unsure)
    (problem,) = answer.problems
    assert problem.code == "ACC806"
    assert "accord-orchestrator[planner]" in str(problem.hint)


def test_a_model_is_trained_once_for_the_same_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[int] = []
    whole = Training.whole

    def counted(self: Training, examples: Sequence[Example]) -> Trained:
        trained.append(len(examples))
        return whole(self, examples)

    monkeypatch.setattr(Training, "whole", counted)
    fresh = Classifier()
    for text in ("wake me up at 7:30 am", "put on some jazz music"):
        asyncio.run(fresh.find(Objective(text, TEMPLATES, NOTHING)))
    assert len(trained) == 1


def test_the_digest_is_of_the_set() -> None:
    some = [Example("a", "x"), Example("b", None), Example("c", "y")]
    assert digest_of_examples(some) == digest_of_examples([*reversed(some), some[0]])
    assert digest_of_examples(some) != digest_of_examples([Example("a", "y"), *some[1:]])


def test_strangers_that_are_given_are_refused() -> None:
    examples = list(phrases_of(one.template for one in TEMPLATES))
    strangers = ["who won the war", "translate a poem", "how old is the queen", "what does entropy mean"]
    model = Model([*examples, *(Example(text, None) for text in strangers)])
    judged = list(model.judge(["who won the long war", "put on some jazz music"]))
    assert [one.label for one in judged] == [None, "music-player"]
    assert judged[0].confidence < judged[1].confidence
    assert model.figures.outside_recall >= 0.75


def test_words_and_pieces() -> None:
    assert {"send", "#send", "send money", "^send money", "money$"} - set(word_features("send money")) == {"money$"}
    assert "send money$" in word_features("Send money")
    assert piece_features("ab") == [" ab", "ab ", " ab "]
    assert Features(["send money", "wake me"]).unknown("sending grapes") == 0.5
    assert word_features("…") == []
