"""Timelines: what every task did when, from the journal alone; in random graphs and storms, and in one that is told
span by span.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.effects import StartSubrun
from accord.domain.experience import observed
from accord.domain.ids import TaskId
from accord.domain.timeline import Timeline
from accord.testing.graphs import graph_of
from accord.testing.player import START, Done, Failed, Player
from accord.testing.random_graphs import INPUT, random_tasks
from accord.testing.storm import Storm
from accord.views.timeline import timeline_page

RANDOMS = st.randoms(use_true_random=False)
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def timeline_of(player: Player, count: int | None = None) -> Timeline:
    first, *rest = player.events[:count]
    assert isinstance(first, e.RunStarted)
    found = Timeline(player.graph, first)
    for event in rest:
        found.add(event)
    return found


def stormed(random: Random, size: int, steps: int) -> Player:
    player = Player(graph_of(random_tasks(random, size)), given=INPUT)
    storm = Storm(player, random)
    storm.blow(steps)
    storm.calm(perfect=False)
    return player


def told(found: Timeline, task: str) -> list[tuple[str, float, float | None]]:
    return [(span.kind, after(span.since), after(span.until)) for span in found.track(TaskId(task)).spans]


def after(at: datetime | None) -> float:
    return -1 if at is None else (at - START).total_seconds()


@FEW
@given(RANDOMS, st.integers(1, 7), st.integers(0, 80))
def test_spans_follow_one_another_and_attempts_are_those_of_the_journal(random: Random, size: int, steps: int) -> None:
    player = stormed(random, size, steps)
    found = timeline_of(player)
    assert found.run == player.run
    attempts = set()
    for track in map(found.track, found.tasks()):
        for before, behind in pairwise(track.spans):
            assert before.until is not None
            assert before.since < before.until <= behind.since
            assert (before.until, before.kind) != (behind.since, behind.kind), "one that goes on is one span"
        for one in track.attempts:
            attempts.add((track.task, one.number, one.since))
            inside = [span for span in track.spans if span.kind in ("assigned", "running") and span.since <= one.since]
            assert inside or one.until == one.since, "whoever works on it, it is running"
            assert one.until is not None, "the run has ended"
    assigned = {(one.task, one.attempt, one.at) for one in player.events if isinstance(one, e.AttemptAssigned)}
    assert attempts == assigned


@FEW
@given(RANDOMS, st.integers(1, 6), st.integers(0, 60), st.floats(0, 1))
def test_what_was_told_before_is_told_later_as_well(random: Random, size: int, steps: int, part: float) -> None:
    player = stormed(random, size, steps)
    count = max(1, int(len(player.events) * part))
    early, late = timeline_of(player, count), timeline_of(player)
    until = player.events[count - 1].at
    for track in map(early.track, early.tasks()):
        ended = [span for span in track.spans if span.until is not None and span.until < until]
        assert ended == [span for span in late.track(track.task).spans if span.until and span.until < until]


@FEW
@given(RANDOMS, st.integers(1, 7), st.integers(0, 80))
def test_the_critical_path_is_a_chain_of_needs_without_a_gap(random: Random, size: int, steps: int) -> None:
    player = stormed(random, size, steps)
    found = timeline_of(player)
    path = found.critical()
    for before, behind in pairwise(path):
        assert before.task in player.graph.tasks[behind.task].needs
        assert before.until == behind.since
    for step in path:
        assert step.until is not None
        assert sum(step.kinds.values(), timedelta()) <= max(step.until - step.since, timedelta())
    if path:
        ended = [state.ended_at for name in player.graph.order if (state := found.run.state(name)).ended_at]
        assert path[0].since == player.events[0].at
        assert path[-1].until == max(ended)


def pass_time(player: Player, seconds: float) -> None:
    player.now += timedelta(seconds=seconds)


def test_a_task_waits_is_queued_runs_and_waits_before_it_is_tried_again() -> None:
    retry = {"attempts": 2, "backoff": {"first": "10s", "jitter": 0}}
    tasks = {"first": {"uses": "test.work@^1", "retry": retry}, "last": {"uses": "test.work@^1", "needs": ["first"]}}
    player = Player(graph_of(tasks))
    pass_time(player, 1)
    player.assign("first")
    pass_time(player, 2)
    player.answer("first", Failed())
    pass_time(player, 12)  # two seconds longer than it has to wait
    player.assign("first")
    pass_time(player, 3)
    player.answer("first", Done(1))
    pass_time(player, 1)
    player.assign("last")
    found = timeline_of(player)
    assert told(found, "first") == [
        ("queued", 0, 1),
        ("running", 1, 3),
        ("retry_wait", 3, 13),
        ("queued", 13, 15),
        ("running", 15, 18),
    ]
    attempts = [(one.number, one.phase, after(one.until)) for one in found.track(TaskId("first")).attempts]
    assert attempts == [(1, "failed", 3), (2, "succeeded", 18)]
    assert told(found, "last") == [("waiting", 0, 18), ("queued", 18, 19), ("assigned", 19, -1)]
    path = found.critical()
    assert [(step.task, after(step.since), after(step.until)) for step in path] == [("first", 0, 18), ("last", 18, -1)]
    assert {kind: length.total_seconds() for kind, length in path[0].kinds.items()} == {
        "queued": 3,
        "running": 5,
        "retry_wait": 10,
    }


def test_what_stands_in_the_queue_of_its_agent_is_not_at_work() -> None:
    player = Player(graph_of({"first": {"uses": "test.work@^1"}}))
    player.assign("first")
    pass_time(player, 14.5)
    player.do(c.Accept(task=TaskId("first"), attempt=1))
    pass_time(player, 3.5)
    player.answer("first", Done(1))
    found = timeline_of(player)
    assert told(found, "first") == [("assigned", 0, 14), ("running", 14, 18)]
    (step,) = found.critical()
    assert {kind: length.total_seconds() for kind, length in step.kinds.items()} == {"assigned": 14, "running": 4}
    seen = observed(player.events)
    assert seen is not None
    assert [(one.took_s, one.waited_s) for _, _, _, one in seen.tries] == [(4, 14)]


def test_what_another_run_does_is_at_work() -> None:
    player = Player(graph_of({"first": {"workflow": "other@^1", "with": {"n": "${ input }"}}}), given=7)
    (subrun,) = (one.run for one in player.told if isinstance(one, StartSubrun))
    pass_time(player, 3)
    player.end_subrun(subrun, "done")
    assert told(timeline_of(player), "first") == [("running", 0, 3)]


def test_a_pause_holds_back_what_nobody_works_on() -> None:
    player = Player(graph_of({name: {"uses": "test.work@^1"} for name in ("begun", "left")}))
    player.assign("begun")
    pass_time(player, 2)
    player.do(c.Pause(by="ann"))
    pass_time(player, 5)
    player.do(c.Resume(by="ann"))
    pass_time(player, 1)
    player.assign("left")
    found = timeline_of(player)
    assert told(found, "begun") == [("assigned", 0, -1)]
    assert told(found, "left") == [("queued", 0, 2), ("paused", 2, 7), ("queued", 7, 8), ("assigned", 8, -1)]


def test_an_item_waits_for_its_turn_and_the_path_names_the_last_one() -> None:
    tasks = {"many": {"uses": "test.work@^1", "for_each": "${ input.lists.l2 }", "parallel": 1}}
    player = Player(graph_of(tasks), given=INPUT)
    for item in ("many[0]", "many[1]"):
        player.assign(item)
        pass_time(player, 4)
        player.answer(item, Done(1))
    found = timeline_of(player)
    assert list(found.tasks()) == ["many", "many[0]", "many[1]"]
    assert told(found, "many") == [("items", 0, 8)]
    assert told(found, "many[1]") == [("waiting", 0, 4), ("running", 4, 8)]
    (step,) = found.critical()
    assert (step.task, step.item, step.kinds["waiting"].total_seconds()) == ("many", "many[1]", 4)


def test_a_rest_before_a_retry_and_a_pause_are_not_what_a_task_took() -> None:
    player = Player(graph_of({"only": {"uses": "test.work@^1"}}))
    player.assign("only")
    pass_time(player, 2)
    player.answer("only", Failed(retryable=False))
    assert player.run.ended
    pass_time(player, 100)
    player.do(c.RetryTask(task=TaskId("only"), by="ann"))
    player.do(c.Pause(by="ann"))
    pass_time(player, 30)
    player.do(c.Resume(by="ann"))
    player.assign("only")
    pass_time(player, 3)
    player.answer("only", Done(1))
    page = timeline_page(timeline_of(player), 1, None, None, 10)
    (step,) = page.critical
    assert [(one.from_s, one.until_s) for one in page.rests] == [(2, 102), (102, 132)]
    run = player.run
    assert (step.until_s, step.of_run_s) == (135, 5)
    assert run.updated_at - run.started.at - run.rest(run.updated_at) == timedelta(seconds=5)


def test_what_ended_after_a_task_had_begun_is_not_before_it_on_the_path() -> None:
    work = {"uses": "test.work@^1"}
    player = Player(
        graph_of({"quick": work, "slow": work, "last": {**work, "needs": ["quick", "slow"], "join": "any"}})
    )
    player.assign("quick")
    player.assign("slow")
    pass_time(player, 1)
    player.answer("quick", Done(1))
    player.assign("last")
    pass_time(player, 4)
    player.answer("slow", Done(1))
    pass_time(player, 4)
    player.answer("last", Done(1))
    path = timeline_of(player).critical()
    assert [(step.task, after(step.since), after(step.until)) for step in path] == [("quick", 0, 1), ("last", 1, 9)]
