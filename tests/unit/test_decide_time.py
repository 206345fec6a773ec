"""Time: sleeps, deadlines, timeouts of waits, and when a run is looked at next."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accord.domain import command as c
from accord.domain.ids import LeaseToken, TaskId
from accord.domain.run import NEVER_WOKEN
from accord.domain.timing import next_wake
from accord.testing.graphs import graph_of
from accord.testing.player import LEASE, START, Done, Player, Silent

A = TaskId("a")


def test_a_sleep_ends_at_its_time() -> None:
    player = Player(graph_of({"a": {"sleep": "90s"}, "b": {"sleep": "${ input }"}}), given="2026-01-01T01:03:00+01:00")
    player.wake()
    assert player.now == START + timedelta(seconds=90)
    assert player.output("a") == player.now.isoformat()
    player.wake()
    assert player.now == START + timedelta(minutes=3)
    assert player.run.phase == "completed"


@pytest.mark.parametrize("until", ["soon", 90, "999999999999d", "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00"])
def test_a_sleep_until_no_time_fails(until: object) -> None:
    player = Player(graph_of({"a": {"sleep": "${ input }"}}), given=until)
    assert player.run.problem is not None
    assert player.run.problem.code == "ACC292"


@pytest.mark.parametrize(("more", "phase"), [({}, "failed"), ({"on_timeout": "skip"}, "skipped")])
def test_a_wait_that_nobody_answers(more: dict[str, str], phase: str) -> None:
    player = Player(graph_of({"a": {"approval": {"title": "?", "timeout": "2m", **more}}}))
    player.wake()
    assert player.now == START + timedelta(minutes=2)
    assert player.phase("a") == phase


def test_a_deadline_counts_from_the_first_attempt_and_over_all() -> None:
    player = Player(graph_of({"a": {"deadline": "40s"}}), {"a": Silent()})
    player.play()
    assert player.now == START + timedelta(seconds=40)
    assert player.run.problem is not None
    assert player.run.problem.code == "ACC441"


def test_the_deadline_of_a_group_stops_its_items() -> None:
    graph = graph_of(
        {"a": {"for_each": "${ input }", "deadline": "10s", "on_failure": "continue"}, "b": {"needs": ["a"]}}
    )
    player = Player(graph, given=[1, 2])
    player.assign("a[0]")
    player.answer("a[0]", Done())
    player.assign("a[1]")
    player.wake()
    assert player.phase("a") == "failed"
    assert player.phase("a[1]") == "cancelled"
    assert player.play().phase == "completed"


def test_the_run_s_deadline_counts_on_during_a_pause() -> None:
    player = Player(graph_of({"a": {}}, limits={"deadline": "1m"}))
    player.do(c.Pause(by="tester"))
    player.wake()
    assert player.now == START + timedelta(minutes=1)
    assert player.run.phase == "failed"


# -- the next wake-up --------------------------------------------------------------------------------------------


def test_a_run_that_waits_for_nothing_is_looked_at_all_the_same() -> None:
    player = Player(graph_of({"a": {}}))
    assert next_wake(player.run, {}, player.now) == player.now + NEVER_WOKEN
    later = player.now + timedelta(hours=1)
    assert next_wake(player.run, {}, later) == later + NEVER_WOKEN


def test_a_back_off_that_is_over_wakes_nobody() -> None:
    player = Player(graph_of({"a": {}}), agents=["ann"])
    player.assign("a")
    player.do(c.AgentLost(attempts=((A, 1),)))
    over = player.now + timedelta(seconds=1)
    assert next_wake(player.run, {}, player.now) == over
    assert next_wake(player.run, {}, over) == over + NEVER_WOKEN


def test_leases_wake_when_their_renewal_runs_out() -> None:
    player = Player(graph_of({"a": {}, "b": {}}))
    lease = player.assign("a").lease
    assert next_wake(player.run, {}, player.now) == START + LEASE
    renewed = {lease: START + timedelta(seconds=70)}
    assert next_wake(player.run, renewed, player.now) == START + timedelta(seconds=70)
    player.now += timedelta(seconds=10)
    player.assign("b")
    assert next_wake(player.run, renewed, player.now) == START + timedelta(seconds=10) + LEASE


def test_a_run_that_has_ended_is_not_woken() -> None:
    player = Player(graph_of({"a": {}}))
    assert next_wake(player.play(), {}, player.now) is None


def test_a_tick_too_early_does_nothing() -> None:
    player = Player(graph_of({"a": {}, "b": {"sleep": "1m"}}))
    player.assign("a")
    assert player.do(c.Tick(renewed=frozenset({LeaseToken("another")}))) == ()
