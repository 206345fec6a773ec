"""Tokens are in the order of their making, however fast they are made, and whatever the clock does."""

from __future__ import annotations

import itertools
import time

import pytest

from accord.machine import RandomIds


def test_tokens_of_one_millisecond_are_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_790_000_000_000_000_000)
    ids = RandomIds()
    made = [ids.token() for _ in range(1000)]
    assert made == sorted(set(made))
    assert {len(token) for token in made} == {26}
    assert len({token[:-2] for token in made}) == len(made)  # a run's id has two last digits of its own


def test_tokens_stay_in_order_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = itertools.count(497_000, -1)
    monkeypatch.setattr(time, "time_ns", lambda: next(hours) * 3_600_000_000_000)
    ids = RandomIds()
    made = [ids.token() for _ in range(5)]
    assert made == sorted(set(made))
