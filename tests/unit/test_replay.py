"""Replay: the state after any event, and what is different between two of them."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.domain.ids import TaskId
from accord.domain.replay import StateChange, changes, count_until, states
from accord.domain.run import Run
from accord.errors import StoreCorrupt
from accord.testing.graphs import graph_of
from accord.testing.player import Done, Failed, Player
from accord.testing.random_graphs import INPUT, random_tasks
from accord.testing.storm import Storm


def played() -> Player:
    player = Player(graph_of({"a": {"retry": {"attempts": 2}}, "b": {"needs": ["a"]}}), {"a": [Failed(), Done(1)]})
    player.play()
    return player


def test_the_last_state_is_the_live_one() -> None:
    player = played()
    found = list(states(player.graph, player.events))
    assert len(found) == len(player.events)
    assert found[-1] == player.run


def test_a_history_without_its_beginning_is_refused() -> None:
    player = played()
    with pytest.raises(StoreCorrupt, match="ACC531"):
        list(states(player.graph, player.events[1:]))


def test_a_time_means_the_events_up_to_it() -> None:
    events = played().events
    assert count_until(events, events[0].at - timedelta(seconds=1)) == 0
    assert count_until(events, events[-1].at) == len(events)
    first_of_last = next(number for number, event in enumerate(events) if event.at == events[-1].at)
    assert count_until(events, events[-1].at - timedelta(microseconds=1)) == first_of_last


def test_what_an_event_changed_is_told() -> None:
    player = played()
    found = list(states(player.graph, player.events))
    names = [type(event).__name__ for event in player.events]
    failed = names.index("AttemptFailed")
    told = {(one.task, one.what): (one.before, one.after) for one in changes(found[failed - 1], found[failed])}
    agent = found[failed].state(TaskId("a")).attempts[0].agent
    assert told == {(TaskId("a"), "attempt 1"): (f"assigned, {agent}", f"failed, {agent}")}
    whole = list(changes(None, found[-1]))
    assert StateChange(task=None, what="state", before=None, after="completed") in whole
    assert {one.task for one in whole} == {None, TaskId("a"), TaskId("b")}
    assert list(changes(found[-1], found[-1])) == []


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False), st.integers(1, 6))
def test_whatever_happens_the_changes_tell_each_phase_that_is_another(random: Random, size: int) -> None:
    player = Player(graph_of(random_tasks(random, size)), given=INPUT)
    Storm(player, random).blow(60)
    before: Run | None = None
    for state in states(player.graph, player.events):
        told = list(changes(before, state))
        assert all(one.before != one.after for one in told)
        told_of = {one.task for one in told if one.what == "state" and one.task is not None}
        then = before or state
        assert told_of == {task for task in state.tasks if then.state(task).phase != state.state(task).phase}
        before = state
