"""Sub-workflows: runs that do tasks of other runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from accord.domain import command as c
from accord.domain.effects import Ended, StartSubrun, TellParent, TellSubrun, effects, outstanding
from accord.domain.event import Parent, RunPaused
from accord.domain.ids import RunId, TaskId, partition_of
from accord.domain.progress import subrun_id
from accord.errors import Problem
from accord.machine import RandomIds
from accord.testing.graphs import graph_of
from accord.testing.player import RUN, Failed, Player

SUB = {"workflow": "other@^1", "with": {"n": "${ input }"}}
BY = "tester"
ONLY = TaskId("a")


def started(player: Player) -> RunId:
    return next(effect.run for effect in player.told if isinstance(effect, StartSubrun))


def told(player: Player) -> list[type]:
    return [type(effect.command) for effect in player.told if isinstance(effect, TellSubrun)]


def test_its_output_is_the_task_s() -> None:
    player = Player(graph_of({"a": SUB}), given=7)
    subrun = started(player)
    assert partition_of(subrun) == partition_of(RUN)
    player.end_subrun(subrun, "made")
    assert player.output() == {"a": "made"}


def test_its_id_sorts_with_all_others_by_the_time_of_its_making() -> None:
    times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(milliseconds=number) for number in range(20)]
    made = [subrun_id(RUN, ONLY, epoch, now) for epoch, now in enumerate(times)]
    assert made == sorted(made)
    assert {partition_of(run) for run in made} == {partition_of(RUN)}
    assert {len(run) for run in made} == {len("run_") + 26}
    assert RandomIds().token() > made[-1].removeprefix("run_")


def test_its_failure_is_the_task_s() -> None:
    player = Player(graph_of({"a": SUB}), given=7)
    problem = Problem("ACC420", "it failed")
    player.end_subrun(started(player), problem=problem)
    assert player.run.problem == problem
    assert TellSubrun not in map(type, player.told)


def test_it_is_paused_and_resumed_with_its_parent() -> None:
    player = Player(graph_of({"a": {}, "b": {**SUB, "needs": ["a"]}, "c": SUB}), given=7)
    player.assign("a")
    player.do(c.Pause(by=BY))
    player.answer("a", Failed(retryable=True))
    assert told(player) == [c.Pause]
    player.do(c.Resume(by=BY))
    assert told(player) == [c.Pause, c.Resume]


def test_one_that_starts_during_a_pause_is_paused() -> None:
    player = Player(graph_of({"a": {"signal": {"name": "go"}}, "b": {**SUB, "needs": ["a"]}}), given=7)
    player.do(c.Pause(by=BY))
    player.signal("go")
    assert [type(effect) for effect in player.told][-2:] == [StartSubrun, TellSubrun]


def test_one_that_starts_in_the_commit_of_a_pause_is_told_nothing_before_it_starts() -> None:
    player = Player(graph_of({"a": {"signal": {"name": "go"}}, "b": {**SUB, "needs": ["a"]}}), given=7)
    player.do(c.Pause(by=BY))
    player.signal("go")
    paused = next(place for place, event in enumerate(player.events) if isinstance(event, RunPaused))
    both = effects(player.run, player.events[paused:])
    assert [type(one) for one in both if isinstance(one, StartSubrun | TellSubrun)] == [StartSubrun, TellSubrun]


def test_its_parent_is_cancelled_only_after_it() -> None:
    player = Player(graph_of({"a": SUB}), given=7)
    subrun = started(player)
    player.do(c.Cancel(by=BY))
    assert told(player) == [c.Cancel]
    assert player.run.phase == "cancelling"
    player.end_subrun(subrun, problem=Problem("ACC445", "the run was cancelled"))
    assert player.run.phase == "cancelled"


def test_a_deadline_stops_it_and_the_run_waits_for_it() -> None:
    player = Player(
        graph_of({"a": {**SUB, "deadline": "1m", "on_failure": "continue"}, "b": {"needs": ["a"]}}), given=7
    )
    subrun = started(player)
    player.wake()
    assert told(player) == [c.Cancel]
    player.assign("b")
    player.answer("b", player._scripted(TaskId("b"), player.under_way()[0][1]))
    assert player.run.phase == "running"
    player.end_subrun(subrun, "too late")
    assert player.run.phase == "completed"
    assert player.output("a") is None


def test_a_rollback_waits_for_it_and_starts_another_one() -> None:
    player = Player(graph_of({"a": SUB}), given=7)
    first = started(player)
    player.do(c.Rollback(to=ONLY, by=BY))
    assert player.run.phase == "rolling_back"
    player.end_subrun(first)
    again = [effect.run for effect in player.told if isinstance(effect, StartSubrun)]
    assert len(set(again)) == 2
    player.end_subrun(again[1], "second")
    assert player.output() == {"a": "second"}
    assert player.do(c.SubrunEnded(task=ONLY, run=first)) == ()


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_crash_repeats_what_it_may_not_have_been_told(cancelled: bool) -> None:
    player = Player(graph_of({"a": SUB}), given=7)
    if cancelled:
        player.do(c.Cancel(by=BY))
    kinds = [type(effect) for effect in outstanding(player.run)]
    assert kinds == ([TellSubrun, TellSubrun] if cancelled else [StartSubrun, TellSubrun])
    player.crash()
    player.end_subrun(next(iter(player.subruns)), "after all")
    assert player.run.phase == ("cancelled" if cancelled else "completed")


def test_giving_up_is_told_to_those_that_undo_still() -> None:
    player = Player(graph_of({"a": SUB}), given=7)
    player.do(c.Cancel(by=BY))
    player.do(c.Cancel(by=BY, gives_up=True))
    last = [effect.command for effect in player.told if isinstance(effect, TellSubrun)][-1]
    assert isinstance(last, c.Cancel)
    assert last.gives_up
    assert player.run.phase == "cancelling"


def test_one_that_undoes_still_is_paused_and_resumed_too() -> None:
    player = Player(graph_of({"a": SUB}), given=7)
    player.do(c.Cancel(by=BY))
    player.do(c.Pause(by=BY))
    player.do(c.Resume(by=BY))
    assert told(player) == [c.Cancel, c.Pause, c.Resume]


def test_a_parent_is_told_how_its_subrun_ended() -> None:
    player = Player(graph_of({"a": {}}), parent=Parent(RUN, ONLY))
    player.play()
    assert [type(effect) for effect in player.told][-2:] == [TellParent, Ended]
    assert [type(effect) for effect in outstanding(player.run)] == [TellParent, Ended]
