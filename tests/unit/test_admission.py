"""Admission: bounds that hold, and that no tenant has to itself."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.domain import command as c
from accord.domain.event import RunCompleted
from accord.engine.admission import Admission, Bounds
from accord.engine.figures import Figures
from accord.errors import RateLimited
from accord.testing.stage import QUIET, SetClock, Stage

WAIT = {"wait": {"signal": {"name": "go"}}}


class Hall:
    """Runs that never end, and who waits."""

    def __init__(self, runs: int = 100, waiting: int = 1000, weights: dict[str, float] | None = None) -> None:
        self.runs_of: Counter[str] = Counter()
        self.waiting = 0
        self.figures = Figures()
        self.clock = SetClock()
        fake: Any = self
        weigh = weights or {}
        self.admission = Admission(
            Bounds(runs, waiting), lambda tenant: weigh.get(tenant, 1.0), fake, fake, self.figures, self.clock
        )

    @property
    def runs(self) -> int:
        return self.runs_of.total()

    def waiting_of(self, tenant: str) -> int:
        return self.waiting if tenant == "flood" else 0

    def begins(self, tenant: str) -> bool:
        """Whether one more run of this tenant is admitted."""
        try:
            with self.admission.admitted(tenant):
                self.runs_of[tenant] += 1
        except RateLimited:
            return False
        return True

    def filled(self, tenant: str) -> int:
        """How many runs it has once it is refused."""
        while self.begins(tenant):
            pass
        return self.runs_of[tenant]


def test_one_tenant_alone_has_nine_tenths() -> None:
    assert Hall().filled("ann") == 90


@pytest.mark.abuse("ASI08", at="gateway", stride="denial of service", case="a flood of runs of one tenant")
def test_who_comes_new_is_admitted_while_a_flood_is_refused() -> None:
    hall = Hall()
    hall.filled("flood")
    assert hall.begins("ann")
    assert not hall.begins("flood")
    assert hall.filled("ann") == 9
    assert hall.runs < 100


def test_two_floods_come_to_equal_parts() -> None:
    hall = Hall(1000)
    hall.filled("ann")
    for _ in range(1000):  # as ann's runs end, bob's come in their place
        hall.runs_of["ann"] -= 1
        hall.begins("bob")
        hall.begins("ann")
    assert abs(hall.runs_of["ann"] - hall.runs_of["bob"]) <= 10
    assert hall.runs > 900


def test_parts_are_in_proportion_to_weights() -> None:
    hall = Hall(10_000, weights={"ann": 3.0})
    while hall.begins("bob") or hall.begins("ann"):
        pass
    for _ in range(10_000):
        hall.runs_of["bob"] -= 1
        hall.begins("ann")
        hall.begins("bob")
    assert abs(hall.runs_of["ann"] - 3 * hall.runs_of["bob"]) <= 100


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans()), max_size=400), st.integers(1, 30))
def test_the_bound_holds_whatever_comes(comes: list[tuple[str, bool]], bound: int) -> None:
    hall = Hall(bound, weights={"a": 100.0, "b": 0.2})
    for tenant, ends in comes:
        if ends:
            hall.runs_of[tenant] = max(hall.runs_of[tenant] - 1, 0)
        else:
            newcomer = not hall.runs_of[tenant] and hall.runs < bound
            assert hall.begins(tenant) or not newcomer
        assert hall.runs <= bound


def test_runs_that_are_about_to_begin_count() -> None:
    hall = Hall(10)
    begun = [hall.admission.admitted("ann") for _ in range(12)]
    for one in begun[:9]:
        one.__enter__()
    with pytest.raises(RateLimited):
        begun[9].__enter__()
    begun[0].__exit__(None, None, None)
    begun[10].__enter__()


def test_tasks_that_wait_are_bounded_as_runs_are() -> None:
    hall = Hall(waiting=100)
    hall.waiting = 90
    assert hall.begins("ann")
    assert not hall.begins("flood")
    hall.waiting = 100
    assert not hall.begins("ann")


def test_it_is_told_when_another_try_is_worth_it() -> None:
    hall = Hall()
    hall.filled("flood")
    hall.runs_of["flood"] = 98  # taken over from another process
    hall.clock.forward(10)
    hall.figures.events[RunCompleted] += 5  # one in 2 s
    with pytest.raises(RateLimited) as refused, hall.admission.admitted("flood"):
        pass
    assert refused.value.retry_after_s == 30.0, "far over its part"
    hall.runs_of["flood"] = 90
    with pytest.raises(RateLimited) as refused, hall.admission.admitted("flood"):
        pass
    assert refused.value.retry_after_s == 2.0


async def test_a_full_process_says_when_to_come_again_and_admits_another_tenant() -> None:
    async with Stage.open(msgspec.structs.replace(QUIET, max_runs=10)) as stage:
        digest = await stage.publish(WAIT)
        runs = [await stage.node.start_run(digest, {}, by="flood") for _ in range(9)]
        with pytest.raises(RateLimited, match="ACC451") as refused:
            await stage.node.start_run(digest, {}, by="flood")
        assert 1 <= refused.value.retry_after_s <= 30
        await stage.node.start_run(digest, {}, by="ann")
        assert stage.parts.ledger.runs_of == {"flood": 9, "ann": 1}
        for run in runs:
            await stage.node.control(run.id, c.Cancel(by="test"))
        assert stage.parts.ledger.runs_of == {"ann": 1}
