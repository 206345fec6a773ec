"""The cost of an event does not grow with the run: work is counted in calls, not timed."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from accord.domain import command as c
from accord.domain.decide import decide, start
from accord.domain.draft import Decision
from accord.domain.effects import Offer, effects
from accord.domain.graph import Graph
from accord.domain.ids import AgentId, Digest, LeaseToken, RunId, TaskId
from accord.domain.run import Run
from accord.domain.timing import next_wake
from accord.testing.graphs import graph_of
from accord.testing.player import START
from accord.testing.values import MemoryValues

SMALL, LARGE = 100, int(os.environ.get("ACCORD_TEST_TASKS", "3000"))
"""Whatever looks at all tasks once for an event makes it cost many times as much with thirty times as many."""

STEP = timedelta(milliseconds=1)


class Calls:
    """Counts the calls of Python and C functions while it is entered."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Calls:
        sys.setprofile(self._see)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _see(self, frame: object, event: str, arg: object) -> None:
        self.count += event in ("call", "c_call")


class Engine:
    """Assigns what is offered and delivers what was assigned; nothing else."""

    def __init__(self, graph: Graph, given: Any) -> None:
        self.values = MemoryValues()
        self.now = START
        self.calls = Calls()
        self.events = 0
        self.ready: deque[TaskId] = deque()
        command = c.Start(run=RunId("run_1"), input=self.values.of(given), title="", by="tester")
        self.run = self.taken(lambda: start(graph, command, self.now, self.values))

    def taken(self, ask: Callable[[], Decision]) -> Run:
        self.now += STEP
        with self.calls:
            decision = ask()
            found = list(effects(decision.run, decision.events))
        self.events += len(decision.events)
        self.ready.extend(effect.task for effect in found if isinstance(effect, Offer))
        return decision.run

    def do(self, command: c.Command) -> None:
        self.run = self.taken(lambda: decide(self.run, command, self.now, self.values))

    def assign(self) -> TaskId:
        task = self.ready.popleft()
        self.do(
            c.Assign(
                task=task,
                purpose="work",
                option=0,
                agent=AgentId("spiffe://test/agent/ann"),
                lease=LeaseToken(task),
                lease_until=self.now + timedelta(seconds=30),
                capability="test.work@1.0.0",
                contract=Digest("0" * 64),
                payload=Digest("1" * 64),
                payload_bytes=0,
                timeout=None,
            )
        )
        return task

    def deliver(self, task: TaskId) -> None:
        attempt = len(self.run.state(task).attempts)
        output = self.values.of(1)
        self.do(c.Deliver(task=task, attempt=attempt, statement="s", output=output))

    def play(self) -> float:
        """Run it to its end; calls for each event."""
        while self.ready:
            self.deliver(self.assign())
        assert self.run.phase == "completed"
        return self.calls.count / self.events


def chain(size: int) -> Engine:
    return Engine(graph_of({f"t{index}": {"needs": [f"t{index - 1}"] if index else []} for index in range(size)}), None)


def wide(size: int) -> Engine:
    names = [f"t{index}" for index in range(size)]
    middle = {name: {"needs": ["first"]} for name in names}
    return Engine(graph_of({"first": {}, **middle, "last": {"needs": names}}), None)


def items(size: int) -> Engine:
    graph = graph_of({"a": {"for_each": "${ input }", "with": {"n": "${ item }"}}, "b": {"needs": ["a"]}})
    return Engine(graph, list(range(size)))


@pytest.mark.parametrize("shape", [chain, wide, items])
def test_an_event_costs_the_same_in_a_large_run(shape: Callable[[int], Engine]) -> None:
    assert shape(LARGE).play() < 2 * shape(SMALL).play()


def all_under_way(size: int) -> float:
    """All tasks are under way at once, then they end, the last one first."""
    engine = wide(size)
    engine.deliver(engine.assign())
    begun = [engine.assign() for _ in range(size)]
    for task in reversed(begun):
        engine.deliver(task)
    return engine.play()


def test_an_event_costs_the_same_when_everything_is_under_way() -> None:
    assert all_under_way(LARGE) < 2 * all_under_way(SMALL)


def waking(size: int) -> float:
    """All tasks sleep, each until another time; the run is woken for each."""
    engine = Engine(graph_of({f"t{index}": {"sleep": f"{index + 10}s"} for index in range(size)}), None)
    while not engine.run.ended:
        with engine.calls:
            due = next_wake(engine.run, {}, engine.now)
        assert due is not None
        engine.now = max(due, engine.now)
        engine.do(c.Tick())
    return engine.calls.count / engine.events


def test_a_wake_up_costs_the_same_when_many_things_wait() -> None:
    assert waking(LARGE) < 2 * waking(SMALL)


def undoing(size: int) -> float:
    """Everything is undone, one after the other."""
    undo = {"compensate": {"uses": "test.undo@^1"}}
    engine = Engine(graph_of({f"t{index}": undo for index in range(size)}, on_failure="compensate"), None)
    while len(engine.ready) > 1:
        engine.deliver(engine.assign())
    engine.calls.count = engine.events = 0
    engine.ready.clear()
    engine.do(c.Cancel(by="tester"))
    while engine.ready:
        engine.deliver(engine.assign())
    assert engine.run.phase == "cancelled"
    return engine.calls.count / engine.events


def test_a_compensation_costs_the_same_when_there_is_much_to_undo() -> None:
    assert undoing(LARGE) < 2 * undoing(SMALL)


def test_stopping_and_retrying_cost_time_in_proportion() -> None:
    def cost(size: int) -> float:
        engine = items(size)
        engine.assign()
        engine.calls.count = 0
        engine.do(c.Cancel(by="tester"))
        engine.do(c.RetryTask(task=TaskId("a"), by="tester"))
        return engine.calls.count / engine.events

    assert cost(LARGE) < 3 * cost(SMALL)
