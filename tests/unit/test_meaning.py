"""What words mean, as vectors that are alike where the words are."""

from __future__ import annotations

import pytest

from accord.planner.meaning import SIZE, Meanings, meanings
from accord.planner.words import stem


def installed() -> Meanings:
    known = meanings()
    if known is None:
        pytest.skip("WordLlama is not installed: pip install 'accord-orchestrator[meaning]'")
    return known


def test_texts_that_say_the_same_are_alike() -> None:
    known = installed()
    eateries, restaurants, taxes, nothing = known.of(["any good eateries", "nice restaurants", "file my taxes", ""])
    assert eateries.shape == (SIZE,)
    assert eateries @ eateries == pytest.approx(1.0, abs=1e-5)
    assert eateries @ restaurants > eateries @ taxes
    assert not nothing.any()


@pytest.mark.parametrize(
    ("word", "other"),
    [("purchase", "buy"), ("movie", "film"), ("picture", "photo"), ("repair", "fix"), ("kids", "child")],
)
def test_words_that_mean_nearly_the_same_are_near(word: str, other: str) -> None:
    assert stem(other) in installed().near(stem(word))
    assert stem(word) in installed().near(stem(other))


@pytest.mark.parametrize(
    ("word", "other"),
    [
        *(("buy", "sell"), ("import", "export"), ("encode", "decode"), ("enable", "disable"), ("open", "close")),
        *(("send", "receive"), ("accept", "reject"), ("maximum", "minimum"), ("heat", "cool"), ("lock", "unlock")),
        *(("increase", "decrease"), ("start", "stop"), ("arrival", "departure"), ("approve", "deny")),
    ],
)
def test_words_that_mean_the_opposite_are_not(word: str, other: str) -> None:
    assert stem(other) not in installed().near(stem(word))


def test_words_that_only_have_pieces_in_common_are_not() -> None:
    assert not installed().near("invoic"), "it is `in` and `voice`"
    assert not installed().near("xyzzy")


def test_it_is_known_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    meanings.cache_clear()
    monkeypatch.setattr("accord.planner.packages.find_spec", lambda name: None)
    assert meanings() is None
    meanings.cache_clear()
