"""A version of the classifier is compared with the one in use, and used unless it is worse."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from accord.domain.learning import Scores, Trial
from accord.planner.classifier import training
from accord.planner.classifier.examples import Example
from accord.planner.classifier.trial import Request, compared, tried

THINGS = ("paris", "rome", "oslo", "lima", "bern", "kyiv", "cairo", "quito")
SAID = {
    "weather": ("what is the weather in", "will it rain in", "forecast for"),
    "transfer": ("send money to", "wire dollars to", "pay the bill of"),
    "music": ("play a song of", "put on music from", "turn on the band of"),
    "alarm": ("set an alarm for", "wake me up at", "ring the clock at"),
}


def phrases() -> Iterator[Example]:
    for label, starts in SAID.items():
        for at, start in enumerate(starts):
            for thing in THINGS[at : at + 3]:
                yield Example(f"{start} {thing}", label)


COATS = [
    Example(f"{start} {thing}", "weather") for start in ("coat season", "is it time for coats") for thing in THINGS
]
WRONG = [Example(f"{start} {thing}", "transfer") for start in SAID["weather"] for thing in THINGS[3:]]


@pytest.fixture
def by_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the extra `sentences` is not installed: it holds of any classifier, and takes half of the time."""
    monkeypatch.setattr(training, "sentences", lambda: None)


@pytest.mark.usefixtures("by_words")
def test_what_has_learnt_more_is_better_each_time_by_the_same() -> None:
    request = Request([*phrases()], [], COATS)
    trial = tried(request)
    assert trial.before is not None
    assert trial.after.inside_accuracy > trial.before.inside_accuracy
    assert trial.after.examples == trial.before.examples > 30
    assert trial.after.strangers == trial.before.strangers > 30
    assert list(trial.flaws()) == []
    again = Request([*reversed(request.phrases)], [], [*reversed(COATS)])
    assert tried(again) == trial


@pytest.mark.usefixtures("by_words")
def test_what_was_taught_wrongly_is_worse() -> None:
    trial = tried(Request([*phrases()], COATS, [*COATS, *WRONG]))
    assert any(flaw.startswith("refuses") for flaw in trial.flaws())


@pytest.mark.usefixtures("by_words")
def test_what_contradicts_the_phrases_of_templates_is_worse_though_it_agrees_with_itself() -> None:
    authors = [one for one in phrases() if one.text.split()[-1] in THINGS[:4]]
    turned = {"weather": "alarm", "alarm": "music", "music": "weather"}
    taught = [Example(f"now {one.text}", turned[str(one.label)]) for one in phrases() if one.label in turned]
    trial = tried(Request(authors, [], taught))
    assert 0 < trial.after.phrases < trial.after.examples
    assert any("of templates' phrases" in flaw for flaw in trial.flaws())


@pytest.mark.usefixtures("by_words")
def test_strangers_that_people_name_are_held_out_in_turn() -> None:
    strange = [Example(text, None) for text in ("order a pizza", "who won the war", "translate a poem", "tell a joke")]
    trial = tried(Request([*phrases()], [], strange))
    assert trial.after.strangers == len(strange)


async def test_a_process_of_its_own_comes_to_the_same() -> None:
    request = Request([*phrases()], [], COATS)
    assert await compared(request) == tried(request)


GOOD = Scores(examples=50, strangers=1000, inside_accuracy=0.9, outside_recall=0.8, calibration_error=0.1)


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        ({}, None),
        ({"inside_accuracy": 0.89}, "right of 89.0%"),
        ({"outside_recall": 0.785}, None),
        ({"outside_recall": 0.77}, "refuses 77.0%"),
        ({"calibration_error": 0.115}, None),
        ({"calibration_error": 0.13}, "calibration error 0.130"),
        ({"examples": 0}, "too few examples"),
        ({"phrases": 20, "phrase_accuracy": 0.95}, None),
        ({"phrases": 20, "phrase_accuracy": 0.9}, "right of 90.0% of templates' phrases"),
    ],
)
def test_the_rule(change: dict[str, float], flaw: str | None) -> None:
    flaws = list(Trial(before=GOOD, after=msgspec.structs.replace(GOOD, **change)).flaws())
    assert [one.startswith(flaw) for one in flaws] == [True] if flaw is not None else flaws == []


def test_where_there_was_none_before_nothing_is_worse() -> None:
    assert list(Trial(after=msgspec.structs.replace(GOOD, inside_accuracy=0.1)).flaws()) == []


def test_of_few_strangers_less_is_told() -> None:
    few = msgspec.structs.replace(GOOD, strangers=10)
    assert few.recall_error == pytest.approx(0.126, abs=0.001)
    assert list(Trial(before=few, after=msgspec.structs.replace(few, outside_recall=0.7)).flaws()) == []
    assert list(Trial(before=few, after=msgspec.structs.replace(few, outside_recall=0.6)).flaws()) != []
