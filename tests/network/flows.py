"""Random templates whose effects are known beforehand; who runs them, and what has come of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from random import Random
from typing import Any

import msgspec

from accord import Client
from accord.client.events import RunEvent
from accord.client.patience import Patience
from accord.domain.ids import RunId, TaskId
from accord.errors import StoreUnavailable
from accord.views.result import Result

from .processes import Effect

RETRIES = {"attempts": 100, "backoff": {"first": "50ms", "jitter": 0}}
STUBBORN = Patience(attempts=10_000, feed_attempts=10_000, refused_s=600, longest_rest_s=0.5, answer_s=8, silence_s=20)


def random_dag(random: Random, size: int) -> dict[str, dict[str, Any]]:
    """Tasks that add up what some of those before them gave."""
    tasks: dict[str, dict[str, Any]] = {}
    for index in range(size):
        before = random.sample(list(tasks), min(len(tasks), random.randint(0, 3)))
        parts = [f"${{ tasks.{name}.output }}" for name in before]
        task: dict[str, Any] = {"uses": "mill.add@^1", "with": {"parts": parts}, "retry": RETRIES}
        if random.random() < 0.3:
            task |= {"for_each": "${ input.items }", "parallel": random.randint(1, 4)}
        tasks[f"t{index}"] = task
    return tasks


class Flow(msgspec.Struct, frozen=True):
    """A template, and what must come of it."""

    name: str
    tasks: dict[str, dict[str, Any]]
    items: int

    @property
    def template(self) -> dict[str, Any]:
        """The template's document; its output is that of all tasks."""
        output = {name: f"${{ tasks.{name}.output }}" for name in self.tasks}
        return {
            "accord": "template/1", "name": self.name, "version": "1.0.0", "input": True,
            "tasks": self.tasks, "output": output,
        }  # fmt: skip

    def expected(self) -> tuple[dict[str, int], dict[str, int]]:
        """What each task gives altogether, and the value of every single effect, by task or item."""
        sums: dict[str, int] = {}
        effects: dict[str, int] = {}
        for name, task in self.tasks.items():
            one = 1 + sum(sums[part[9:-9]] for part in task["with"]["parts"])
            works = [f"{name}[{index}]" for index in range(self.items)] if "for_each" in task else [name]
            effects.update(dict.fromkeys(works, one))
            sums[name] = one * len(works)
        return sums, effects

    def mistakes(self, run: str, result: Result) -> list[str]:
        """Where the result is not what it must be."""
        sums, _ = self.expected()
        if result.state != "completed":
            return [f"{run} is {result.state}: {result.problem}"]
        found = {name: _total(value) for name, value in result.output.items()}
        return [] if found == sums else [f"{run} gave {found}, not {sums}"]


def random_flows(random: Random) -> list[Flow]:
    """Some flows."""
    return [Flow(f"dag{n}", random_dag(random, random.randint(3, 8)), n + 2) for n in range(3)]


async def told_of(client: Client, run: str) -> list[int]:
    """The numbers of all events that the feed of a run has told up to its end, across all cuts."""
    told: list[int] = []
    while not await _is_told(client, run, told):
        pass
    return told


async def _is_told(client: Client, run: str, told: list[int]) -> bool:
    """Whether the feed came to its end."""
    try:
        async for happening in client.watch(run, after=len(told)):
            if isinstance(happening, RunEvent):
                told.append(happening.sequence)  # noqa: PERF401 - what was told before the cut is kept
    except StoreUnavailable:
        return False
    return True


class Standstill(msgspec.Struct, frozen=True):
    """A time in which a bus, or an instance that is connected to it, did nothing: the bus may then have given what it
    had delivered to another instance. Only the lease tells which answer counts.
    """

    since_s: float
    until_s: float
    process: int | None = None
    """The number of the instance's process; none where it was the bus."""


AGAIN_WITHIN_S = 15.0
"""So long after a standstill something that was delivered again may be done at last: it waits in a queue until then."""


class Deeds:
    """What agents have done, against what they had to do."""

    def __init__(
        self, effects: list[Effect], killed: Collection[int], standstills: Collection[Standstill] = ()
    ) -> None:
        self._effects = effects
        self._killed = killed
        """The numbers of all processes that were killed."""
        self._standstills = standstills
        self.delivered_again = 0
        """How many attempts two instances have made, because one of them or the bus stood still."""

    def problems(self, flows: Mapping[str, Flow], attempts: Mapping[tuple[RunId, TaskId, int], int]) -> Iterator[str]:
        """Every effect is one that has to be, has the right value, and no attempt was made twice; `attempts` is how
        many of each task and epoch were assigned.
        """
        wanted = {f"{run}/{work}/0": value for run, flow in flows.items() for work, value in flow.expected()[1].items()}
        values = {effect.key: effect.value for effect in self._effects}
        yield from (f"{key} was done and gave {value}" for key, value in values.items() if wanted.get(key) != value)
        yield from (f"{key} was never done" for key in wanted if key not in values)
        made: dict[tuple[str, int], list[Effect]] = defaultdict(list)
        for effect in self._effects:
            made[effect.key, effect.attempt].append(effect)
        for (key, attempt), times in made.items():
            run, task, epoch = key.split("/")
            if attempt > attempts.get((RunId(run), TaskId(task), int(epoch)), 0):
                yield f"attempt {attempt} of {key} was made and never assigned"
            if self._is_once_too_often(times):
                yield f"attempt {attempt} of {key} was made {len(times)} times"

    def _is_once_too_often(self, times: list[Effect]) -> bool:
        """Nobody makes an attempt twice, and no two do; but of one that was killed nobody knows what it had done, and
        a bus delivers at least once.
        """
        processes = [one.process for one in times]
        alive = [process for process in processes if process not in self._killed]
        if len(set(processes)) < len(processes):
            return True
        if len(alive) < 2:
            return False
        self.delivered_again += 1
        return not any(self._explains(one, times) for one in self._standstills)

    def _explains(self, standstill: Standstill, times: list[Effect]) -> bool:
        last_s = max(one.at_s for one in times)
        in_time = standstill.since_s <= last_s <= standstill.until_s + AGAIN_WITHIN_S
        return in_time and standstill.process in {None, *(one.process for one in times)}


def _total(value: Any) -> int:
    if isinstance(value, list):
        return sum(map(_total, value))
    return int(value["sum"])
