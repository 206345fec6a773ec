"""Two models: one by words, and where it is not sure one by sentences."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import pytest

from accord.planner.classifier import models, training
from accord.planner.classifier.cascade import Cascade
from accord.planner.classifier.examples import Example
from accord.planner.classifier.model import Model, Tried
from accord.planner.classifier.models import Models
from accord.planner.classifier.training import Training
from accord.planner.vectors import Vectors

np = pytest.importorskip("numpy")
pytest.importorskip("sklearn")

PLACES = ("rome", "oslo", "lima", "cairo", "quito", "delhi")
SAID = {
    "weather": "will it rain in",
    "train": "when does the train leave for",
    "hotel": "find me a room in",
    "meal": "where can we eat well in",
}


def strange(seed: str) -> str:
    """Three words that nobody has said before, and will again."""
    letters = sha256(seed.encode()).hexdigest().translate(str.maketrans("0123456789", "ghijklmnop"))
    return " ".join(letters[at : at + 5] for at in (0, 5, 10))


MEANT = {strange(f"{label} {number}"): label for label in SAID for number in range(12)}
"""What has no words in common with anything, and is meant all the same."""
PLAIN = [Example(f"{said} {place}", label) for label, said in SAID.items() for place in PLACES]
ODD = [Example(text, label) for text, label in MEANT.items()]
EXAMPLES = [*PLAIN, *ODD[::2]]
CLEAR = ["will it rain in rome", "find me a room in quito", "when does the train leave for oslo"]
UNSEEN = [one.text for one in ODD[1::2]]


class Fake:
    """Knows what some texts mean, and counts what it is asked. Whatever else it is asked is near nothing."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def of(self, texts: Sequence[str]) -> Any:
        assert self.may_go_on.wait(60)
        self.asked += texts
        return np.array([self._of(text) for text in texts], dtype=np.float32).reshape(len(texts), 8)

    def _of(self, text: str) -> Any:
        label = next((one for one, said in SAID.items() if text.startswith(said)), MEANT.get(text))
        digest = sha256(text.encode()).digest()
        row = np.array([one / 1000 for one in digest[:8]])
        row[list(SAID).index(label) if label is not None else 4 + digest[9] % 4] += 1
        return row / np.linalg.norm(row)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    made = Fake()
    monkeypatch.setattr(training, "meanings", lambda: None)
    monkeypatch.setattr(training, "sentences", lambda: made)
    return made


def test_sentences_are_asked_only_where_words_are_not_sure(fake: Fake) -> None:
    model = Training().whole(PLAIN)
    assert sorted(fake.asked) == sorted(one.text for one in PLAIN), "each example once, whatever is measured"
    fake.asked.clear()
    judged = model.judge([*CLEAR, *UNSEEN])
    assert [one.by for one in judged] == [*("words" for _ in CLEAR), *("sentences" for _ in UNSEEN)]
    assert fake.asked == UNSEEN
    assert not model.judge([])


class Measured:
    """A model of which only is known what it has measured."""

    def __init__(self, right: str, accepted: str, confidence: Sequence[float]) -> None:
        is_inside, is_right, is_accepted = (
            np.array([one == "x" for one in text]) for text in ("xxx-", right, accepted)
        )
        self.tried = Tried(is_inside, is_right, is_accepted, np.array(confidence))
        self.figures = self.tried.figures(4, 2, 1.5)


def test_its_figures_are_of_what_both_decide_together() -> None:
    """Of three examples and a stranger: words decide the first; they were sure of no other."""
    words = Measured("x-x-", "xxxx", [0.95, 0.4, 0.89, 0.3])
    sentences = Measured("-xx-", "xx--", [0.2, 0.7, 0.6, 0.1])
    assert words.figures.inside_accuracy == sentences.figures.label_accuracy == pytest.approx(2 / 3)
    both: Any = Cascade(words, sentences).figures  # type: ignore[arg-type]
    assert (both.label_accuracy, both.inside_accuracy) == pytest.approx((1, 2 / 3))
    assert (both.outside_recall, both.training_s, both.examples) == (1, 3, 4)


def test_its_confidence_is_as_good_as_it_says(fake: Fake) -> None:
    """The mean square of how far it is from the truth, of what nobody has said before, and of what nobody means."""
    strangers = [strange(f"nothing {number}") for number in range(24)]
    asked = [*((one.text, one.label) for one in ODD[1::2]), *((text, None) for text in strangers)]

    def error(model: Model | Cascade) -> float:
        told = zip(model.judge([text for text, _ in asked]), asked, strict=True)
        return float(np.mean([(one.confidence - (one.best[0][0] == label)) ** 2 for one, (_, label) in told]))

    both = Training().whole(EXAMPLES)
    assert 10 * error(both) < error(Training().by_words(EXAMPLES))


def test_what_examples_mean_is_made_once_and_what_is_asked_is_not_kept(fake: Fake) -> None:
    vectors = Vectors(fake, remembered=3)
    first = vectors.of_examples(["a", "b", "a"])
    assert fake.asked == ["a", "b"]
    again = vectors.of_examples(["b", "c"])
    assert fake.asked == ["a", "b", "c"]
    assert (again["b"] == first["b"]).all()
    vectors.of(["d"])
    vectors.of_examples(["d", "e"])
    assert fake.asked == ["a", "b", "c", "d", "d", "e"]
    vectors.of_examples(["c", "a"])
    assert fake.asked[6:] == ["a"], "three are kept: the oldest went"
    vectors.forget()
    vectors.of_examples(["c"])
    assert fake.asked[7:] == ["c"]


def test_what_is_forgotten_while_it_is_learnt_is_not_kept(fake: Fake) -> None:
    fake.may_go_on.clear()
    vectors = Vectors(fake)
    learning = threading.Thread(target=vectors.of_examples, args=(["a"],))
    learning.start()
    vectors.forget()
    fake.may_go_on.set()
    learning.join()
    vectors.of_examples(["a"])
    assert fake.asked == ["a", "a"]


def sentences_learnt() -> None:
    """Wait until nothing is being learnt."""
    for one in threading.enumerate():
        if one.name == "accord-sentences":
            one.join()


def test_of_many_examples_words_decide_until_sentences_are_learnt(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "AT_ONCE", len(EXAMPLES) - 1)
    fake.may_go_on.clear()
    kept, text = Models(), UNSEEN[0]

    async def judged() -> str:
        return (await (await kept.of(EXAMPLES)).judged(text)).by

    assert asyncio.run(judged()) == "words"
    fake.may_go_on.set()
    sentences_learnt()
    assert asyncio.run(judged()) == "sentences"


def test_sentences_of_examples_that_are_forgotten_are_not_learnt(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "AT_ONCE", 0)
    fake.may_go_on.clear()
    kept = Models()
    taught = asyncio.run(kept.of(EXAMPLES))
    asyncio.run(kept.of(EXAMPLES[1:]))
    kept.forget()
    fake.may_go_on.set()
    sentences_learnt()
    assert len(fake.asked) == len(EXAMPLES), "the second ones were not even begun with"
    assert isinstance(taught.model, Cascade)
    assert isinstance(asyncio.run(Models().of(EXAMPLES[2:])).model, Model)
    sentences_learnt()
