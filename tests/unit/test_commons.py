"""The commons: what several processes give out together is not given twice, and each of them gets its turn."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.engine.commons import GRACE, KNOWN_AFTER, TURN, Commons, Neighbour
from accord.testing.stage import NOON

THING = "spiffe://local/agent/a"
WORK = "test.work"
FAR = NOON + timedelta(days=1)


def said(
    number: int = 1, held: int = 0, wants: datetime | None = None, until: datetime = FAR, *partitions: int
) -> Neighbour:
    return Neighbour(number, until, frozenset(partitions), {THING: held}, {WORK: wants} if wants else {})


def may(commons: Commons, places: int, held: int, now: datetime = NOON) -> bool:
    return commons.left_until(THING, WORK, places, held, now) is None


def test_one_alone_is_not_looked_at() -> None:
    assert may(Commons(), 1, 5)


def test_what_others_hold_is_not_free() -> None:
    commons = Commons()
    commons.hear("b", said(held=3))
    commons.hear("c", said(held=4))
    assert may(commons, 8, 0)
    assert not may(commons, 7, 0)
    assert commons.held_by_others(THING) == 7
    assert commons.hear("b", said(2, held=1)) == {THING}
    assert may(commons, 7, 0)


def test_an_older_notice_has_no_effect() -> None:
    commons = Commons()
    commons.hear("b", said(5, held=3))
    commons.hear("b", said(4, held=0))
    assert commons.held_by_others(THING) == 3


def test_who_is_silent_is_forgotten() -> None:
    commons = Commons()
    commons.hear("b", said(1, 3, None, NOON + timedelta(seconds=10), 7))
    assert commons.partitions == {7}
    assert commons.expire(NOON + timedelta(seconds=9)) == set()
    assert commons.expire(NOON + timedelta(seconds=10)) == {THING}
    assert commons.alone
    assert commons.partitions == set()
    assert may(commons, 1, 0)


def test_of_what_is_free_a_process_takes_its_part_until_others_know_of_it() -> None:
    commons = Commons()
    commons.hear("b", said(held=0))
    held = 0
    while may(commons, 16, held):
        held += 1
    assert held == 8
    commons.tell({THING: 8}, NOON)
    assert not may(commons, 16, 8), "it may not have been heard"
    now = NOON + KNOWN_AFTER
    commons.tell({THING: 8}, now)
    while may(commons, 16, held, now):
        held += 1
    assert held == 12


def test_what_comes_free_here_is_taken_again_at_once() -> None:
    commons = Commons()
    commons.hear("b", said(held=8))
    commons.tell({THING: 8}, NOON - timedelta(seconds=1))
    commons.freed(THING, NOON)
    assert may(commons, 16, 7)


def test_what_comes_free_is_left_to_who_has_waited_longer() -> None:
    commons = Commons()
    commons.hear("b", said(held=0, wants=NOON - TURN))
    commons.tell({THING: 1}, NOON - timedelta(seconds=1))
    commons.freed(THING, NOON)
    assert not may(commons, 1, 0)
    assert not may(commons, 1, 0, NOON + GRACE / 2)
    assert may(commons, 1, 0, NOON + GRACE), "it did not take it"


def test_who_has_waited_longest_itself_takes_it() -> None:
    commons = Commons()
    commons.hear("b", said(held=0, wants=NOON - TURN))
    commons.wants = {WORK: NOON - 2 * TURN}
    commons.freed(THING, NOON)
    assert may(commons, 1, 0)


class Process:
    """One of several that give out the places of an agent."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.commons = Commons()
        self.ends: list[datetime] = []
        self.served = 0
        self.hungry_since: datetime | None = None
        self.number = 0

    def step(self, now: datetime, places: int, took: timedelta) -> None:
        for end in [end for end in self.ends if end <= now]:
            self.ends.remove(end)
            self.commons.freed(THING, now)
        while may(self.commons, places, len(self.ends), now):
            if self.commons.alone and len(self.ends) >= places:
                break
            self.ends.append(now + took)
            self.served += 1
            self.hungry_since = None
        self.hungry_since = self.hungry_since or now
        self.commons.wants = {WORK: self.hungry_since}

    def tell(self, now: datetime) -> Neighbour:
        self.number += 1
        self.commons.tell({THING: len(self.ends)}, now)
        wants = {WORK: self.hungry_since} if self.hungry_since is not None else {}
        return Neighbour(self.number, FAR, frozenset(), {THING: len(self.ends)}, wants)


class Play:
    """Processes that tell each other every 100 ms what they hold; each notice is under way for a while."""

    def __init__(self, count: int, lag_ms: int, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - a simulation
        self.all = [Process(str(number)) for number in range(count)]
        self.lag_ms = lag_ms
        self.now = NOON
        self.steps = 0
        self._offsets = [self.random.randrange(20) for _ in self.all]
        self._under_way: list[tuple[datetime, str, Neighbour]] = []
        for one in self.all:
            self._heard(one.name, said(0))

    def step(self, places: int, took: timedelta) -> None:
        """5 ms go by."""
        self.now += timedelta(milliseconds=5)
        self.steps += 1
        for arrived in [one for one in self._under_way if one[0] <= self.now]:
            self._under_way.remove(arrived)
            self._heard(*arrived[1:])
        for one in self.random.sample(self.all, len(self.all)):
            one.step(self.now, places, took)
        for one, offset in zip(self.all, self._offsets, strict=True):
            if (self.steps + offset) % 20 == 0:
                lag = timedelta(milliseconds=self.random.randint(0, self.lag_ms))
                self._under_way.append((self.now + lag, one.name, one.tell(self.now)))

    def _heard(self, name: str, told: Neighbour) -> None:
        for one in self.all:
            if one.name != name:
                one.commons.hear(name, told)


def shared(count: int, places: int, took_ms: int, lag_ms: int, seed: int, seconds: int = 30) -> tuple[int, list[int]]:
    """The most that all held together, and how often each was served; notices take up to so long."""
    play = Play(count, lag_ms, seed)
    most = 0
    for _ in range(seconds * 200):
        play.step(places, timedelta(milliseconds=took_ms))
        most = max(most, sum(len(one.ends) for one in play.all))
    return most, [one.served for one in play.all]


@settings(max_examples=40)
@given(
    count=st.integers(2, 4),
    places=st.integers(1, 20),
    took_ms=st.sampled_from((5, 40, 100, 450, 1000)),
    lag_ms=st.integers(0, 100),
    seed=st.integers(0, 1000),
)
def test_together_they_are_over_by_one_for_each_other_process_at_most(
    count: int, places: int, took_ms: int, lag_ms: int, seed: int
) -> None:
    most, served = shared(count, places, took_ms, lag_ms, seed, seconds=2)
    assert most <= places + count - 1
    assert sum(served)


@pytest.mark.parametrize("took_ms", [5, 100, 500, 1000, 2000])
@pytest.mark.parametrize("count", [2, 3])
def test_where_there_is_room_for_one_each_process_gets_its_turns(count: int, took_ms: int) -> None:
    for seed in range(3):
        _, served = shared(count, 1, took_ms, 50, seed, seconds=40)
        assert min(served) * 2 * count >= sum(served), "at least half of an equal part"


def test_the_turns_cost_little() -> None:
    """Two that share one place, with tasks of 5 ms: alone there would be 200 a second."""
    _, served = shared(2, 1, 5, 20, 1, seconds=30)
    assert sum(served) > 0.6 * 30 * 200
