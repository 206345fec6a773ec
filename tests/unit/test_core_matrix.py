"""Parallel, waiting, paused, crashed, resumed, rolled back: in every combination nothing is lost or repeated.

`Player` throws the state away at a crash, folds the journal again and repeats what may not have been done.
"""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.ids import TaskId
from accord.testing.graphs import graph_of
from accord.testing.player import Done, Player

BY = "tester"
UNDO = {"compensate": {"uses": "test.undo@^1", "with": {"made": "${ task.output }"}}}
GRAPH = graph_of(
    {
        "first": UNDO,
        "left": {"needs": ["first"], **UNDO},
        "many": {"needs": ["first"], "for_each": "${ input }", "parallel": 2, **UNDO},
        "ask": {"needs": ["first"], "signal": {"name": "go"}},
        "last": {"needs": ["left", "many", "ask"], **UNDO},
    }
)
CRASHES = ("never", "under way", "paused", "rolling back", "undoing", "resumed")
ROLLBACKS = (None, "first", "left", "many", "many[1]", "ask", "last")
MATRIX = list(product((False, True), ("early", "late"), (False, True), CRASHES, (False, True), ROLLBACKS))


class Story:
    """One way through the matrix."""

    def __init__(self, crash: str) -> None:
        self.player = Player(GRAPH, given=[1, 2, 3, 4])
        self.crash = crash

    def reach(self, place: str) -> None:
        """Crash here, if this is the place."""
        if place == self.crash:
            self.player.crash()

    def begin(self, *, parallel: bool, signal: str) -> None:
        """Come to the middle of the run: one item is done, others (and, `parallel`, the other branch) are under way."""
        player = self.player
        if signal == "early":
            player.signal("go", "now")
        player.assign("first")
        player.answer("first", Done("first"))
        player.assign("many[0]")
        player.answer("many[0]", Done("many[0]"))
        player.assign("many[1]")
        if parallel:
            player.assign("left")
            player.assign("many[2]")
        self.reach("under way")

    def pause(self) -> None:
        """Pause, and take a result that was under way."""
        self.player.do(c.Pause(by=BY))
        self.reach("paused")
        self.player.answer("many[1]", Done("many[1]"))
        assert self.player.wanted() == []

    def roll_back(self, to: str) -> None:
        """Roll back to what has begun; a second crash comes while something is being undone."""
        player = self.player
        player.do(c.Rollback(to=TaskId(to), by=BY))
        self.reach("rolling back")
        if player.run.phase == "rolling_back" and player.wanted():
            player.assign(player.wanted()[0][0])
            self.reach("undoing")

    def resume(self) -> None:
        """Go on, if the run was paused."""
        if self.player.run.paused:
            self.player.do(c.Resume(by=BY))
            self.reach("resumed")

    def end(self) -> None:
        """Everybody does what is asked."""
        player = self.player
        player.settle()
        if player.phase("ask") == "waiting":
            player.signal("go", "at last")
        player.play()


@pytest.mark.parametrize(("parallel", "signal", "paused", "crash", "resume_first", "to"), MATRIX)
def test_nothing_is_lost_and_nothing_repeated(
    parallel: bool, signal: str, paused: bool, crash: str, resume_first: bool, to: str | None
) -> None:
    story = Story(crash)
    story.begin(parallel=parallel, signal=signal)
    if paused:
        story.pause()
    if resume_first:
        story.resume()
    if to is not None and story.player.phase(to) != "pending":
        story.roll_back(to)
    story.resume()
    story.end()
    check(story.player)


def check(player: Player) -> None:
    run = player.run
    assert run.phase == "completed"
    assert player.output() == {"last": "last done"}
    completed = Counter(player.order_of(e.TaskCompleted))
    for node in GRAPH.order:
        for task in run.instances(node):
            again = sum(task in event.tasks or node in event.tasks for event in finished(player))
            undone = completed[f"undo:{task}"]
            must_be = completed[task] - 1 if GRAPH.tasks[node].compensate and (task != "many") else 0
            assert undone == must_be, f"{task} completed {completed[task]} times and was undone {undone} times"
            assert completed[task] <= 1 + again + reopened(player, node), f"{task} was done too often"
    assert len(run.state(TaskId("many[0]")).attempts) == completed["many[0]"]


def finished(player: Player) -> list[e.RollbackFinished]:
    return [event for event in player.events if isinstance(event, e.RollbackFinished)]


def reopened(player: Player, node: str) -> int:
    return sum(isinstance(event, e.TaskReopened) and event.task == node for event in player.events)


@pytest.mark.parametrize("place", range(60))
def test_a_crash_after_any_event_of_a_rollback_changes_nothing(place: int) -> None:
    """The journal may end after any commit; each command here is one."""
    calm, crashed = Player(GRAPH, given=[1, 2, 3]), Player(GRAPH, given=[1, 2, 3])
    for player in (calm, crashed):
        player.signal("go", 1)
        player.settle()
        player.do(c.Rollback(to=TaskId("first"), by=BY))
        for step in range(60):
            if player is crashed and step == place:
                player.crash()
            player.step()
        player.play() if player.phase("ask") != "waiting" else None
    assert calm.journal == crashed.journal
