"""Random DAGs with known effects. Each task adds one to a counter of its own, behind an idempotency key, and passes a
sum on; faults of every kind happen meanwhile. In the end every counter and every sum is exactly what it must be.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.domain import command as c
from accord.domain.graph import undo_id, undone_id
from accord.domain.ids import TaskId
from accord.domain.run import Attempt
from accord.testing.graphs import graph_of
from accord.testing.player import Done, Failed, Player

MANY = {"attempts": 100, "backoff": {"first": "1s", "jitter": 0}}


def random_dag(random: Random, size: int) -> dict[str, dict[str, Any]]:
    tasks: dict[str, dict[str, Any]] = {}
    for index in range(size):
        before = random.sample(list(tasks), min(len(tasks), random.randint(0, 3)))
        task: dict[str, Any] = {"retry": MANY, "with": {"parts": [f"${{ tasks.{name}.output }}" for name in before]}}
        if random.random() < 0.3:
            task |= {"for_each": "${ input }", "parallel": random.randint(1, 3)}
        if random.random() < 0.5:
            task["compensate"] = {"uses": "test.undo@^1", "with": {"made": "${ task.output }"}}
        tasks[f"t{index}"] = task
    return tasks


def total(value: Any) -> int:
    return sum(map(total, value)) if isinstance(value, list) else int(value)


def expected(tasks: dict[str, dict[str, Any]], items: int) -> dict[str, int]:
    """The sum that each task must give, computed without the orchestrator."""
    sums: dict[str, int] = {}
    for name, task in tasks.items():
        one = 1 + sum(sums[part[9:-9]] for part in task["with"]["parts"])
        sums[name] = one * items if "for_each" in task else one
    return sums


class World:
    """Agents with counters. What was done under a key is done once, however often it is asked for."""

    def __init__(self, player: Player, random: Random) -> None:
        self.player = player
        self.random = random
        self.done: dict[tuple[TaskId, int], int] = {}
        self.counters: Counter[TaskId] = Counter()

    def act(self, task: TaskId, attempt: Attempt) -> int:
        """Do the task's work, unless it was done under this key before."""
        key = (task, attempt.epoch)
        if key not in self.done:
            given = self.player.values.value(attempt.want.input)
            undone = undone_id(task)
            self.counters[undone or task] += -1 if undone else 1
            self.done[key] = 0 if undone else 1 + total(given["parts"])
        return self.done[key]

    @property
    def dirty(self) -> bool:
        """Whether something was done of which the run does not know."""
        run = self.player.run
        return any(run.state(task).epoch == epoch and run.state(task).busy for task, epoch in self.done)

    def answer(self) -> None:
        """An agent answers: well, after or before it has done anything not at all, or that it could not."""
        under_way = self.player.under_way()
        if not under_way:
            return
        task, attempt = self.random.choice(under_way)
        fate = self.random.choice(("well", "well", "well", "failed", "lost", "failed after", "lost after"))
        if fate.endswith(("well", "after")):
            value = self.act(task, attempt)
        if fate == "well":
            self.player.answer(task, Done(value), attempt.number)
        elif fate.startswith("failed"):
            self.player.answer(task, Failed(), attempt.number)

    def roll_back(self) -> None:
        """Undo something, while nothing is half done."""
        begun = sorted(task for task, state in self.player.run.tasks.items() if state.phase == "completed")
        begun = [task for task in begun if undone_id(task) is None]
        if begun and not self.dirty:
            self.player.do(c.Rollback(to=self.random.choice(begun), by="tester"))

    def pause(self) -> None:
        """Pause, or go on."""
        if not self.player.run.ended:
            self.player.do(c.Resume(by="t") if self.player.run.paused else c.Pause(by="t"))

    def assign(self) -> None:
        """Give something to an agent."""
        if wanted := self.player.wanted():
            self.player.assign(self.random.choice(wanted)[0])

    def lose(self) -> None:
        """An agent is gone with all that it had."""
        if under_way := self.player.under_way():
            agent = self.random.choice(under_way)[1].agent
            lost = tuple((task, one.number) for task, one in under_way if one.agent == agent)
            self.player.do(c.AgentLost(attempts=lost))

    def finish(self) -> None:
        """From now on all agents work."""
        self.player.script = lambda task, attempt: Done(self.act(task, attempt))
        if self.player.run.paused:
            self.pause()
        self.player.play(wakes=1000)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False), st.integers(1, 8), st.integers(0, 4), st.integers(0, 80))
def test_every_counter_and_every_sum_is_exact(random: Random, size: int, items: int, steps: int) -> None:
    tasks = random_dag(random, size)
    player = Player(graph_of(tasks), given=[0] * items)
    world = World(player, random)
    faults = (world.assign, world.answer, world.roll_back, world.pause, world.lose, player.wake, player.crash)
    for _ in range(steps):
        random.choices(faults, (10, 10, 1, 1, 1, 2, 1))[0]()
    world.finish()
    run = player.run
    assert run.phase == "completed"
    for name, value in expected(tasks, items).items():
        output = player.values.value(run.state(TaskId(name)).output) if "for_each" not in tasks[name] else None
        outputs = [player.output(item) for item in run.started_items(TaskId(name))]
        assert total(outputs if output is None else output) == value
    for task, state in run.tasks.items():
        if undone_id(task) is None and not state.item_count and state.output is not None:
            assert world.counters[task] == done_times(player, task), task


def done_times(player: Player, task: TaskId) -> int:
    """Once where it can be undone; else once for each time that it completed."""
    spec = player.graph.task(task)
    if spec.compensate is not None:
        return 1
    completed = [epoch for one, epoch in player.watch.acceptances.counts if one == task]
    return len(completed)


def test_the_oracle_sees_lost_and_repeated_work() -> None:
    player = Player(graph_of({"t0": {"compensate": {"uses": "test.undo@^1"}, "with": {"parts": []}}}))
    world = World(player, Random(0))  # noqa: S311 - chance, no secret
    world.finish()
    assert world.counters == {"t0": 1}
    player.do(c.Rollback(to=TaskId("t0"), by="tester"))
    world.finish()
    assert world.counters == {"t0": 1}
    assert {task for task, _ in world.done} == {"t0", undo_id(TaskId("t0"))}
