"""What words mean, as vectors that are alike where the words are."""

from __future__ import annotations

import pytest

from accord.planner.meaning import SIZE, meanings


def test_texts_that_say_the_same_are_alike() -> None:
    known = meanings()
    if known is None:
        pytest.skip("WordLlama is not installed: pip install 'accord-orchestrator[meaning]'")
    eateries, restaurants, taxes, nothing = known.of(["any good eateries", "nice restaurants", "file my taxes", ""])
    assert eateries.shape == (SIZE,)
    assert eateries @ eateries == pytest.approx(1.0, abs=1e-5)
    assert eateries @ restaurants > eateries @ taxes
    assert not nothing.any()


def test_it_is_known_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    meanings.cache_clear()
    monkeypatch.setattr("accord.planner.meaning.find_spec", lambda name: None)
    assert meanings() is None
    meanings.cache_clear()
